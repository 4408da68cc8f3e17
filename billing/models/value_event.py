from django.contrib.postgres.fields import ArrayField
from django.db import models


class ValueEvent(models.Model):
    """Which events are outcomes that a customer values, and how what they took is found. It never changes once made."""

    id = models.BigAutoField(primary_key=True)
    key = models.CharField(max_length=100, unique=True)
    name = models.CharField(max_length=200, blank=True, default="")
    event_type = models.CharField(max_length=120)
    filter = models.JSONField(
        default=dict, help_text="path → accepted values, as questions about use write them"
    )
    links = ArrayField(
        models.CharField(max_length=200),
        help_text="paths whose text an outcome shares with its work, strongest first",
    )
    window_days = models.PositiveSmallIntegerField(help_text="how long before an outcome its work may lie")
    reversed_by = models.CharField(
        max_length=120, blank=True, default="", help_text="type of the event that takes an outcome back"
    )
    reversal_days = models.PositiveSmallIntegerField(
        default=0, help_text="how long after an outcome that may be"
    )
    created_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True)
