from decimal import Decimal

from django.db import models


class PriceSnapshot(models.Model):
    """One import of a price source, kept whole: what came, from where, and what it changed."""

    class Status(models.TextChoices):
        STAGED = "staged"
        APPLIED = "applied"
        REFUSED = "refused"

    id = models.BigAutoField(primary_key=True)
    source = models.CharField(
        max_length=40, help_text="genai-prices, litellm, openrouter, bedrock, csv, operator"
    )
    version = models.CharField(max_length=80)
    sha256 = models.CharField(max_length=64)
    content = models.JSONField(help_text="the normalized rows as they came")
    diff = models.JSONField(default=dict, help_text="counts and the jumps that wait for a person")
    status = models.CharField(max_length=10, choices=Status)
    taken_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "sha256"], name="price_snapshot_once")]


class PriceRow(models.Model):
    """What a provider charges us for one unit of one kind, from a time on. Append-only; the newest row that holds wins.

    The price is for a single unit (one token, one second, one search) in ``currency``. Layers: an operator's override
    beats what two sources agree on, which beats a single source.
    """

    class Layer(models.IntegerChoices):
        SINGLE_SOURCE = 1
        AGREED = 2
        OPERATOR = 3

    id = models.BigAutoField(primary_key=True)
    provider = models.CharField(max_length=60)
    model = models.CharField(
        max_length=200, help_text="our canonical name; aliases lead to it. '' = every model"
    )
    unit = models.CharField(
        max_length=60, help_text="a bucket: input, cache_read, output, web_search, call, …"
    )
    context = models.CharField(max_length=20, default="standard")
    region = models.CharField(max_length=40, default="", help_text="'' = every region")
    input_over = models.BigIntegerField(default=0, help_text="holds when the call's input tokens exceed this")
    window_start = models.TimeField(
        null=True, help_text="UTC time of day from which it holds; null = all day"
    )
    window_end = models.TimeField(null=True)
    window_days = models.CharField(
        max_length=7, default="1234567", help_text="UTC weekdays of the window; 1 is Monday"
    )
    price = models.DecimalField(max_digits=38, decimal_places=18)
    is_percent = models.BooleanField(
        default=False, help_text="an overhead: the price is a share of the call's cost"
    )
    currency = models.CharField(max_length=3, default="USD")
    effective_from = models.DateTimeField()
    effective_to = models.DateTimeField(null=True, help_text="exclusive; null = until a newer row")
    layer = models.PositiveSmallIntegerField(choices=Layer)
    snapshot = models.ForeignKey(PriceSnapshot, on_delete=models.PROTECT, related_name="rows")
    recorded_at = models.DateTimeField()
    approved_by = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        indexes = [models.Index(fields=["provider", "model", "unit"], name="price_row_lookup")]
        constraints = [
            models.CheckConstraint(
                # NaN sorts above every number, so an upper bound keeps it out.
                condition=models.Q(price__gte=0, price__lt=Decimal(10) ** 20),
                name="price_row_finite",
            ),
        ]


class ModelAlias(models.Model):
    """Which canonical model a name meant, from a time on (``claude-sonnet-4-5-20250929``, ``…-latest``)."""

    class Kind(models.TextChoices):
        EXACT = "exact"
        STARTS_WITH = "starts_with"
        ENDS_WITH = "ends_with"
        CONTAINS = "contains"
        REGEX = "regex"

    id = models.BigAutoField(primary_key=True)
    provider = models.CharField(max_length=60)
    kind = models.CharField(max_length=12, choices=Kind, default=Kind.EXACT)
    pattern = models.CharField(max_length=300)
    model = models.CharField(max_length=200)
    effective_from = models.DateTimeField()
    snapshot = models.ForeignKey(PriceSnapshot, on_delete=models.PROTECT, related_name="aliases")

    class Meta:
        indexes = [models.Index(fields=["provider", "pattern"], name="model_alias_lookup")]


class PriceSync(models.Model):
    """How a source's daily reading stands: when it was last read, when it last said anything new, and what went wrong."""

    source = models.CharField(max_length=40, primary_key=True)
    address = models.CharField(
        max_length=500, blank=True, default="", help_text="'' = packaged with Burnline"
    )
    tried_at = models.DateTimeField(help_text="when it was last asked for")
    read_at = models.DateTimeField(null=True, help_text="when it was last read without an error")
    error = models.CharField(max_length=500, blank=True, default="", help_text="of the last try; '' = none")
    snapshot = models.ForeignKey(PriceSnapshot, on_delete=models.PROTECT, null=True, related_name="+")
