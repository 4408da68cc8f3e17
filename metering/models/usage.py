from django.db import models

from metering.models.event import QUANTITY


class UsageBucket(models.Model):
    """Usage of one hour, one series and one set of dimensions: sums that any period is added up from.

    ``scope_id`` says who counts: a subscription's segment, or the nil UUID for the customer's own statistics.
    ``series`` is the charge counted for, or ``*calls``. Hours start on the customer's own full hours, so that local
    midnights, also in zones half an hour off, never cut one in two.
    """

    pk = models.CompositePrimaryKey("customer_id", "scope_id", "series", "hour", "dimensions_hash")
    customer_id = models.BigIntegerField()
    scope_id = models.UUIDField()
    series = models.CharField(max_length=120)
    hour = models.DateTimeField()
    dimensions_hash = models.BinaryField(max_length=16)
    dimensions = models.JSONField(default=dict)
    events = models.BigIntegerField(default=0)
    quantity = models.DecimalField(**QUANTITY, default=0)
    amount = models.DecimalField(
        **QUANTITY, default=0, help_text="sum of the events' own prices, before rounding"
    )
    cost = models.DecimalField(**QUANTITY, default=0)
    lift = models.DecimalField(
        **QUANTITY, default=0, help_text="what the margin floor added to the events' prices"
    )
    credits = models.DecimalField(**QUANTITY, default=0, help_text="credits burnt")
    covered = models.DecimalField(**QUANTITY, default=0, help_text="of these, covered by grants")
    prepaid = models.DecimalField(
        **QUANTITY, default=0, help_text="money at which the covered credits were granted"
    )
    latest_at = models.DateTimeField(
        null=True, help_text="time of the newest event, for the latest aggregation"
    )

    class Meta:
        indexes = [models.Index(fields=["customer_id", "series", "hour"], name="bucket_series")]


class UniqueValue(models.Model):
    """A value a unique meter has seen in a period, so that it is counted once."""

    pk = models.CompositePrimaryKey(
        "customer_id", "scope_id", "series", "period_start", "dimensions_hash", "value_hash"
    )
    customer_id = models.BigIntegerField()
    scope_id = models.UUIDField()
    series = models.CharField(max_length=120)
    period_start = models.DateTimeField()
    dimensions_hash = models.BinaryField(max_length=16)
    value_hash = models.BinaryField(max_length=16)
