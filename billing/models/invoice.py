from django.db import models

from customers.models import Customer
from metering.models.event import QUANTITY


class Invoice(models.Model):
    """A document. Once finalized, neither it nor its lines can change; status and payment move, amounts do not."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        FINALIZED = "finalized"
        PAID = "paid"
        VOID = "void"
        UNCOLLECTIBLE = "uncollectible"

    pk = models.CompositePrimaryKey("customer_id", "id")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    id = models.UUIDField()
    number = models.CharField(
        max_length=20, blank=True, default="", help_text="given at finalization, gapless"
    )
    subscription_id = models.UUIDField()
    period_n = models.PositiveIntegerField(default=0, help_text="number of the subscription's period")
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    kind = models.CharField(
        max_length=20,
        default="period",
        help_text="start (fee in advance), period, or correction (of an ended subscription)",
    )
    status = models.CharField(max_length=13, choices=Status, default=Status.DRAFT)
    currency = models.CharField(max_length=3)
    exponent = models.PositiveSmallIntegerField(help_text="decimal places of the currency's minor unit")
    subtotal_minor = models.BigIntegerField(default=0)
    tax_minor = models.BigIntegerField(default=0)
    total_minor = models.BigIntegerField(default=0)
    due_minor = models.BigIntegerField(default=0)
    paid_minor = models.BigIntegerField(default=0)
    snapshot = models.JSONField(
        default=dict, help_text="customer name, address, zone, tax and plan as they were"
    )
    closing_seq = models.BigIntegerField(
        default=0, help_text="events up to this seq are on it; later ones are late"
    )
    floor = models.JSONField(default=dict, help_text="what the margin floor billed, absorbed or alerted")
    document_hash = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField()
    finalizes_at = models.DateTimeField(
        help_text="end of the grace in which late events still join the draft"
    )
    finalized_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    paid_at = models.DateTimeField(null=True)
    voided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "subscription_id", "period_start", "kind"],
                condition=~models.Q(status="void"),
                name="invoice_once_a_period",
            ),
            models.CheckConstraint(
                condition=models.Q(total_minor=models.F("subtotal_minor") + models.F("tax_minor")),
                name="invoice_total",
            ),
        ]
        indexes = [models.Index(fields=["customer", "created_at"], name="invoice_created")]

    @property
    def open_minor(self) -> int:
        """What is still to be paid: less the customer's credit and payments so far; nothing of a void one."""
        return 0 if self.status == self.Status.VOID else self.due_minor - self.paid_minor

    @property
    def credit_used_minor(self) -> int:
        """What the customer's credit has paid of it."""
        return 0 if self.status == self.Status.VOID else max(0, self.total_minor - self.due_minor)

    @property
    def credit_kept_minor(self) -> int:
        """What a total below zero adds to the customer's credit."""
        return 0 if self.status == self.Status.VOID else max(0, self.due_minor - self.total_minor)


class InvoiceLine(models.Model):
    """One line: the exact amount before rounding, the amount after, and how it came about."""

    pk = models.CompositePrimaryKey("customer_id", "invoice_id", "n")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    invoice_id = models.UUIDField()
    n = models.PositiveIntegerField()
    kind = models.CharField(max_length=20)
    charge = models.CharField(max_length=120, blank=True, default="")
    corrects = models.CharField(
        max_length=20,
        blank=True,
        default="",
        help_text="kind of the lines that a correction is of; empty = usage",
    )
    segment_id = models.UUIDField(null=True, help_text="the stretch under one plan version that it rates")
    description = models.CharField(max_length=300)
    dimensions = models.JSONField(default=dict)
    quantity = models.DecimalField(**QUANTITY, null=True)
    unit = models.CharField(
        max_length=40,
        blank=True,
        db_default="",
        help_text="what one of the quantity is called: token, credit; empty where nothing is counted",
    )
    unrounded = models.DecimalField(**QUANTITY)
    amount_minor = models.BigIntegerField()
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    explain = models.JSONField(default=list)
    usage = models.JSONField(
        default=list, help_text="the sums it was rated from, so that late usage is told apart"
    )


class InvoiceSeries(models.Model):
    """The counter of a series of invoice numbers: locked when a number is given, so that none is lost or left out."""

    prefix = models.CharField(max_length=10, primary_key=True)
    last_number = models.BigIntegerField(default=0)


class InvoiceNumber(models.Model):
    """Which invoice has a number: unique across customers."""

    number = models.CharField(max_length=20, primary_key=True)
    customer_id = models.BigIntegerField()
    invoice_id = models.UUIDField(unique=True)
