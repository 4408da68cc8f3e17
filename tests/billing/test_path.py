"""The main path: usage in, a correct invoice out."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.books.verify import verify_books
from billing.models import Invoice, InvoiceLine
from core.due_work import run_due
from tests.billing.world import START, a_customer, a_meter, a_plan, call, subscribe, use

pytestmark = pytest.mark.django_db


def breaches() -> list[str]:
    return [breach.detail for _, found in verify_books() for breach in found]


def test_a_month_of_usage_becomes_one_invoice_to_the_cent():
    acme = a_customer()
    a_meter("output", "usage.output")
    charge = {
        "key": "output-tokens",
        "meter": "output",
        "model": "graduated",
        "tiers": [{"up_to": "1000", "unit_price": "0"}, {"up_to": None, "unit_price": "0.001"}],
    }
    subscribe(acme, a_plan([charge], fee="49.00"))
    use(acme, call("e1", START + timedelta(days=3), usage={"output": 1500}))
    use(acme, call("e2", START + timedelta(days=9), usage={"output": 725}))

    run_due(datetime(2026, 2, 1, 2, tzinfo=UTC))

    run_due(datetime(2026, 2, 1, 2, tzinfo=UTC))
    invoices = list(Invoice.objects.order_by("number"))
    assert [(i.kind, i.status, i.total_minor) for i in invoices] == [
        ("start", "finalized", 4900),
        ("period", "finalized", 5023),
    ]
    lines = InvoiceLine.objects.filter(invoice_id=invoices[1].id).order_by("n")
    assert [(line.charge, line.amount_minor) for line in lines] == [("output-tokens", 123), ("", 4900)]
    assert breaches() == []


def a_subscription_of_january(**fields):
    acme = a_customer()
    a_meter("output", "usage.output")
    charge = {"key": "output-tokens", "meter": "output", "model": "per_unit", "unit_price": "0.01"}
    subscription = subscribe(acme, a_plan([charge], fee="0"), **fields)
    use(acme, call("e1", START + timedelta(days=3), usage={"output": 100}))
    for _ in range(2):
        run_due(datetime(2026, 2, 1, 2, tzinfo=UTC))
    return acme, subscription


def corrections() -> list[tuple[str, int]]:
    lines = InvoiceLine.objects.filter(kind="correction").order_by("invoice_id", "n")
    return [(line.description, line.amount_minor) for line in lines]


def test_late_usage_is_a_line_on_the_next_invoice_that_names_its_period():
    acme, _ = a_subscription_of_january()

    use(
        acme,
        call("late", START + timedelta(days=20), usage={"output": 42}),
        now=datetime(2026, 2, 10, tzinfo=UTC),
    )
    for _ in range(2):
        run_due(datetime(2026, 3, 1, 2, tzinfo=UTC))

    assert corrections() == [("Output tokens, late usage of the period from 1 Jan 2026", 42)]
    assert breaches() == []


def test_late_usage_of_an_ended_subscription_gets_an_invoice_of_its_own():
    acme, _ = a_subscription_of_january(ends_at=datetime(2026, 2, 1, tzinfo=UTC))

    use(
        acme,
        call("late", START + timedelta(days=20), usage={"output": 42}),
        now=datetime(2026, 2, 10, tzinfo=UTC),
    )
    run_due(datetime(2026, 2, 10, 2, tzinfo=UTC))

    assert [amount for _, amount in corrections()] == [42]
    assert Invoice.objects.filter(kind="correction", status="finalized").count() == 1
    assert breaches() == []
