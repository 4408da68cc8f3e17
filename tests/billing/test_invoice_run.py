"""What an invoice takes: a bounded number of questions to the database, however much was used; and it is the same invoice."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.drafts import FINALIZE_DUE
from billing.invoices import finalize_invoice
from billing.models import Invoice, InvoiceLine
from billing.subscriptions.lifecycle import PERIOD_ENDS
from core.due_work import CLAIMED_AT_ONCE, run_due
from customers.models import Customer
from tests.billing.test_path import breaches
from tests.billing.world import START, a_customer, a_meter, a_plan, call, subscribe, use

pytestmark = pytest.mark.django_db
FEBRUARY, MARCH = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
CHARGES: list[dict[str, Any]] = [
    {"key": "in", "meter": "input", "model": "per_unit", "unit_price": "0.000004", "included": "1000"},
    {"key": "out", "meter": "output", "model": "package", "package_size": "1000", "package_price": "0.01"},
    {"key": "most", "meter": "largest", "model": "per_unit", "unit_price": "0.001"},
    {"key": "seat", "model": "flat", "amount": "5"},
]
# Each is a round trip and a plan of the database: what a run of 10,000 takes is little else.
CLOSING, FINALIZATION = 13, 16


def subscribers(count: int) -> list[Customer]:
    for key, value, aggregation in (
        ("input", "usage.input", "sum"),
        ("output", "usage.output", "sum"),
        ("largest", "usage.output", "max"),
    ):
        a_meter(key, value, aggregation)
    version = a_plan(CHARGES, fee="20")
    customers = [a_customer(f"c{n}") for n in range(count)]
    for customer in customers:
        subscribe(customer, version)
    return customers


def use_a_month(customer: Customer, start: datetime, events: int) -> None:
    told = [
        call(
            f"{start:%m}-{n}",
            start + n * 27 * DAY / events,
            customer.key,
            usage={"input": 900 + n, "output": 50 + n},
        )
        for n in range(events)
    ]
    use(customer, *told, now=start + 27 * DAY)


@contextmanager
def questions() -> Iterator[CaptureQueriesContext]:
    with CaptureQueriesContext(connection) as asked:
        yield asked


def month_of(customers: list[Customer], start: datetime, end: datetime, events: int) -> tuple[int, int]:
    """How many questions it took to close the month for all, and to finalize it for all."""
    for customer in customers:
        use_a_month(customer, start, events)
    with questions() as closing:
        assert run_due(end, kinds=[PERIOD_ENDS]) == {"done": len(customers)}
    with questions() as finalization:
        assert run_due(end + 2 * DAY, kinds=[FINALIZE_DUE]) == {"done": len(customers)}
    return len(closing), len(finalization)


def test_an_invoice_takes_a_bounded_number_of_questions_whatever_was_used() -> None:
    customers = subscribers(CLAIMED_AT_ONCE)
    run_due(START + DAY)
    few = month_of(customers, START, FEBRUARY, events=2)
    many = month_of(customers, FEBRUARY, MARCH, events=40)
    assert few == many
    assert few[0] <= (CLOSING + 1) * len(customers)
    assert few[1] <= (FINALIZATION + 1) * len(customers)
    assert Invoice.objects.filter(kind="period", status="finalized").count() == 2 * len(customers)
    assert breaches() == []


def test_a_draft_whose_period_has_not_changed_keeps_its_lines_as_they_were_written() -> None:
    (customer,) = subscribers(1)
    run_due(START + DAY)
    use_a_month(customer, START, 3)
    run_due(FEBRUARY, kinds=[PERIOD_ENDS])
    draft = Invoice.objects.get(kind="period")
    with questions() as asked:
        finalize_invoice(customer.id, draft.id, now=FEBRUARY + DAY)
    assert not [one for one in asked.captured_queries if 'INTO "billing_invoiceline"' in one["sql"]]
    assert breaches() == []


def test_a_draft_whose_period_has_changed_gets_new_lines() -> None:
    (customer,) = subscribers(1)
    run_due(START + DAY)
    use_a_month(customer, START, 3)
    run_due(FEBRUARY, kinds=[PERIOD_ENDS])
    draft = Invoice.objects.get(kind="period")
    counted = InvoiceLine.objects.get(invoice_id=draft.id, charge="out").quantity
    late = call("late", FEBRUARY - DAY, customer.key, usage={"input": 1, "output": 100_000})
    use(customer, late, now=FEBRUARY + timedelta(minutes=1))
    issued = finalize_invoice(customer.id, draft.id, now=FEBRUARY + DAY)
    line = InvoiceLine.objects.get(invoice_id=issued.id, charge="out")
    assert counted is not None
    assert line.quantity == counted + 100_000
    assert issued.subtotal_minor == sum(
        InvoiceLine.objects.filter(invoice_id=issued.id).values_list("amount_minor", flat=True)
    )
    assert breaches() == []
