from django.db import models

from metering.models.event import QUANTITY


class CustomerDay(models.Model):
    """Revenue and cost of one customer on one day of the customer's zone, for the charts. Rebuilt from buckets at will."""

    pk = models.CompositePrimaryKey("customer_id", "day")
    customer_id = models.BigIntegerField()
    day = models.DateField()
    currency = models.CharField(max_length=3)
    events = models.BigIntegerField(default=0)
    revenue = models.DecimalField(**QUANTITY, default=0)
    cost = models.DecimalField(**QUANTITY, default=0)
    credits = models.DecimalField(**QUANTITY, default=0)

    class Meta:
        indexes = [models.Index(fields=["day"], name="customer_day_day")]
