from django.db import models


class BurnTable(models.Model):
    """A published table: how many credits each model, task or token kind burns. In versions, announced ahead."""

    id = models.BigAutoField(primary_key=True)
    key = models.CharField(max_length=100, unique=True)
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class BurnTableVersion(models.Model):
    """The rates from ``effective_at`` on. Append-only; the version in force at an event's time burns it."""

    class Unlisted(models.TextChoices):
        PENDING = "pending"
        FREE = "free"

    id = models.BigAutoField(primary_key=True)
    table = models.ForeignKey(BurnTable, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    effective_at = models.DateTimeField()
    rates = models.JSONField(help_text="list of {id, match, credits, per}: see pricing.burn_rates.BurnRate")
    unlisted = models.CharField(
        max_length=10,
        choices=Unlisted,
        default=Unlisted.PENDING,
        help_text="what becomes of events no rate names",
    )
    note = models.CharField(max_length=300, blank=True, default="")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["table", "number"], name="burn_table_version_number")]
        indexes = [models.Index(fields=["table", "effective_at"], name="burn_table_effective")]
