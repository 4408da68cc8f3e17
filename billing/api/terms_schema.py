"""The schema of subscriptions' own terms, add-ons, and moves to another plan version. It describes; the views read."""

from typing import Any

from rest_framework import serializers

from billing.api.schema import OverridesSchema, PeriodSchema
from core import limits
from core.http.schema import DecimalText

NOW_OR_NEXT = "`now`: the open period as a whole; `period_end`: from the next period on"


class NewOverridesSchema(serializers.Serializer[Any]):
    overrides = OverridesSchema(help_text="all of them; what is left out goes by the plan again")
    at = serializers.ChoiceField(
        required=False, choices=["now", "period_end"], help_text=f"{NOW_OR_NEXT}; `now` if absent"
    )

    class Meta:
        ref_name = "NewSubscriptionOverrides"


class NewAddOnSchema(serializers.Serializer[Any]):
    key = serializers.CharField(max_length=limits.KEY_CHARACTERS_MAX)
    name = serializers.CharField(max_length=limits.NAME_CHARACTERS_MAX)
    amount = DecimalText(help_text="of one piece, in the currency's major unit")
    quantity = DecimalText(required=False, help_text="1 if absent")
    recurring = serializers.BooleanField(required=False, help_text="in every period; false if absent")
    at = serializers.DateTimeField(required=False, help_text="in the open period or later; now if absent")

    class Meta:
        ref_name = "NewAddOn"


class EndAddOnSchema(serializers.Serializer[Any]):
    at = serializers.CharField(required=False, help_text="`now`, `period_end` (if absent), or a time")

    class Meta:
        ref_name = "EndAddOn"


class AddOnSchema(serializers.Serializer[Any]):
    id = serializers.CharField()
    key = serializers.CharField()
    name = serializers.CharField()
    amount = DecimalText()
    quantity = DecimalText()
    recurring = serializers.BooleanField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(allow_null=True)

    class Meta:
        ref_name = "AddOn"


class NewMoveSchema(serializers.Serializer[Any]):
    who = serializers.JSONField(help_text="`all`, `new_only` (nobody moves), or a list of customers' keys")
    when = serializers.CharField(
        required=False, help_text="`next_period` (if absent), or an RFC 3339 time that is not over"
    )

    class Meta:
        ref_name = "NewPlanMove"


class LastPeriodSchema(serializers.Serializer[Any]):
    """The last whole period by the version it had and by the new one, before tax."""

    period = PeriodSchema()
    currency = serializers.CharField()
    cost_minor = serializers.IntegerField(help_text="by the terms it had")
    would_cost_minor = serializers.IntegerField(help_text="the same usage by the new version")
    difference_minor = serializers.IntegerField()
    not_compared = serializers.ListField(
        child=serializers.CharField(), help_text="new charges that count something else than the old ones"
    )
    text = serializers.CharField()

    class Meta:
        ref_name = "PlanMoveLastPeriod"


class MoveStepSchema(serializers.Serializer[Any]):
    customer = serializers.CharField()
    subscription = serializers.CharField()
    from_version = serializers.IntegerField()
    at = serializers.DateTimeField(help_text="when the new version takes over")
    status = serializers.ChoiceField(choices=["waiting", "planned", "moved", "refused", "cancelled"])
    detail = serializers.CharField(help_text="why it was refused")

    class Meta:
        ref_name = "PlanMoveStep"


class MovePreviewStepSchema(MoveStepSchema):
    last_period = LastPeriodSchema(allow_null=True, help_text="null where it would be refused")

    class Meta:
        ref_name = "PlanMovePreviewStep"


class MoveSchema(serializers.Serializer[Any]):
    id = serializers.CharField()
    plan = serializers.CharField()
    version = serializers.IntegerField()
    who = serializers.JSONField()
    when = serializers.CharField()
    created_at = serializers.DateTimeField()
    cancelled_at = serializers.DateTimeField(allow_null=True)
    counts = serializers.DictField(child=serializers.IntegerField(), help_text="subscriptions by status")
    subscriptions = MoveStepSchema(many=True, help_text="the first ones; walk `/steps` for all")

    class Meta:
        ref_name = "PlanMove"


class MovePreviewSchema(serializers.Serializer[Any]):
    plan = serializers.CharField()
    version = serializers.IntegerField()
    total = serializers.IntegerField(help_text="subscriptions that would move or be refused")
    subscriptions = MovePreviewStepSchema(many=True, help_text="the first ones")

    class Meta:
        ref_name = "PlanMovePreview"
