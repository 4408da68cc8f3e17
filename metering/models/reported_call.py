from django.db import models

from metering.models.event import QUANTITY


class ReportedCall(models.Model):
    """A call of a model under the provider's own id for it, and the event that counts it.

    ``input`` and ``output`` are the whole sides of the call in tokens. ``detail`` says how much the event's report
    told apart; 0 where it told no usage, or not all of it.
    """

    pk = models.CompositePrimaryKey("customer_id", "response_id")
    customer_id = models.BigIntegerField()
    response_id = models.CharField(max_length=255)
    event_id = models.CharField(max_length=255)
    source = models.CharField(max_length=255)
    input = models.DecimalField(**QUANTITY)
    output = models.DecimalField(**QUANTITY)
    detail = models.SmallIntegerField()


class RicherReport(models.Model):
    """A report that tells more of a call than the event that counts it, until it has taken that event's place."""

    pk = models.CompositePrimaryKey("customer_id", "response_id")
    customer_id = models.BigIntegerField()
    response_id = models.CharField(max_length=255)
    event_id = models.CharField(max_length=255)
    source = models.CharField(max_length=255)
    input = models.DecimalField(**QUANTITY)
    output = models.DecimalField(**QUANTITY)
    detail = models.SmallIntegerField()
    content_hash = models.BinaryField(max_length=16)
    received = models.JSONField(help_text="the event in our own shape")
    recorded_at = models.DateTimeField()
