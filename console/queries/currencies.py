"""Amounts in several currencies in one list: compared within each, since no exchange rate is kept."""

from django.db.models import Case, CharField, F, Value, When
from django.db.models.expressions import Combinable

from customers.models import Customer
from pricing.cost_currency import COST_CURRENCY

# Sorts by currency: the one that costs are in first, then by its letters.
BY_CURRENCY = f"CASE WHEN c.currency = '{COST_CURRENCY}' THEN '' ELSE c.currency END"


def place_of_currency(name: str = "currency") -> Combinable:
    """``BY_CURRENCY`` for the field of this name."""
    first = When(**{name: COST_CURRENCY}, then=Value(""))
    return Case(first, default=F(name), output_field=CharField())


def has_several_currencies() -> bool:
    """Whether customers pay in more than one currency."""
    return len(Customer.objects.order_by().values_list("currency", flat=True).distinct()[:2]) > 1
