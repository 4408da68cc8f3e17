from django.db import models

from customers.models import Customer


class SubscriptionOverride(models.Model):
    """A subscription's own terms from one period on, until the next row. A row of a closed period never changes."""

    pk = models.CompositePrimaryKey("customer_id", "subscription_id", "starts_at")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    subscription_id = models.UUIDField()
    starts_at = models.DateTimeField(help_text="start of the first period for which they hold")
    overrides = models.JSONField(default=dict, help_text="empty = the plan's terms alone")
    created_at = models.DateTimeField()
