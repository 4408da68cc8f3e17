from typing import TYPE_CHECKING

from django.db import models

from customers.models import Customer
from pricing.models import PlanVersion

if TYPE_CHECKING:
    from billing.models.basis import Basis


class Subscription(models.Model):
    """A customer has a plan. ``anchor`` never changes: period n is the anchor plus n intervals, clamped."""

    # What was read ahead by who closes its period: see billing.subscriptions.basis.
    basis: "Basis | None" = None

    pk = models.CompositePrimaryKey("customer_id", "id")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    id = models.UUIDField()
    key = models.CharField(max_length=255, help_text="the operator's own id; unique within the customer")
    anchor = models.DateField(help_text="local date on which period 0 starts")
    interval = models.CharField(max_length=10)
    timezone = models.CharField(
        max_length=64, help_text="of the current period; a change waits for the next one"
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, help_text="exclusive; null = runs on")
    overrides = models.JSONField(
        default=dict, help_text="own terms of the open period; SubscriptionOverride has all by time"
    )
    trial_ends_at = models.DateTimeField(null=True, help_text="exclusive; before it nothing is charged")
    created_at = models.DateTimeField()
    period_n = models.PositiveIntegerField(default=0, help_text="number of the open period")
    period_start = models.DateTimeField(help_text="of the open period")
    period_end = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, help_text="when the last period was closed after the end")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["customer", "key"], name="subscription_key")]


class SubscriptionSegment(models.Model):
    """A stretch of a subscription under one plan version. Usage buckets name the segment that counted them."""

    pk = models.CompositePrimaryKey("customer_id", "id")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    id = models.UUIDField()
    subscription_id = models.UUIDField()
    plan_version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="+")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, help_text="exclusive")

    class Meta:
        indexes = [models.Index(fields=["customer", "subscription_id", "starts_at"], name="segment_time")]


class LatePeriod(models.Model):
    """A closed and invoiced period into which something has come since: its difference goes on the next invoice.

    Late usage moves its charges and the true-up; where the plan was corrected, all that the period comes to.
    """

    pk = models.CompositePrimaryKey("customer_id", "subscription_id", "period_start")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    subscription_id = models.UUIDField()
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    corrected = models.BooleanField(default=False, help_text="by another version of the plan")
    causes = models.JSONField(
        default=dict, db_default={}, help_text="line → why it differs: see billing.statements.late_periods"
    )


class SegmentCorrection(models.Model):
    """A stretch was put on the version that corrects its own: what it was sold under, until when. Append-only."""

    pk = models.CompositePrimaryKey("customer_id", "segment_id", "re_rating_id")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    segment_id = models.UUIDField()
    re_rating_id = models.UUIDField()
    from_version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="+")
    to_version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="+")
    corrected_at = models.DateTimeField()
