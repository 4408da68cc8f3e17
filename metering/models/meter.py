from django.contrib.postgres.fields import ArrayField
from django.db import models


class Meter(models.Model):
    """How events become a quantity. A meter never changes once made: a new rule is a new meter."""

    class Aggregation(models.TextChoices):
        COUNT = "count"
        SUM = "sum"
        MAX = "max"
        UNIQUE = "unique"
        LATEST = "latest"

    id = models.BigAutoField(primary_key=True)
    key = models.CharField(max_length=100, unique=True)
    name = models.CharField(max_length=200, blank=True, default="")
    unit = models.CharField(
        max_length=40, blank=True, default="", help_text="what one is called: token, image, ticket"
    )
    event_type = models.CharField(max_length=120)
    aggregation = models.CharField(max_length=10, choices=Aggregation)
    value = models.CharField(
        max_length=200, blank=True, default="", help_text="path: usage.output, properties.pages"
    )
    filter = models.JSONField(default=dict, help_text="path → accepted values")
    group_by = ArrayField(models.CharField(max_length=100), default=list)
    created_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True)
