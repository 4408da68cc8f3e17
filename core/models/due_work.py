from django.db import models


class DueWork(models.Model):
    """A piece of work that is due. The row is the truth; a Celery message about it is only a nudge.

    ``kind`` names the handler, ``key`` the thing it works on (an invoice, a period): one row per thing, so that asking
    twice is asking once. Work that leaves the house (Stripe, webhooks) is a row like any other: that is our outbox.
    """

    pk = models.CompositePrimaryKey("customer_id", "kind", "key")
    customer_id = models.BigIntegerField(help_text="0 for work that belongs to no customer")
    kind = models.CharField(max_length=60)
    key = models.CharField(max_length=255)
    payload = models.JSONField(default=dict)
    due_at = models.DateTimeField()
    attempt = models.PositiveIntegerField(default=0, help_text="failed tries since the last success")
    lease_until = models.DateTimeField(
        null=True, help_text="a worker holds it until then; a later sweep takes over"
    )
    parked_at = models.DateTimeField(null=True, help_text="gave up: waits for a person")
    last_error = models.TextField(default="")

    class Meta:
        indexes = [
            # The order in which work is claimed: thousands of periods end at the same midnight.
            models.Index(
                fields=["due_at", "customer_id", "kind", "key"],
                condition=models.Q(parked_at__isnull=True),
                name="due_work_order",
            ),
            models.Index(
                fields=["parked_at"], condition=models.Q(parked_at__isnull=False), name="due_work_parked"
            ),
        ]
