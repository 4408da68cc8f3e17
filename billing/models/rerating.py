from django.db import models

from customers.models import Customer
from pricing.models import PlanVersion


class ReRating(models.Model):
    """A span of the past held against prices, burn tables and plans as they are known now: first looked at, then applied."""

    class State(models.TextChoices):
        COUNTING = "counting"
        READY = "ready"
        APPLYING = "applying"
        APPLIED = "applied"

    id = models.UUIDField(primary_key=True)
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, null=True, related_name="+", help_text="null = every customer"
    )
    span_start = models.DateTimeField(help_text="events that happened from here on")
    span_end = models.DateTimeField(help_text="exclusive")
    reason = models.CharField(max_length=300)
    state = models.CharField(max_length=10, choices=State, default=State.COUNTING)
    price_book = models.BigIntegerField(help_text="version of the price book that was looked at")
    plan_version = models.ForeignKey(
        PlanVersion,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="the correction that is carried to those who have what it corrects; null = prices and burn tables",
    )
    burn_tables = models.BigIntegerField(help_text="id of the newest version of any burn table then")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=200, blank=True, default="")
    applied_at = models.DateTimeField(null=True, help_text="when the last customer was corrected")
    applied_by = models.CharField(max_length=200, blank=True, default="")


class ReRatingStep(models.Model):
    """One customer's part of a re-rating. Its state moves in the transaction that corrects the customer."""

    class State(models.TextChoices):
        WAITING = "waiting"
        FOUND = "found"
        APPLIED = "applied"

    pk = models.CompositePrimaryKey("customer_id", "re_rating_id")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    re_rating = models.ForeignKey(ReRating, on_delete=models.PROTECT, related_name="steps")
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    found = models.JSONField(null=True, help_text="what the dry run saw: see billing.recounts.consequences")
    applied = models.JSONField(null=True, help_text="what applying changed")
    found_at = models.DateTimeField(null=True)
    applied_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["re_rating", "state"], name="re_rating_step_state")]
