"""The schema of re-ratings. It describes; the views do the reading."""

from typing import Any

from rest_framework import serializers

from billing.models import ReRating, ReRatingStep
from core import limits
from core.http.schema import DecimalText


class NewReRatingSchema(serializers.Serializer[Any]):
    to = serializers.DateTimeField(required=False, help_text="exclusive; now if absent")
    customer = serializers.CharField(
        required=False, max_length=limits.ID_CHARACTERS_MAX, help_text="every customer if absent"
    )
    plan = serializers.CharField(
        required=False, max_length=limits.KEY_CHARACTERS_MAX, help_text="a plan, in place of `from` and `to`"
    )
    version = serializers.IntegerField(
        required=False, min_value=1, help_text="its published version that corrects another"
    )
    reason = serializers.CharField(max_length=limits.REASON_CHARACTERS_MAX, help_text="what is corrected")

    class Meta:
        ref_name = "NewReRating"

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        start = serializers.DateTimeField(
            required=False, help_text="events that happened from here on; required without `plan`"
        )
        return {"from": start, **super().get_fields()}


class ChangeSchema(serializers.Serializer[Any]):
    before = DecimalText()
    after = DecimalText()
    change = DecimalText()

    class Meta:
        ref_name = "ReRatingChange"


class PeriodMarginSchema(serializers.Serializer[Any]):
    revenue = DecimalText()
    cost = DecimalText()
    rate = DecimalText(allow_null=True, help_text="null where nothing was earned, or not in USD as costs are")

    class Meta:
        ref_name = "ReRatingMargin"


class BeforeAndAfterSchema(serializers.Serializer[Any]):
    before = PeriodMarginSchema()
    after = PeriodMarginSchema()

    class Meta:
        ref_name = "ReRatingMargins"


class ChargeChangeSchema(serializers.Serializer[Any]):
    charge = serializers.CharField()
    before_minor = serializers.IntegerField()
    after_minor = serializers.IntegerField()

    class Meta:
        ref_name = "ReRatingCharge"


class SumChangeSchema(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(["fee", "commitment", "margin_floor"])
    before_minor = serializers.IntegerField()
    after_minor = serializers.IntegerField()

    class Meta:
        ref_name = "ReRatingSum"


class PeriodChangeSchema(serializers.Serializer[Any]):
    subscription = serializers.CharField()
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    state = serializers.ChoiceField(
        ["open", "draft", "finalized"], help_text="of a finalized one the difference goes on the next invoice"
    )
    invoice = serializers.CharField(allow_null=True, help_text="its number")
    currency = serializers.CharField()
    charges = ChargeChangeSchema(many=True, help_text="minimum, maximum and discounts are in them")
    sums = SumChangeSchema(many=True, help_text="fees with add-ons, the true-up, the margin floor's line")
    discount = ChangeSchema(help_text="what the subscription's discount takes off, unrounded")
    subtotal_before_minor = serializers.IntegerField()
    subtotal_after_minor = serializers.IntegerField()
    margin_before = PeriodMarginSchema()
    margin_after = PeriodMarginSchema()

    class Meta:
        ref_name = "ReRatingPeriod"


class ConsequencesSchema(serializers.Serializer[Any]):
    """What the correction changes for one customer. Costs are in USD."""

    changed = serializers.BooleanField(help_text="whether anything at all does")
    events = serializers.IntegerField(help_text="how many change; how many are rated under a corrected plan")
    cost = ChangeSchema()
    credits = ChangeSchema()
    overage = ChangeSchema()
    periods = PeriodChangeSchema(many=True)
    margin = BeforeAndAfterSchema()

    class Meta:
        ref_name = "ReRatingConsequences"


class ReRatingStepSchema(serializers.Serializer[Any]):
    customer = serializers.CharField()
    state = serializers.ChoiceField(ReRatingStep.State.values)
    found = ConsequencesSchema(allow_null=True, help_text="what the dry run saw")
    applied = ConsequencesSchema(allow_null=True, help_text="what applying changed")

    class Meta:
        ref_name = "ReRatingCustomer"


class ReRatingSchema(serializers.Serializer[Any]):
    id = serializers.CharField()
    to = serializers.DateTimeField()
    customer = serializers.CharField(allow_null=True)
    plan = serializers.CharField(allow_null=True, help_text="the plan that was corrected")
    version = serializers.IntegerField(allow_null=True, help_text="the version that corrects it")
    reason = serializers.CharField()
    state = serializers.ChoiceField(ReRating.State.values)
    customers = serializers.DictField(
        child=serializers.IntegerField(), help_text="how many are waiting, found and applied"
    )
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    applied_at = serializers.DateTimeField(allow_null=True)
    applied_by = serializers.CharField()

    class Meta:
        ref_name = "ReRating"

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        return {"id": fields.pop("id"), "from": serializers.DateTimeField(), **fields}


class TotalsSchema(serializers.Serializer[Any]):
    """The changes of all customers that have any, added up."""

    customers = serializers.IntegerField(help_text="how many have a change")
    events = serializers.IntegerField()
    cost = DecimalText(help_text="USD, after less before")
    credits = DecimalText()
    charges = serializers.DictField(
        child=serializers.DictField(child=serializers.IntegerField()),
        help_text="minor units, after less before, by currency and by state of the period",
    )

    class Meta:
        ref_name = "ReRatingTotals"


class ReRatingInFullSchema(ReRatingSchema):
    total = TotalsSchema()

    class Meta:
        ref_name = "ReRatingInFull"
