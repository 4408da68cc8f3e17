from django.db import models

from customers.models import Customer
from pricing.models import PlanVersion


class PlanMove(models.Model):
    """An operator's decision to put subscribers of a plan on another of its versions. It is kept for ever."""

    id = models.UUIDField(primary_key=True)
    plan_version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="+")
    who = models.JSONField(help_text="all, new_only, or a list of customers' keys")
    at = models.DateTimeField(null=True, help_text="null = each at the start of its next period")
    created_at = models.DateTimeField()
    cancelled_at = models.DateTimeField(null=True)


class PlanMoveStep(models.Model):
    """One subscription of a move: what is planned for it, and what became of that."""

    class State(models.TextChoices):
        WAITING = "waiting"
        PLANNED = "planned"
        REFUSED = "refused"
        CANCELLED = "cancelled"

    pk = models.CompositePrimaryKey("customer_id", "move_id", "subscription_id")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    move = models.ForeignKey(PlanMove, on_delete=models.PROTECT, related_name="steps")
    subscription_id = models.UUIDField()
    from_version = models.PositiveIntegerField(help_text="the version it had when the move was made")
    at = models.DateTimeField(help_text="when the new version takes over")
    state = models.CharField(max_length=9, choices=State, default=State.WAITING)
    detail = models.CharField(max_length=500, blank=True, default="", help_text="why it was refused")
    settled_at = models.DateTimeField(null=True, help_text="when the state was reached")

    class Meta:
        indexes = [models.Index(fields=["move", "customer", "subscription_id"], name="plan_move_step_order")]
