from django.db import models


class RatingPosition(models.Model):
    """How far a customer's events have been rated. Moves in the transaction that moves buckets and credits, so each
    event is rated exactly once however often the work is started."""

    customer_id = models.BigIntegerField(primary_key=True)
    rated_seq = models.BigIntegerField(default=0)
    rated_at = models.DateTimeField(null=True)
