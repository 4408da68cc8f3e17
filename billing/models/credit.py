from django.db import models

from customers.models import Customer
from metering.models.event import QUANTITY


class CreditGrant(models.Model):
    """Prepaid value. ``remaining`` equals the balance of its ledger account at every commit."""

    class Category(models.TextChoices):
        PROMOTIONAL = "promotional"
        PAID = "paid"

    pk = models.CompositePrimaryKey("customer_id", "id")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    id = models.UUIDField()
    key = models.CharField(max_length=255, help_text="makes a grant once: a plan's period, a client's own id")
    name = models.CharField(max_length=200, blank=True, default="")
    amount = models.DecimalField(**QUANTITY)
    remaining = models.DecimalField(**QUANTITY)
    category = models.CharField(max_length=12, choices=Category, default=Category.PROMOTIONAL)
    cost_basis = models.DecimalField(
        **QUANTITY, default=0, help_text="money per credit, as revenue when burnt"
    )
    currency = models.CharField(max_length=3, default="USD")
    priority = models.SmallIntegerField(default=10, help_text="lower burns first")
    applies_to = models.JSONField(default=dict, help_text="path → values; empty = every event")
    starts_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, help_text="exclusive")
    expired_at = models.DateTimeField(null=True, help_text="when the rest was booked as expired")
    voided_at = models.DateTimeField(null=True)
    subscription_id = models.UUIDField(null=True, help_text="the subscription whose plan granted it")
    rollover = models.DecimalField(
        **QUANTITY, default=0, help_text="most that moves to the next period's grant"
    )
    share = models.DecimalField(
        **QUANTITY,
        null=True,
        help_text="of the amount, for the days of its plan, which gave way to another within the period",
    )
    share_ends_at = models.DateTimeField(
        null=True, help_text="when it did: what was left beyond the share then was taken back"
    )
    share_seq = models.BigIntegerField(
        null=True, help_text="the last event rated when that was known: draws up to it stand before it"
    )
    reason = models.CharField(max_length=300, blank=True, default="")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["customer", "key"], name="grant_key"),
            models.CheckConstraint(condition=models.Q(remaining__gte=0), name="grant_not_below_zero"),
            models.CheckConstraint(
                condition=models.Q(remaining__lte=models.F("amount")), name="grant_not_above_amount"
            ),
        ]


class CreditDraw(models.Model):
    """Credits that one event burnt from one grant, by one row of a burn table; without a grant it is overage."""

    pk = models.CompositePrimaryKey("customer_id", "id")
    customer_id = models.BigIntegerField()
    id = models.UUIDField()
    event_id = models.CharField(max_length=255)
    source = models.CharField(max_length=255)
    seq = models.BigIntegerField(help_text="of the event; with n the published order of draws")
    n = models.PositiveIntegerField()
    grant_id = models.UUIDField(null=True)
    subscription_id = models.UUIDField(
        null=True, help_text="for which it was burnt: each that holds an event burns it; null in draws of old"
    )
    burn_table_version_id = models.BigIntegerField()
    burn_row = models.CharField(max_length=40, help_text="id of the rate within the version")
    token_kind = models.CharField(max_length=60, default="")
    quantity = models.DecimalField(**QUANTITY, help_text="what was burnt for: tokens, calls")
    credits = models.DecimalField(**QUANTITY)
    transaction_id = models.UUIDField()
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["customer_id", "event_id"], name="draw_event"),
            models.Index(fields=["customer_id", "seq", "n"], name="draw_order"),
            models.Index(
                fields=["customer_id", "occurred_at"], condition=models.Q(grant_id=None), name="draw_overage"
            ),
        ]
