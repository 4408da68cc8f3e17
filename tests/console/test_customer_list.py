"""The list of customers by figures, where they pay in several currencies."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from billing.models import CustomerDay
from console.queries.customers import CustomerSearch, customer_rows
from customers.models import Customer

DAY = date(2026, 5, 1)
EARNED = {"a": ("USD", 10), "b": ("JPY", 6000), "c": ("USD", 30), "d": ("EUR", 20), "e": ("USD", 0)}


@pytest.fixture
def sellers(db: None) -> None:
    for key, (currency, revenue) in EARNED.items():
        now = datetime(2026, 5, 1, tzinfo=UTC)
        customer = Customer.objects.create(key=key, name=key, currency=currency, created_at=now)
        CustomerDay.objects.create(
            customer_id=customer.id, day=DAY, currency=currency, revenue=Decimal(revenue), cost=Decimal(8)
        )


def order(sort: str, *, downward: bool) -> str:
    return "".join(row.key for row in customer_rows(CustomerSearch("", sort, downward, DAY, DAY)))


def test_amounts_are_sorted_within_their_currency(sellers: None) -> None:
    assert order("revenue", downward=True) == "caedb"
    assert order("revenue", downward=False) == "eacdb"


def test_a_margin_over_two_currencies_is_none_and_comes_last(sellers: None) -> None:
    assert order("margin", downward=True)[:2] == "ca"
    assert order("margin", downward=False)[:2] == "ac"
