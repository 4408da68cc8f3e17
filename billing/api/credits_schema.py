"""The schema of what credits and receipts answer."""

from typing import Any

from rest_framework import serializers

from billing.api.schema import CreditsSchema
from core.http.schema import DecimalText
from pricing.plan_terms import GRANT_CATEGORIES


class GrantSchema(serializers.Serializer[Any]):
    id = serializers.CharField()
    key = serializers.CharField()
    customer = serializers.CharField(required=False)
    name = serializers.CharField()
    amount = DecimalText()
    remaining = DecimalText()
    category = serializers.ChoiceField(choices=GRANT_CATEGORIES)
    cost_basis = DecimalText()
    currency = serializers.CharField()
    priority = serializers.IntegerField()
    applies_to = serializers.DictField(child=serializers.ListField(child=serializers.CharField()))
    starts_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    status = serializers.ChoiceField(choices=["active", "expired", "voided"])
    reason = serializers.CharField()

    class Meta:
        ref_name = "CreditGrant"


class BalanceSchema(CreditsSchema):
    grants = GrantSchema(many=True, help_text="in the order in which they burn")
    as_of = serializers.DateTimeField()

    class Meta:
        ref_name = "CreditBalance"


class LedgerEntrySchema(serializers.Serializer[Any]):
    account = serializers.CharField(help_text="grant, issued, burnt, expired, voided or overage")
    grant = serializers.CharField(allow_null=True)
    amount = DecimalText()

    class Meta:
        ref_name = "CreditEntry"


class LedgerTransactionSchema(serializers.Serializer[Any]):
    id = serializers.CharField()
    kind = serializers.CharField()
    text = serializers.CharField(help_text="what happened, in words")
    change = DecimalText(help_text="of the customer's credits")
    balance = DecimalText(help_text="of all grants after it, also of those that have yet to start")
    entries = LedgerEntrySchema(many=True)
    occurred_at = serializers.DateTimeField()
    recorded_at = serializers.DateTimeField()

    class Meta:
        ref_name = "CreditTransaction"


class CostLineSchema(serializers.Serializer[Any]):
    bucket = serializers.CharField()
    quantity = DecimalText()
    unit_price = DecimalText(allow_null=True)
    amount = DecimalText(allow_null=True)
    price_row = serializers.IntegerField(allow_null=True)
    source = serializers.CharField()  # type: ignore[assignment]

    class Meta:
        ref_name = "CostLine"


class CostSchema(serializers.Serializer[Any]):
    amount = DecimalText()
    currency = serializers.CharField()
    lines = CostLineSchema(many=True)

    class Meta:
        ref_name = "EventCost"


class BurnLineSchema(serializers.Serializer[Any]):
    token_kind = serializers.CharField()
    quantity = DecimalText()
    credits = DecimalText()
    burn_table = serializers.CharField()
    burn_table_version = serializers.IntegerField()
    burn_row = serializers.CharField()

    class Meta:
        ref_name = "BurnLine"


class DrawSchema(serializers.Serializer[Any]):
    grant = serializers.CharField(allow_null=True, help_text="null: overage")
    name = serializers.CharField()
    credits = DecimalText()

    class Meta:
        ref_name = "CreditDraw"


class ReceiptCreditsSchema(serializers.Serializer[Any]):
    amount = DecimalText()
    lines = BurnLineSchema(many=True)
    draws = DrawSchema(many=True)

    class Meta:
        ref_name = "ReceiptCredits"


class ReceiptChargeSchema(serializers.Serializer[Any]):
    charge = serializers.CharField()
    plan = serializers.CharField()
    model = serializers.CharField()
    quantity = DecimalText()
    unit = serializers.CharField(
        allow_null=True, help_text="what one of the quantity is called: token, credit"
    )
    price = DecimalText(allow_null=True, help_text="null where the period's total sets the price")
    currency = serializers.CharField()

    class Meta:
        ref_name = "ReceiptCharge"


class ReceiptInvoiceSchema(serializers.Serializer[Any]):
    invoice = serializers.CharField()
    number = serializers.CharField()
    lines = serializers.ListField(child=serializers.IntegerField())

    class Meta:
        ref_name = "ReceiptInvoiceLine"


class ReplacingSchema(serializers.Serializer[Any]):
    id = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]

    class Meta:
        ref_name = "ReceiptReplacing"


class WithdrawnSchema(serializers.Serializer[Any]):
    backfill = serializers.CharField(required=False)
    replaced_by = ReplacingSchema(required=False, help_text="a report of the same call that tells more")
    at = serializers.DateTimeField()

    class Meta:
        ref_name = "ReceiptWithdrawn"


class ReceiptSchema(serializers.Serializer[Any]):
    id = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    customer = serializers.CharField()
    type = serializers.CharField()
    time = serializers.DateTimeField()
    provider = serializers.CharField()
    model = serializers.CharField()
    context = serializers.CharField()  # type: ignore[assignment]
    status = serializers.ChoiceField(choices=["rated", "pending", "unpriced", "unmatched", "withdrawn"])
    tokens = serializers.DictField(child=serializers.CharField(), help_text="disjoint buckets")
    credits = ReceiptCreditsSchema()
    charges = ReceiptChargeSchema(many=True)
    invoice_line = ReceiptInvoiceSchema(allow_null=True)
    cost = CostSchema(required=False, help_text="for operators")
    withdrawn = WithdrawnSchema(required=False, help_text="where something took it back")

    class Meta:
        ref_name = "Receipt"


class LineEventSchema(serializers.Serializer[Any]):
    """An event as it was sent, and how much of it the line counts."""

    id = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    customer = serializers.CharField()
    type = serializers.CharField()
    time = serializers.DateTimeField()
    recorded_at = serializers.DateTimeField()
    provider = serializers.CharField()
    model = serializers.CharField()
    service_tier = serializers.CharField()
    usage = serializers.DictField(child=serializers.CharField())
    quantity = DecimalText()
    status = serializers.CharField()
    latency_ms = serializers.IntegerField(allow_null=True)
    hold = serializers.CharField(allow_null=True)
    run = serializers.DictField(allow_null=True)
    properties = serializers.DictField()
    counted = DecimalText()

    class Meta:
        ref_name = "LineEvent"
