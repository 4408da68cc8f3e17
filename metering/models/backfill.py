from django.db import models

from customers.models import Customer


class Backfill(models.Model):
    """Past usage that comes as a file: looked at first, then stored, and taken back if it was wrong."""

    class State(models.TextChoices):
        CREATED = "created"
        CHECKING = "checking"
        READY = "ready"
        CLOSING = "closing"
        CLOSED = "closed"
        REVERTING = "reverting"
        REVERTED = "reverted"
        FAILED = "failed"
        DISCARDED = "discarded"

    class Finalized(models.TextChoices):
        """What becomes of rows in periods that are invoiced already."""

        REFUSE = "refuse"
        CORRECT = "correct"
        SKIP = "skip"

    id = models.UUIDField(primary_key=True)
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, null=True, related_name="+", help_text="null = a column names it"
    )
    note = models.CharField(max_length=300, blank=True, default="")
    reading = models.JSONField(
        default=dict, help_text="mapping, time zone, delimiter, defaults, as asked for"
    )
    columns = models.JSONField(default=list, help_text="[column, field or null] as read from the file's head")
    state = models.CharField(max_length=10, choices=State, default=State.CREATED)
    reason = models.CharField(max_length=500, blank=True, default="", help_text="why it failed")
    format = models.CharField(max_length=10, blank=True, default="", help_text="csv or parquet")
    file_bytes = models.BigIntegerField(default=0)
    file_hash = models.CharField(
        max_length=64, blank=True, default="", help_text="SHA-256 of the file as sent"
    )
    rows_read = models.BigIntegerField(default=0)
    rows_total = models.BigIntegerField(null=True, help_text="known when the whole file has been read")
    finalized = models.CharField(max_length=10, choices=Finalized, default=Finalized.REFUSE)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=200, blank=True, default="")
    ready_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(
        null=True, help_text="when the last customer's rows were stored and rated"
    )
    closed_by = models.CharField(max_length=200, blank=True, default="")
    reverted_at = models.DateTimeField(null=True)
    reverted_by = models.CharField(max_length=200, blank=True, default="")


class BackfillChunk(models.Model):
    """A piece of the file as it was sent. Web and worker may run on different machines, so it lies in the database."""

    id = models.BigAutoField(primary_key=True)
    backfill = models.ForeignKey(Backfill, on_delete=models.CASCADE, related_name="chunks")
    part = models.PositiveIntegerField()
    n = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["backfill", "part", "n"], name="backfill_chunk_place")]


class BackfillRow(models.Model):
    """One row of the file, and what became of it. Numbered from 1; a head is not counted."""

    class Outcome(models.TextChoices):
        READ = "read", "read, not yet compared with what is stored"
        NEW = "new"
        DUPLICATE = "duplicate"
        CONFLICT = "conflict"
        REJECTED = "rejected"
        STORED = "stored"
        SKIPPED = "skipped", "left out because its period is invoiced"
        KEPT = "kept", "stored, and not taken back because it was told elsewhere too"
        WITHDRAWN = "withdrawn"

    pk = models.CompositePrimaryKey("backfill_id", "n")
    backfill = models.ForeignKey(Backfill, on_delete=models.CASCADE, related_name="rows")
    n = models.BigIntegerField()
    outcome = models.CharField(max_length=10, choices=Outcome)
    customer_id = models.BigIntegerField(null=True)
    event_id = models.CharField(max_length=255, blank=True, default="")
    source = models.CharField(max_length=255, blank=True, default="")
    occurred_at = models.DateTimeField(null=True)
    content_hash = models.BinaryField(max_length=16, null=True)
    received = models.JSONField(null=True, help_text="the event, until it is stored; the cells, if rejected")
    column = models.CharField(max_length=255, blank=True, default="", help_text="where the fault is")
    reason = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        indexes = [
            models.Index(
                fields=["backfill", "outcome", "customer_id", "occurred_at", "n"], name="backfill_row_outcome"
            ),
            models.Index(fields=["customer_id", "event_id", "source"], name="backfill_row_event"),
        ]


class BackfillStep(models.Model):
    """One customer's part of a backfill. Its state moves in the transaction that does the work."""

    class State(models.TextChoices):
        WAITING = "waiting"
        FOUND = "found"
        CLOSED = "closed"
        REVERTED = "reverted"

    pk = models.CompositePrimaryKey("customer_id", "backfill_id")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    backfill = models.ForeignKey(Backfill, on_delete=models.PROTECT, related_name="steps")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    new = models.BigIntegerField(default=0)
    found = models.JSONField(null=True, help_text="what the rows would change, by the dry run")
    finalized = models.JSONField(default=list, help_text="invoiced periods with rows in them")
    first_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)


class WithdrawnEvent(models.Model):
    """An event that counted once and was taken back, as it was stored. It never changes.

    It lies here and not among the events, so that whatever reads events sees those that count. Its identity is free again, and
    its ``seq`` is that of the richer report, where one took its place.
    """

    pk = models.CompositePrimaryKey("customer_id", "seq", "withdrawn_at")
    customer_id = models.BigIntegerField()
    seq = models.BigIntegerField()
    event_id = models.CharField(max_length=255)
    source = models.CharField(max_length=255)
    occurred_at = models.DateTimeField()
    stored = models.JSONField(help_text="the whole row of the event")
    backfill = models.ForeignKey(Backfill, on_delete=models.PROTECT, null=True, related_name="+")
    replaced_by_id = models.CharField(
        max_length=255, db_default="", help_text="the richer report of its call"
    )
    replaced_by_source = models.CharField(max_length=255, db_default="")
    withdrawn_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["customer_id", "event_id"], name="withdrawn_event")]
