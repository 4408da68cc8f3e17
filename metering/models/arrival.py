"""What came to the doors: counted by the minute, and kept where it was refused."""

import json
from decimal import Decimal
from typing import Any

from django.db import models


class ExactDecoder(json.JSONDecoder):
    """Reads decimals as they were written, never as binary floats."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, parse_float=Decimal)


class ArrivalCount(models.Model):
    """How many events of one minute came by one door to one end. Statistics: no sum of money rests on it.

    It grows with the minutes, not with usage, and belongs to no customer.
    """

    pk = models.CompositePrimaryKey("minute", "door", "outcome")
    minute = models.DateTimeField()
    door = models.CharField(max_length=20)
    outcome = models.CharField(
        max_length=12, help_text="accepted, duplicate, unmatched, rejected; lost: rejected and not kept"
    )
    count = models.BigIntegerField(default=0)


class RejectedEvent(models.Model):
    """What a door refused, and why. The same refusal of the same content is one row, however often it comes.

    ``customer_id`` is 0 where no known customer is named. ``received`` is the event in its door's own shape, without any text
    that could be a prompt or an answer; null where nothing could be read, or it was too long.
    """

    class Outcome(models.TextChoices):
        ACCEPTED = "accepted"
        DUPLICATE = "duplicate"
        CONFLICT = "conflict"
        UNMATCHED = "unmatched"
        REJECTED = "rejected"
        DISCARDED = "discarded"

    pk = models.CompositePrimaryKey("customer_id", "id")
    customer_id = models.BigIntegerField()
    id = models.UUIDField()
    customer_key = models.CharField(max_length=255, default="", help_text="as the sender named it")
    event_id = models.CharField(max_length=255, default="")
    source = models.CharField(max_length=255, default="")
    door = models.CharField(max_length=20)
    code = models.CharField(max_length=60)
    field = models.CharField(max_length=255, default="")
    detail = models.CharField(max_length=1000)
    errors = models.JSONField(default=list, help_text="every reason: field, code, detail")
    received = models.JSONField(null=True, decoder=ExactDecoder)
    key_id = models.BigIntegerField(help_text="the API key that brought it")
    own_key = models.BooleanField(default=False, help_text="the key belongs to the customer")
    recorded_at = models.DateTimeField(help_text="when it first came")
    latest_at = models.DateTimeField(help_text="when it last came")
    times_seen = models.BigIntegerField(default=1)
    replayed_at = models.DateTimeField(null=True, help_text="when it was last sent again from here")
    outcome = models.CharField(
        max_length=10, choices=Outcome, blank=True, default="", help_text="what became of it then"
    )
    outcome_detail = models.CharField(max_length=1000, blank=True, default="")
    closed_at = models.DateTimeField(null=True, help_text="when it was stored after all, or given up")
    closed_by = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        indexes = [
            models.Index(fields=["latest_at", "id"], name="rejected_latest"),
            models.Index(
                fields=["latest_at", "id"], condition=models.Q(closed_at=None), name="rejected_open"
            ),
            models.Index(fields=["id"], name="rejected_id"),
            models.Index(fields=["event_id"], name="rejected_event"),
        ]
