from django.db import models

from customers.models import Customer


class StripeObject(models.Model):
    """Which object of ours is which object at Stripe."""

    pk = models.CompositePrimaryKey("customer_id", "kind", "ours")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=20, help_text="customer, invoice")
    ours = models.CharField(max_length=64)
    theirs = models.CharField(max_length=255, unique=False)
    state = models.CharField(max_length=20, default="linked", help_text="linked, finalized, paid, mismatch")
    created_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["theirs"], name="stripe_object_theirs")]


class StripeCall(models.Model):
    """A call to Stripe, written down before it is made. ``unknown`` means: look first, then send again."""

    class State(models.TextChoices):
        REQUESTED = "requested"
        DONE = "done"
        UNKNOWN = "unknown"
        REFUSED = "refused"

    pk = models.CompositePrimaryKey("customer_id", "id")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    id = models.UUIDField()
    invoice_id = models.UUIDField()
    step = models.CharField(max_length=20, help_text="customer, create, lines, finalize")
    version = models.PositiveIntegerField(default=1)
    idempotency_key = models.CharField(max_length=255)
    request_hash = models.CharField(max_length=64)
    state = models.CharField(max_length=10, choices=State, default=State.REQUESTED)
    response_id = models.CharField(max_length=255, blank=True, default="")
    error = models.TextField(blank=True, default="")
    requested_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["customer", "idempotency_key"], name="stripe_call_key"),
        ]
