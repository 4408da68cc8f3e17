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
