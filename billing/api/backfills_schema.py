"""The schema of backfills. It describes; the views do the reading."""

from typing import Any

from rest_framework import serializers

from billing.api.rerating_schema import ConsequencesSchema
from core import limits
from core.http.schema import DecimalText
from metering.models import Backfill, BackfillRow, BackfillStep


class NewBackfillSchema(serializers.Serializer[Any]):
    customer = serializers.CharField(
        required=False,
        max_length=limits.ID_CHARACTERS_MAX,
        help_text="whose usage it is; absent: a column says it",
    )
    note = serializers.CharField(
        required=False, max_length=limits.REASON_CHARACTERS_MAX, help_text="why, for who reads it later"
    )
    mapping = serializers.DictField(
        required=False,
        child=serializers.CharField(),
        help_text="column → field of an event, `usage.BUCKET`, `properties.NAME`, or `-` for none; columns not named here "
        "are told by their own names",
    )
    timezone = serializers.CharField(required=False, help_text="IANA name, for times without an offset")
    delimiter = serializers.ChoiceField([",", ";", "\t", "|"], required=False, help_text="of CSV; else seen")
    defaults = serializers.DictField(
        required=False,
        child=serializers.CharField(),
        help_text="source, type, provider, model, service_tier, status or api, where no cell says it",
    )
    others = serializers.ChoiceField(
        ["ignore", "properties"], required=False, help_text="what columns of no known name are"
    )

    class Meta:
        ref_name = "NewBackfill"


class CloseBackfillSchema(serializers.Serializer[Any]):
    finalized = serializers.ChoiceField(
        Backfill.Finalized.values,
        required=False,
        help_text="rows in invoiced periods: refuse to close (as if absent), correct on the next invoice, or skip",
    )

    class Meta:
        ref_name = "CloseBackfill"


class FileSchema(serializers.Serializer[Any]):
    bytes = serializers.IntegerField()
    sha256 = serializers.CharField(allow_null=True, help_text="of the file as sent, once it is being read")
    format = serializers.ChoiceField(["csv", "parquet"], allow_null=True)

    class Meta:
        ref_name = "BackfillFile"


class ColumnSchema(serializers.Serializer[Any]):
    column = serializers.CharField()
    field = serializers.CharField(allow_null=True, help_text="of the event; null: not taken")

    class Meta:
        ref_name = "BackfillColumn"


class RowsSchema(serializers.Serializer[Any]):
    read = serializers.IntegerField(help_text="so far")
    total = serializers.IntegerField(allow_null=True, help_text="once the whole file has been read")

    class Meta:
        ref_name = "BackfillRowsRead"


class InvoicedRowsSchema(serializers.Serializer[Any]):
    customer = serializers.CharField()
    invoice = serializers.CharField(help_text="its number")
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    rows = serializers.IntegerField()

    class Meta:
        ref_name = "BackfillInvoicedRows"


class ReadingSchema(serializers.Serializer[Any]):
    mapping = serializers.DictField(child=serializers.CharField())
    timezone = serializers.CharField(allow_blank=True)
    delimiter = serializers.CharField(allow_blank=True, trim_whitespace=False)
    defaults = serializers.DictField(child=serializers.CharField())
    others = serializers.CharField()

    class Meta:
        ref_name = "BackfillReading"


class BackfillSchema(serializers.Serializer[Any]):
    id = serializers.CharField()
    state = serializers.ChoiceField(Backfill.State.values)
    reason = serializers.CharField(allow_null=True, help_text="why it failed")
    customer = serializers.CharField(allow_null=True, help_text="null: a column says it")
    note = serializers.CharField(allow_blank=True)
    file = FileSchema()
    rows = RowsSchema()
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField(allow_blank=True)
    closed_at = serializers.DateTimeField(allow_null=True)
    closed_by = serializers.CharField(allow_blank=True)
    reverted_at = serializers.DateTimeField(allow_null=True)
    reverted_by = serializers.CharField(allow_blank=True)

    class Meta:
        ref_name = "Backfill"


class BackfillTotalsSchema(serializers.Serializer[Any]):
    """What all customers' rows together would change, as the preview saw it."""

    customers = serializers.IntegerField()
    cost = DecimalText(help_text="USD, what they cost us")
    credits = DecimalText(help_text="drawn")
    overage = DecimalText(help_text="credits that no grant covers")
    unpriced = serializers.IntegerField(help_text="events that would wait for a price")
    charges = serializers.DictField(
        child=serializers.DictField(child=serializers.IntegerField()),
        help_text="minor units, by currency and by state of the period",
    )

    class Meta:
        ref_name = "BackfillTotals"


class BackfillInFullSchema(BackfillSchema):
    reading = ReadingSchema()
    columns = ColumnSchema(many=True)
    outcomes = serializers.DictField(
        child=serializers.IntegerField(),
        help_text=f"rows by outcome: {', '.join(BackfillRow.Outcome.values)}",
    )
    parts = serializers.DictField(
        child=serializers.IntegerField(), help_text="customers by state of their part"
    )
    total = BackfillTotalsSchema()
    finalized = InvoicedRowsSchema(many=True, help_text="invoiced periods with rows in them, 100 at most")

    class Meta:
        ref_name = "BackfillInFull"


class RowPlaceSchema(serializers.Serializer[Any]):
    subscription = serializers.CharField(allow_null=True)
    start = serializers.DateTimeField(allow_null=True)
    end = serializers.DateTimeField(allow_null=True)
    state = serializers.ChoiceField(["open", "draft", "finalized", "none"], help_text="none: no subscription")
    rows = serializers.IntegerField()

    class Meta:
        ref_name = "BackfillRowPlace"


class BackfillConsequencesSchema(ConsequencesSchema):
    unpriced = serializers.IntegerField()
    rows = RowPlaceSchema(many=True)

    class Meta:
        ref_name = "BackfillConsequences"


class BackfillStepSchema(serializers.Serializer[Any]):
    customer = serializers.CharField()
    state = serializers.ChoiceField(BackfillStep.State.values)
    new = serializers.IntegerField()
    found = BackfillConsequencesSchema(allow_null=True)
    finalized = InvoicedRowsSchema(many=True)

    class Meta:
        ref_name = "BackfillCustomer"


class BackfillRowSchema(serializers.Serializer[Any]):
    row = serializers.IntegerField(help_text="from 1; the head is not counted")
    outcome = serializers.ChoiceField(BackfillRow.Outcome.values)
    column = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)
    id = serializers.CharField(allow_null=True)
    source = serializers.CharField(allow_null=True)  # type: ignore[assignment]
    cells = serializers.DictField(child=serializers.CharField(allow_blank=True), allow_null=True)

    class Meta:
        ref_name = "BackfillRow"
