"""Billing's part of the published schema. It describes; the views do the reading."""

from typing import Any

from rest_framework import serializers

from billing.drafts import CORRECTION, PERIOD, START
from billing.models import Invoice
from core import limits
from core.http.schema import DecimalText
from pricing.api.plans_schema import CommitmentSchema, FloorSchema, StepSchema
from pricing.plan_terms import GRANT_CATEGORIES

MOMENT = "`now`, `period_end`, or an RFC 3339 time"


class PeriodSchema(serializers.Serializer[Any]):
    """The instants from `start` up to, and without, `end`."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()

    class Meta:
        ref_name = "Period"


class OverridesSchema(serializers.Serializer[Any]):
    """The subscription's own terms, in place of the plan's."""

    discount_percent = DecimalText(required=False, allow_null=True)
    cap = DecimalText(
        required=False, allow_null=True, help_text="the margin floor never lifts a period beyond it"
    )
    commitment = CommitmentSchema(required=False, allow_null=True)
    margin_floor = FloorSchema(required=False, allow_null=True)

    class Meta:
        ref_name = "SubscriptionOverrides"


class NewSubscriptionSchema(serializers.Serializer[Any]):
    customer = serializers.CharField(max_length=limits.ID_CHARACTERS_MAX)
    plan = serializers.CharField(max_length=limits.KEY_CHARACTERS_MAX)
    version = serializers.IntegerField(
        required=False, min_value=1, help_text="the newest published one if absent"
    )
    key = serializers.CharField(
        required=False, max_length=limits.ID_CHARACTERS_MAX, help_text="your own id; the customer's if absent"
    )
    starts_at = serializers.DateTimeField(required=False)
    anchor = serializers.DateField(required=False, help_text="local day from which periods are counted")
    ends_at = serializers.DateTimeField(required=False)
    overrides = OverridesSchema(required=False)

    class Meta:
        ref_name = "NewSubscription"


class StretchSchema(serializers.Serializer[Any]):
    plan = serializers.CharField()
    version = serializers.IntegerField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(allow_null=True)
    trial = serializers.BooleanField(help_text="free of charge")

    class Meta:
        ref_name = "SubscriptionStretch"


class SubscriptionSchema(serializers.Serializer[Any]):
    id = serializers.CharField()
    key = serializers.CharField()
    customer = serializers.CharField()
    plan = serializers.CharField(allow_null=True, help_text="at present; see `stretches` for what follows")
    version = serializers.IntegerField(allow_null=True)
    status = serializers.ChoiceField(choices=["active", "ending", "ended"])
    anchor = serializers.DateField()
    interval = serializers.CharField()
    timezone = serializers.CharField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(allow_null=True)
    period = PeriodSchema(help_text="the open period, or the last one")
    trial_ends_at = serializers.DateTimeField(allow_null=True, help_text="before it nothing is charged")
    overrides = OverridesSchema(help_text="of the open period")
    next_overrides = OverridesSchema(allow_null=True, help_text="planned from the next period on")
    stretches = StretchSchema(many=True, help_text="from the open period on")

    class Meta:
        ref_name = "Subscription"


class ChangePlanSchema(serializers.Serializer[Any]):
    plan = serializers.CharField(max_length=limits.KEY_CHARACTERS_MAX)
    version = serializers.IntegerField(required=False, min_value=1)
    at = serializers.CharField(required=False, help_text=f"{MOMENT}; `now` if absent")

    class Meta:
        ref_name = "ChangePlan"


class CancelSchema(serializers.Serializer[Any]):
    at = serializers.CharField(required=False, help_text=f"{MOMENT}; `period_end` if absent")

    class Meta:
        ref_name = "CancelSubscription"


class LineSchema(serializers.Serializer[Any]):
    n = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=["usage", "correction", "fee", "commitment", "margin_floor"])
    description = serializers.CharField()
    charge = serializers.CharField(allow_null=True)
    quantity = DecimalText(allow_null=True)
    unit = serializers.CharField(
        allow_null=True,
        help_text="what one of the quantity is called: token, credit; null where nothing is counted",
    )
    unrounded = DecimalText(help_text="the exact amount, in the currency's major unit")
    amount_minor = serializers.IntegerField()
    period = PeriodSchema()
    explain = StepSchema(many=True)

    class Meta:
        ref_name = "Line"


class MarginSchema(serializers.Serializer[Any]):
    revenue = DecimalText()
    cost = DecimalText()
    rate = DecimalText(
        allow_null=True, help_text="null without revenue, and where it is not in USD as costs are"
    )

    class Meta:
        ref_name = "Margin"


class CreditsSchema(serializers.Serializer[Any]):
    balance = DecimalText()
    held = DecimalText()
    available = DecimalText(help_text="balance less held")
    overage = DecimalText(help_text="burnt without a grant, since the beginning")

    class Meta:
        ref_name = "Credits"


class SubscriptionSpendSchema(serializers.Serializer[Any]):
    subscription = serializers.CharField()
    period = PeriodSchema()
    currency = serializers.CharField()
    lines = LineSchema(many=True)
    subtotal_minor = serializers.IntegerField()
    tax_minor = serializers.IntegerField()
    total_minor = serializers.IntegerField()
    margin = MarginSchema(required=False, help_text="for operators")

    class Meta:
        ref_name = "SubscriptionSpend"


class SpendSchema(serializers.Serializer[Any]):
    customer = serializers.CharField()
    as_of = serializers.DateTimeField()
    period = PeriodSchema(allow_null=True, help_text="null without a running subscription")
    currency = serializers.CharField()
    lines = LineSchema(many=True)
    subtotal_minor = serializers.IntegerField()
    tax_minor = serializers.IntegerField()
    total_minor = serializers.IntegerField()
    credits = CreditsSchema()
    margin = MarginSchema(required=False, help_text="for operators")
    subscriptions = SubscriptionSpendSchema(many=True)

    class Meta:
        ref_name = "Spend"


class SubscriptionForecastSchema(serializers.Serializer[Any]):
    subscription = serializers.CharField()
    period = PeriodSchema()
    currency = serializers.CharField()
    so_far_minor = serializers.IntegerField()
    expected_minor = serializers.IntegerField()
    low_minor = serializers.IntegerField()
    high_minor = serializers.IntegerField()
    elapsed = DecimalText(help_text="share of the period that is over")
    basis = serializers.CharField(help_text="how it was worked out")

    class Meta:
        ref_name = "SubscriptionForecast"


class ForecastSchema(serializers.Serializer[Any]):
    customer = serializers.CharField()
    as_of = serializers.DateTimeField()
    currency = serializers.CharField()
    so_far_minor = serializers.IntegerField(help_text="before tax, as all amounts here")
    expected_minor = serializers.IntegerField()
    low_minor = serializers.IntegerField()
    high_minor = serializers.IntegerField()
    subscriptions = SubscriptionForecastSchema(many=True)

    class Meta:
        ref_name = "Forecast"


class InvoiceSchema(serializers.Serializer[Any]):
    id = serializers.CharField()
    number = serializers.CharField(allow_null=True, help_text="given when it is finalized, without gaps")
    customer = serializers.CharField()
    subscription = serializers.CharField()
    status = serializers.ChoiceField(choices=Invoice.Status.values)
    kind = serializers.ChoiceField(
        choices=[START, PERIOD, CORRECTION],
        help_text="start: the first fee in advance; correction: what came late after the subscription's last invoice",
    )
    currency = serializers.CharField()
    period = PeriodSchema()
    subtotal_minor = serializers.IntegerField()
    tax_minor = serializers.IntegerField()
    total_minor = serializers.IntegerField()
    due_minor = serializers.IntegerField(help_text="what is still to be paid")
    paid_minor = serializers.IntegerField()
    finalizes_at = serializers.DateTimeField(allow_null=True, help_text="of a draft")
    finalized_at = serializers.DateTimeField(allow_null=True)
    due_at = serializers.DateTimeField(allow_null=True)
    paid_at = serializers.DateTimeField(allow_null=True)
    lines = LineSchema(many=True)

    class Meta:
        ref_name = "Invoice"


class PaymentSchema(serializers.Serializer[Any]):
    amount_minor = serializers.IntegerField(
        required=False, min_value=1, max_value=limits.PAYMENT_MINOR_MAX, help_text="all that is due if absent"
    )
    reference = serializers.CharField(
        max_length=limits.PAYMENT_REFERENCE_CHARACTERS_MAX,
        help_text="of the bank or the cash book; the same again is booked once",
    )

    class Meta:
        ref_name = "Payment"


class NewGrantSchema(serializers.Serializer[Any]):
    customer = serializers.CharField(max_length=limits.ID_CHARACTERS_MAX)
    amount = DecimalText()
    key = serializers.CharField(
        required=False, max_length=limits.ID_CHARACTERS_MAX, help_text="makes the grant once"
    )
    name = serializers.CharField(required=False, allow_blank=True, max_length=limits.NAME_CHARACTERS_MAX)
    category = serializers.ChoiceField(
        required=False, choices=GRANT_CATEGORIES, help_text="paid if it has a cost basis, else promotional"
    )
    cost_basis = DecimalText(required=False, help_text="money that one credit brought in")
    priority = serializers.IntegerField(
        required=False, min_value=0, max_value=limits.GRANT_PRIORITY_MAX, help_text="lower burns first"
    )
    starts_at = serializers.DateTimeField(required=False)
    expires_at = serializers.DateTimeField(required=False)
    applies_to = serializers.DictField(
        required=False,
        child=serializers.ListField(child=serializers.CharField()),
        help_text="path of an event → values; every event if absent",
    )
    reason = serializers.CharField(required=False, allow_blank=True, max_length=limits.REASON_CHARACTERS_MAX)

    class Meta:
        ref_name = "NewCreditGrant"


class VoidGrantSchema(serializers.Serializer[Any]):
    reason = serializers.CharField(required=False, allow_blank=True, max_length=limits.REASON_CHARACTERS_MAX)

    class Meta:
        ref_name = "VoidCreditGrant"
