from django.db import models


class Customer(models.Model):
    """A tenant: one company that buys from the operator. Its ``id`` leads the key of every table that grows with it."""

    id = models.BigAutoField(primary_key=True)
    key = models.CharField(max_length=255, unique=True, help_text="the operator's own id for this customer")
    name = models.CharField(max_length=200)
    email = models.EmailField(blank=True, default="")
    currency = models.CharField(max_length=3, default="USD")
    timezone = models.CharField(
        max_length=64, default="UTC", help_text="IANA name; sets the periods' midnights"
    )
    next_timezone = models.CharField(
        max_length=64, blank=True, default="", help_text="takes over at the next period"
    )
    tax_rate = models.DecimalField(max_digits=9, decimal_places=6, default=0, help_text="0.19 is 19 %")
    tax_name = models.CharField(max_length=40, blank=True, default="")
    address = models.TextField(blank=True, default="")
    portal_epoch = models.PositiveIntegerField(
        default=0, help_text="raised to cut off every portal link given out"
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(tax_rate__gte=0, tax_rate__lt=1), name="customer_tax_rate"
            ),
        ]

    def __str__(self) -> str:
        return self.name
