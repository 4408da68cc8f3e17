"""Customers who pay in several currencies, in lists that sort by money."""

from datetime import timedelta
from decimal import Decimal

from django.test import Client

from billing.models import CustomerDay, Invoice
from core.clock import now as present
from core.ids import new_id
from customers.customers import create_customer
from tests.billing.world import a_plan, subscribe
from tests.console.test_pages import rows_of, text_of

MONEY = [
    ("euros", "EUR", "900"),
    ("few", "USD", "5"),
    ("yen", "JPY", "90000"),
    ("many", "USD", "700"),
    ("cents", "EUR", "2"),
]
SAYS = "sorted within each currency, USD first"


def customers() -> None:
    for key, currency, revenue in MONEY:
        made = create_customer(key=key, name=key, currency=currency, now=present())
        day = present().date() - timedelta(days=1)
        CustomerDay.objects.create(
            customer_id=made.id, day=day, currency=currency, revenue=Decimal(revenue), cost=Decimal(1)
        )
        plan = a_plan([], key=key, currency=currency)
        Invoice.objects.create(
            customer=made,
            id=new_id(),
            subscription_id=subscribe(made, plan, present()).id,
            period_start=present(),
            period_end=present(),
            currency=currency,
            exponent=0 if currency == "JPY" else 2,
            subtotal_minor=int(revenue),
            total_minor=int(revenue),
            created_at=present(),
            finalizes_at=present(),
        )


def keys(operator: Client, page: str, sort: str, column: int) -> list[str]:
    rows = rows_of(operator, f"{page}?format=csv&sort={sort}")
    own = [key for key, _, _ in MONEY]
    return [row[column] for row in rows if row[column] in own]


def test_revenue_is_sorted_within_its_currency_and_the_page_says_so(operator: Client) -> None:
    assert SAYS not in text_of(operator, "/console/customers")
    customers()
    assert keys(operator, "/console/customers", "-revenue", 0) == ["many", "few", "euros", "cents", "yen"]
    assert keys(operator, "/console/customers", "revenue", 0) == ["few", "many", "cents", "euros", "yen"]
    assert SAYS in text_of(operator, "/console/customers")
    assert SAYS not in text_of(operator, "/console/customers", sort="name")


def test_no_margin_is_sorted_across_currencies(operator: Client) -> None:
    customers()
    assert set(keys(operator, "/console/customers", "-margin", 0)[:2]) == {"many", "few"}


def test_totals_of_invoices_are_sorted_within_their_currency(operator: Client) -> None:
    customers()
    assert keys(operator, "/console/invoices", "-total", 1) == ["many", "few", "euros", "cents", "yen"]
    assert SAYS in text_of(operator, "/console/invoices", sort="-total")
    assert SAYS not in text_of(operator, "/console/invoices")
