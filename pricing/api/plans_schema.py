"""The plans' part of the published schema. It describes; ``pricing.plan_terms`` does the reading."""

from typing import Any

from rest_framework import serializers

from core import limits
from core.http.schema import DecimalText
from pricing.engine.charge import READERS, REVERSAL_DAYS_MAX
from pricing.models import PlanVersion
from pricing.plan_terms import (
    FEE_TIMINGS,
    GRANT_CATEGORIES,
    GRANT_EXPIRES,
    INTERVALS,
    ON_BREACH,
    ON_EXHAUSTED,
    PRORATIONS,
)


class TierSchema(serializers.Serializer[Any]):
    up_to = DecimalText(allow_null=True, required=False, help_text="included; null in the last tier")
    unit_price = DecimalText(required=False)
    rate = DecimalText(required=False, help_text="graduated_percentage: a share of 1")
    flat = DecimalText(required=False)
    flat_at_zero = serializers.BooleanField(required=False)

    class Meta:
        ref_name = "Tier"


class CellSchema(serializers.Serializer[Any]):
    match = serializers.DictField(child=serializers.CharField())
    unit_price = DecimalText()

    class Meta:
        ref_name = "MatrixCell"


class ChargeSchema(serializers.Serializer[Any]):
    """A rule from quantity to money. Which fields belong depends on ``model``; others are refused."""

    key = serializers.CharField(required=False, help_text="needed in a plan")
    meter = serializers.CharField(required=False, allow_null=True, help_text="none for flat and credits")
    model = serializers.ChoiceField(choices=list(READERS))
    included = DecimalText(required=False)
    minimum = DecimalText(required=False, allow_null=True)
    maximum = DecimalText(required=False, allow_null=True)
    discount_percent = DecimalText(required=False, allow_null=True)
    prorate = serializers.BooleanField(required=False)
    bill_failed = serializers.ChoiceField(required=False, choices=["never", "always"])
    margin_floor = DecimalText(required=False, allow_null=True)
    reversed_by = serializers.CharField(
        required=False, help_text="event type that takes a counted event back, named by `properties.reverses`"
    )
    reversal_days = serializers.IntegerField(
        required=False, min_value=1, max_value=REVERSAL_DAYS_MAX, help_text="needed with reversed_by"
    )
    amount = DecimalText(required=False, help_text="flat")
    unit_price = DecimalText(required=False, help_text="per_unit, credits")
    tiers = TierSchema(
        many=True, required=False, help_text="graduated, volume, graduated_percentage, credits"
    )
    flat_at_zero = serializers.BooleanField(required=False)
    package_size = DecimalText(required=False)
    package_price = DecimalText(required=False)
    rounding = serializers.ChoiceField(required=False, choices=["up", "down"], help_text="package")
    rate = DecimalText(required=False, help_text="percentage")
    fixed = DecimalText(required=False, help_text="percentage")
    free_events = DecimalText(required=False, help_text="percentage")
    free_amount = DecimalText(required=False, help_text="percentage")
    min_per_event = DecimalText(required=False, allow_null=True, help_text="percentage")
    max_per_event = DecimalText(required=False, allow_null=True, help_text="percentage")
    dimensions = serializers.ListField(required=False, child=serializers.CharField(), help_text="matrix")
    cells = CellSchema(many=True, required=False, help_text="matrix")
    default_unit_price = DecimalText(required=False, allow_null=True, help_text="matrix")
    markup = DecimalText(required=False, help_text="cost_plus")
    burn_table = serializers.CharField(required=False, help_text="credits")

    class Meta:
        ref_name = "Charge"


class PlanGrantSchema(serializers.Serializer[Any]):
    amount = DecimalText()
    rollover = DecimalText(required=False, help_text="most that moves to the next period")
    priority = serializers.IntegerField(required=False, min_value=0, max_value=limits.GRANT_PRIORITY_MAX)
    category = serializers.ChoiceField(required=False, choices=GRANT_CATEGORIES)
    expires = serializers.ChoiceField(required=False, choices=GRANT_EXPIRES)
    cost_basis = DecimalText(required=False, help_text="money that one credit brought in")

    class Meta:
        ref_name = "PlanGrant"


class CommitmentSchema(serializers.Serializer[Any]):
    amount = DecimalText()

    class Meta:
        ref_name = "Commitment"


class FloorSchema(serializers.Serializer[Any]):
    rate = DecimalText(help_text="a share below 1")
    on_breach = serializers.ChoiceField(choices=ON_BREACH)

    class Meta:
        ref_name = "MarginFloor"


class AllowanceSchema(serializers.Serializer[Any]):
    """Units of a period that several charges share."""

    key = serializers.CharField()
    name = serializers.CharField(required=False, help_text="as customers read it; the key if absent")
    amount = DecimalText(help_text="units in a whole period")
    charges = serializers.ListField(
        child=serializers.CharField(), help_text="keys of the charges that take from it, in that order"
    )
    per = serializers.CharField(
        required=False,
        allow_null=True,
        help_text="key of a charge, such as seats: each unit it measures brings the amount",
    )
    prorate = serializers.BooleanField(required=False, help_text="true if absent")

    class Meta:
        ref_name = "Allowance"


class NewVersionSchema(serializers.Serializer[Any]):
    key = serializers.CharField(required=False, help_text="the plan's own key, or left out")
    name = serializers.CharField(max_length=limits.NAME_CHARACTERS_MAX)
    currency = serializers.CharField(required=False, min_length=3, max_length=3)
    interval = serializers.ChoiceField(required=False, choices=INTERVALS)
    fee = DecimalText(required=False)
    fee_timing = serializers.ChoiceField(required=False, choices=FEE_TIMINGS)
    proration = serializers.ChoiceField(required=False, choices=PRORATIONS)
    charges = ChargeSchema(many=True, required=False)
    allowances = AllowanceSchema(many=True, required=False)
    credit_grants = PlanGrantSchema(many=True, required=False)
    on_exhausted = serializers.ChoiceField(required=False, choices=ON_EXHAUSTED)
    burn_table = serializers.CharField(required=False, allow_null=True)
    commitment = CommitmentSchema(required=False, allow_null=True)
    discount_percent = DecimalText(required=False, allow_null=True)
    cap = DecimalText(
        required=False, allow_null=True, help_text="the margin floor never lifts a period beyond it"
    )
    trial_days = serializers.IntegerField(required=False, min_value=0, max_value=limits.TRIAL_DAYS_MAX)
    margin_floor = FloorSchema(required=False, allow_null=True)

    class Meta:
        ref_name = "NewPlanVersion"


class AddedVersionSchema(NewVersionSchema):
    corrects = serializers.IntegerField(
        required=False, min_value=1, help_text="the number of a version that was published by mistake"
    )
    effective_at = serializers.DateTimeField(
        required=False,
        help_text="the correction is for what happened from here on; from the beginning if absent",
    )
    note = serializers.CharField(
        required=False,
        max_length=limits.REASON_CHARACTERS_MAX,
        help_text="what is put right; required with `corrects`",
    )

    class Meta:
        ref_name = "AddedPlanVersion"


class NewPlanSchema(NewVersionSchema):
    key = serializers.CharField(max_length=limits.KEY_CHARACTERS_MAX)

    class Meta:
        ref_name = "NewPlan"


class VersionSchema(serializers.Serializer[Any]):
    plan = serializers.CharField()
    number = serializers.IntegerField()
    status = serializers.ChoiceField(choices=PlanVersion.Status.values)
    terms = NewVersionSchema()
    created_at = serializers.DateTimeField()
    published_at = serializers.DateTimeField(allow_null=True)
    retired_at = serializers.DateTimeField(allow_null=True)
    corrects = serializers.IntegerField(allow_null=True, help_text="the version that this one puts right")
    effective_at = serializers.DateTimeField(allow_null=True, help_text="a correction's start")
    note = serializers.CharField(help_text="what a correction puts right")

    class Meta:
        ref_name = "PlanVersion"


class VersionStateSchema(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    status = serializers.ChoiceField(choices=PlanVersion.Status.values)

    class Meta:
        ref_name = "PlanVersionState"


class PlanSchema(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    created_at = serializers.DateTimeField()
    archived_at = serializers.DateTimeField(allow_null=True)
    versions = VersionStateSchema(many=True)
    version = VersionSchema(help_text="the newest published version, or the newest draft before there is one")

    class Meta:
        ref_name = "Plan"


class TermChangeSchema(serializers.Serializer[Any]):
    field = serializers.CharField()
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)

    class Meta:
        ref_name = "TermChange"


class VersionDiffSchema(serializers.Serializer[Any]):
    before = serializers.IntegerField(help_text="the version compared with")
    after = serializers.IntegerField()
    changes = TermChangeSchema(many=True)

    class Meta:
        ref_name = "PlanVersionDiff"


class PreviewEventSchema(serializers.Serializer[Any]):
    """An event in the shape of ``POST /v1/events``, with what a price may need besides."""

    quantity = DecimalText(required=False, help_text="1 if absent")
    type = serializers.CharField(required=False)
    provider = serializers.CharField(required=False)
    model = serializers.CharField(required=False)
    service_tier = serializers.ChoiceField(required=False, choices=["standard", "batch", "flex", "priority"])
    usage = serializers.DictField(required=False, help_text="counts by bucket")
    status = serializers.CharField(required=False)
    time = serializers.DateTimeField(required=False)
    properties = serializers.DictField(required=False)
    dimensions = serializers.DictField(required=False, child=serializers.CharField())
    cost = DecimalText(required=False, help_text="provider cost; by the price book if absent")
    amount = DecimalText(required=False, help_text="the price the event brings, for dynamic")
    credits = DecimalText(required=False, help_text="by the burn table if absent")

    class Meta:
        ref_name = "PreviewEvent"


class PreviewChargeSchema(serializers.Serializer[Any]):
    charge = ChargeSchema()
    quantity = DecimalText()

    class Meta:
        ref_name = "PreviewCharge"


class NewPreviewSchema(serializers.Serializer[Any]):
    currency = serializers.CharField(required=False, min_length=3, max_length=3)
    charge = ChargeSchema(required=False, help_text="either this, with a quantity or events, or charges")
    charges = PreviewChargeSchema(many=True, required=False)
    allowances = AllowanceSchema(many=True, required=False, help_text="what the charges share")
    quantity = DecimalText(required=False, help_text="either this or events")
    events = PreviewEventSchema(many=True, required=False)

    class Meta:
        ref_name = "NewPricePreview"


class StepSchema(serializers.Serializer[Any]):
    kind = serializers.CharField()
    text = serializers.CharField()
    amount = DecimalText(allow_null=True)

    class Meta:
        ref_name = "RatingStep"


class RatedLineSchema(serializers.Serializer[Any]):
    description = serializers.CharField()
    dimensions = serializers.DictField(child=serializers.CharField())
    tier_from = DecimalText(allow_null=True)
    tier_to = DecimalText(allow_null=True)
    quantity = DecimalText()
    unit_price = DecimalText(allow_null=True)
    flat = DecimalText()
    unrounded = DecimalText()

    class Meta:
        ref_name = "RatedLine"


class RatedChargeSchema(serializers.Serializer[Any]):
    charge = serializers.CharField()
    amount = DecimalText()
    amount_minor = serializers.IntegerField()
    unrounded = DecimalText()
    quantity = DecimalText()
    lines = RatedLineSchema(many=True)
    explain = StepSchema(many=True)

    class Meta:
        ref_name = "RatedCharge"


class PreviewSchema(serializers.Serializer[Any]):
    currency = serializers.CharField()
    amount = DecimalText()
    amount_minor = serializers.IntegerField()
    unrounded = DecimalText()
    quantity = DecimalText(required=False, help_text="of a single charge")
    lines = RatedLineSchema(many=True, required=False, help_text="of a single charge")
    explain = StepSchema(many=True, required=False, help_text="of a single charge")
    charges = RatedChargeSchema(many=True, required=False, help_text="where several were asked for")

    class Meta:
        ref_name = "PricePreview"
