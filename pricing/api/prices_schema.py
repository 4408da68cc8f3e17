"""The price book's and burn tables' part of the published schema. It describes; the rooms' own readers read."""

from typing import Any

from rest_framework import serializers

from core.http.schema import DecimalText
from pricing.models import BurnTableVersion, PriceRow, PriceSnapshot
from pricing.price_sources.files import FORMATS
from pricing.price_sources.packaged import PACKAGED


class NewPriceSchema(serializers.Serializer[Any]):
    """What a provider charges you. It beats every synced price from its start on."""

    provider = serializers.CharField(help_text='"" means every provider')
    model = serializers.CharField(help_text='"" means every model')
    unit = serializers.CharField(
        help_text="a usage bucket such as input or web_search; call for a fee on every call"
    )
    price = DecimalText(help_text="US dollars; with is_percent, a share of the call's cost")
    per = DecimalText(required=False, help_text="for how many units the price is; 1 if absent")
    context = serializers.CharField(required=False, help_text="standard, batch, flex, priority, …")  # type: ignore[assignment]
    region = serializers.CharField(required=False)
    input_over = serializers.IntegerField(required=False, help_text="holds for prompts longer than this")
    window = serializers.CharField(required=False, help_text="UTC times, such as 01:00-04:00")
    days = serializers.CharField(required=False, help_text="UTC weekdays of the window; 1 is Monday")
    is_percent = serializers.BooleanField(required=False)
    effective_from = serializers.DateTimeField(required=False, help_text="now if absent")
    effective_to = serializers.DateTimeField(required=False)
    currency = serializers.ChoiceField(required=False, choices=["USD"])

    class Meta:
        ref_name = "NewPrice"


class NewPricesSchema(serializers.Serializer[Any]):
    prices = NewPriceSchema(many=True)

    class Meta:
        ref_name = "NewPrices"


class PriceSchema(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    provider = serializers.CharField()
    model = serializers.CharField()
    unit = serializers.CharField()
    context = serializers.CharField()  # type: ignore[assignment]
    region = serializers.CharField()
    input_over = serializers.IntegerField()
    window = serializers.CharField(allow_null=True)
    days = serializers.CharField(allow_null=True)
    price = DecimalText(help_text="US dollars for a single unit")
    is_percent = serializers.BooleanField()
    currency = serializers.CharField()
    effective_from = serializers.DateTimeField()
    effective_to = serializers.DateTimeField(allow_null=True)
    layer = serializers.ChoiceField(choices=[layer.name.lower() for layer in PriceRow.Layer])
    source = serializers.CharField()  # type: ignore[assignment]
    snapshot = serializers.IntegerField()
    recorded_at = serializers.DateTimeField()
    approved_by = serializers.CharField()

    class Meta:
        ref_name = "Price"


class PricesMadeSchema(serializers.Serializer[Any]):
    results = PriceSchema(many=True)

    class Meta:
        ref_name = "PricesMade"


class ImportSchema(serializers.Serializer[Any]):
    """A file of prices, as text; or, with the source genai-prices alone, the packaged ones."""

    source = serializers.ChoiceField(choices=[PACKAGED, *FORMATS])  # type: ignore[assignment]
    content = serializers.CharField(required=False, help_text="the file's text")
    version = serializers.CharField(required=False)
    accept_single_source = serializers.BooleanField(required=False, help_text="false if absent")

    class Meta:
        ref_name = "PriceImport"


class SnapshotSchema(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    source = serializers.CharField()  # type: ignore[assignment]
    version = serializers.CharField()
    sha256 = serializers.CharField()
    status = serializers.ChoiceField(choices=PriceSnapshot.Status.values)
    counts = serializers.DictField(child=serializers.IntegerField())
    skipped = serializers.DictField(child=serializers.IntegerField())
    waiting = serializers.DictField(child=serializers.IntegerField(), help_text="by reason")
    taken_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)
    decided_by = serializers.CharField()

    class Meta:
        ref_name = "PriceSnapshot"


class StagedSnapshotSchema(SnapshotSchema):
    staged = serializers.ListField(
        child=serializers.DictField(), help_text="what waits; a position is its index"
    )

    class Meta:
        ref_name = "StagedPriceSnapshot"


class DecisionSchema(serializers.Serializer[Any]):
    """What to decide: the items at these positions, or those that wait for these reasons, or everything."""

    items = serializers.ListField(child=serializers.IntegerField(), required=False)
    reasons = serializers.ListField(child=serializers.CharField(), required=False)

    class Meta:
        ref_name = "PriceDecision"


class BurnRateSchema(serializers.Serializer[Any]):
    id = serializers.CharField()
    match = serializers.DictField(
        help_text="model, family, task, properties.NAME, type, provider, token_kind, …"
    )
    credits = DecimalText()
    per = DecimalText(required=False, help_text="1 if absent")
    derived = serializers.BooleanField(required=False, help_text="true where a margin set it, and no person")

    class Meta:
        ref_name = "BurnRate"


class NewBurnVersionSchema(serializers.Serializer[Any]):
    rates = BurnRateSchema(many=True)
    effective_at = serializers.DateTimeField(
        required=False, help_text="now if absent; in the past to correct"
    )
    unlisted = serializers.ChoiceField(choices=BurnTableVersion.Unlisted.values, required=False)
    note = serializers.CharField(required=False)
    correction = serializers.BooleanField(required=False, help_text="may reach into the past; needs a note")

    class Meta:
        ref_name = "NewBurnTableVersion"


class KindMarginSchema(serializers.Serializer[Any]):
    """One kind of one model, in US dollars for a single unit."""

    provider = serializers.CharField()
    model = serializers.CharField()
    kind = serializers.CharField()
    rate = serializers.CharField(allow_null=True, help_text="id of the rate that burns it; null: none does")
    provider_cost = DecimalText()
    sale_price = DecimalText()
    margin = DecimalText(allow_null=True)
    below_floor = serializers.BooleanField()
    detail = serializers.CharField()

    class Meta:
        ref_name = "BurnKindMargin"


class BurnMarginsSchema(serializers.Serializer[Any]):
    credit_price = DecimalText()
    floor = DecimalText()
    kinds = serializers.IntegerField(help_text="how many were looked at")
    below_floor = serializers.IntegerField()
    results = KindMarginSchema(many=True, help_text="the lowest margins first")
    derived = BurnRateSchema(many=True, help_text="rates for what no rate burns, at the target margin")

    class Meta:
        ref_name = "BurnMargins"


class NewBurnTableSchema(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    rates = BurnRateSchema(many=True)
    effective_at = serializers.DateTimeField(required=False, help_text="now if absent")
    unlisted = serializers.ChoiceField(choices=BurnTableVersion.Unlisted.values, required=False)
    note = serializers.CharField(required=False)

    class Meta:
        ref_name = "NewBurnTable"


class BurnVersionSchema(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    effective_at = serializers.DateTimeField()
    rates = BurnRateSchema(many=True)
    unlisted = serializers.ChoiceField(choices=BurnTableVersion.Unlisted.values)
    note = serializers.CharField()
    created_at = serializers.DateTimeField()

    class Meta:
        ref_name = "BurnTableVersion"


class BurnTableSchema(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    created_at = serializers.DateTimeField()
    current = BurnVersionSchema(allow_null=True)
    upcoming = BurnVersionSchema(many=True)

    class Meta:
        ref_name = "BurnTable"
