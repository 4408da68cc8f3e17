from django.db import models


class InboxMessage(models.Model):
    """A message from outside (a Stripe webhook), stored before it is answered and handled after."""

    pk = models.CompositePrimaryKey("customer_id", "source", "external_id")
    customer_id = models.BigIntegerField(help_text="0 until the message's object is known to be a customer's")
    source = models.CharField(max_length=30)
    external_id = models.CharField(max_length=255)
    kind = models.CharField(max_length=120)
    payload = models.JSONField()
    recorded_at = models.DateTimeField()
    handled_at = models.DateTimeField(null=True)
