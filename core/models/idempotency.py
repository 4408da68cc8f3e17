from django.db import models


class IdempotencyRecord(models.Model):
    """The stored answer of a state-changing request, kept with the effect in one transaction.

    The same key with the same body replays the answer; with another body it is refused.
    """

    pk = models.CompositePrimaryKey("customer_id", "credential_id", "endpoint", "key")
    customer_id = models.BigIntegerField(help_text="0 where the request touches no single customer")
    credential_id = models.BigIntegerField()
    endpoint = models.CharField(max_length=120)
    key = models.CharField(max_length=255)
    request_hash = models.BinaryField(max_length=32)
    status = models.PositiveSmallIntegerField()
    response = models.JSONField()
    recorded_at = models.DateTimeField()
