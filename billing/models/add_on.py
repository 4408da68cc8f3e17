from django.db import models

from customers.models import Customer
from metering.models.event import QUANTITY


class AddOn(models.Model):
    """An extra beside the plan, once or in every period. It is billed with the period in which it ran."""

    pk = models.CompositePrimaryKey("customer_id", "id")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    id = models.UUIDField()
    subscription_id = models.UUIDField()
    key = models.CharField(max_length=100, help_text="unique among those of the subscription that run")
    name = models.CharField(max_length=200)
    amount = models.DecimalField(**QUANTITY, help_text="for one piece, for a whole period where it recurs")
    quantity = models.DecimalField(**QUANTITY, default=1)
    recurring = models.BooleanField(default=False)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, help_text="exclusive; null = runs on")
    created_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["customer", "subscription_id", "starts_at"], name="add_on_time")]
