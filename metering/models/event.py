from typing import Any

from django.db import models
from django.db.models.fields.json import KeyTextTransform

QUANTITY: dict[str, Any] = {"max_digits": 38, "decimal_places": 18}


class Event(models.Model):
    """One immutable fact of use, and what it cost us.

    Identity is (customer, source, event id) for as long as the row is kept. ``seq`` counts the customer's events in the
    order their transactions committed: rating follows it, and an invoice notes how far it had come. The table has no
    foreign keys, because one check a row is dearer than the row; ``verify_books`` does the checking.
    """

    pk = models.CompositePrimaryKey("customer_id", "event_id", "source")
    customer_id = models.BigIntegerField()
    event_id = models.CharField(max_length=255)
    source = models.CharField(max_length=255)
    seq = models.BigIntegerField()
    type = models.CharField(max_length=120)
    occurred_at = models.DateTimeField(help_text="when it happened, as the client says")
    recorded_at = models.DateTimeField(help_text="when we stored it")
    provider = models.CharField(max_length=60, default="")
    model = models.CharField(max_length=200, default="")
    context = models.CharField(
        max_length=20, default="standard", help_text="standard, batch, flex or priority"
    )
    usage = models.JSONField(default=dict, help_text="disjoint buckets; numbers as decimal text")
    quantity = models.DecimalField(**QUANTITY, default=1)
    status = models.CharField(max_length=20, default="ok")
    latency_ms = models.IntegerField(null=True)
    hold = models.CharField(max_length=64, default="")
    run_id = models.CharField(max_length=255, default="")
    run = models.JSONField(null=True, help_text="step, attempt, parent")
    properties = models.JSONField(default=dict)
    raw = models.JSONField(null=True, help_text="the provider's own usage object, when the client sent one")
    mapping_version = models.CharField(max_length=20, default="")
    content_hash = models.BinaryField(max_length=16)
    door = models.CharField(max_length=20, default="native")
    cost = models.DecimalField(**QUANTITY, default=0, help_text="provider cost in USD; what could be priced")
    cost_rows = models.JSONField(default=dict, help_text="bucket → id of the price row that priced it")
    unpriced = models.BooleanField(default=False, help_text="some bucket has no price yet")
    price_book = models.BigIntegerField(default=0, help_text="the price book's version that priced it")

    class Meta:
        indexes = [
            models.Index(fields=["customer_id", "seq"], name="event_seq"),
            models.Index(fields=["customer_id", "occurred_at"], name="event_time"),
            models.Index(fields=["customer_id", "run_id"], condition=~models.Q(run_id=""), name="event_run"),
            models.Index(
                "customer_id",
                KeyTextTransform("parent", "run"),
                condition=models.Q(run__has_key="parent"),
                name="event_parent_run",
            ),
            models.Index(
                fields=["customer_id", "seq"], condition=models.Q(unpriced=True), name="event_unpriced"
            ),
        ]


class EventStream(models.Model):
    """The customer's counter of ``seq``. Its row is locked while events are stored, so seq order is commit order."""

    customer_id = models.BigIntegerField(primary_key=True)
    last_seq = models.BigIntegerField(default=0)
    kept_since = models.DateTimeField(
        null=True, help_text="events that happened before it are removed, and none of them is taken in again"
    )


class EventRemoval(models.Model):
    """What was removed of a customer's events at one of its marks: so the books still know how many there were."""

    pk = models.CompositePrimaryKey("customer_id", "kept_since")
    customer_id = models.BigIntegerField()
    kept_since = models.DateTimeField(help_text="the mark: what happened before it was removed")
    events = models.BigIntegerField(default=0)
    cost = models.DecimalField(**QUANTITY, default=0, help_text="what the removed events had cost us, in USD")
    up_to_seq = models.BigIntegerField(
        help_text="what was stored after it stays: the first event from the mark on is next"
    )
    last_seq = models.BigIntegerField(default=0, help_text="of the newest event removed so far")
    started_at = models.DateTimeField()
    removed_at = models.DateTimeField(help_text="when the last batch of them was removed")


class EventConflict(models.Model):
    """A refused event: its id was taken by another content. Both hashes are kept.

    ``customer_id`` is 0 where the first of the two still waits for its customer.
    """

    pk = models.CompositePrimaryKey("customer_id", "id")
    customer_id = models.BigIntegerField()
    id = models.UUIDField()
    event_id = models.CharField(max_length=255)
    source = models.CharField(max_length=255)
    stored_hash = models.BinaryField(max_length=16)
    received_hash = models.BinaryField(max_length=16)
    received = models.JSONField()
    recorded_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["customer_id", "event_id"], name="conflict_event"),
            models.Index(fields=["event_id"], name="conflict_id"),
            models.Index(fields=["recorded_at"], name="conflict_time"),
        ]


class UnmatchedEvent(models.Model):
    """An event for a customer we do not know (yet). It is kept, shown, and taken in when the customer appears."""

    pk = models.CompositePrimaryKey("customer_key", "event_id", "source")
    customer_key = models.CharField(max_length=255)
    event_id = models.CharField(max_length=255)
    source = models.CharField(max_length=255)
    received = models.JSONField(help_text="the event in our own shape")
    content_hash = models.BinaryField(max_length=16)
    door = models.CharField(max_length=20, default="native")
    recorded_at = models.DateTimeField()
    matched_at = models.DateTimeField(null=True, help_text="when it was stored for a customer")
    assigned_id = models.BigIntegerField(
        null=True, help_text="the customer that a person took it in for; null: the one of that key"
    )
    discarded_at = models.DateTimeField(null=True, help_text="when a person gave it up")
    settled_by = models.CharField(max_length=200, blank=True, db_default="", help_text="that person")

    class Meta:
        indexes = [
            models.Index(fields=["recorded_at"], condition=models.Q(matched_at=None), name="unmatched_open"),
            models.Index(
                fields=["customer_key", "recorded_at"],
                condition=models.Q(matched_at=None, discarded_at=None),
                name="unmatched_waiting",
            ),
            models.Index(fields=["event_id"], name="unmatched_event"),
        ]
