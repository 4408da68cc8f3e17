"""Events of a model without a price: visible, not free, and rated for the rest when the price arrives."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from billing.models import InvoiceLine
from billing.recounts.repricing import customers_unpriced, price_again
from billing.statements.statement import spend_statement
from core.due_work import run_due
from metering.models import Event
from pricing.models import PriceRow, PriceSnapshot
from pricing.price_book import book_changed
from tests.billing.test_path import breaches
from tests.billing.world import START, a_customer, a_meter, a_plan, call, subscribe, use

pytestmark = pytest.mark.django_db
COST_PLUS = {"key": "calls", "meter": "calls", "model": "cost_plus", "markup": "0.50"}


def a_price(unit: str, price: str) -> None:
    snapshot = PriceSnapshot.objects.create(
        source="operator", version=unit, sha256=unit, content=[], status="applied", taken_at=START
    )
    PriceRow.objects.create(
        provider="acme-ai",
        model="new-model",
        unit=unit,
        price=price,
        effective_from=START - timedelta(days=900),
        layer=PriceRow.Layer.OPERATOR,
        snapshot=snapshot,
        recorded_at=START,
    )
    book_changed()


def world():
    acme = a_customer()
    a_meter("calls", aggregation="count")
    subscription = subscribe(acme, a_plan([COST_PLUS]))
    fields = {"provider": "acme-ai", "model": "new-model", "usage": {"input": 1000}}
    use(acme, call("e1", START + timedelta(days=2), **fields))
    return acme, subscription


def test_an_event_without_a_price_is_billed_when_the_price_arrives():
    acme, subscription = world()
    assert Event.objects.get().unpriced
    assert spend_statement(subscription).subtotal_minor == 0

    a_price("input", "0.01")
    assert customers_unpriced(10) == [acme.id]
    assert price_again(acme.id, now=START + timedelta(days=3)) == 1

    assert not Event.objects.get().unpriced
    assert spend_statement(subscription).subtotal_minor == 1500
    assert customers_unpriced(10) == []
    assert breaches() == []


def test_after_the_invoice_the_difference_goes_on_the_next_one():
    acme, subscription = world()
    after = datetime(2026, 2, 1, 2, tzinfo=UTC)
    for _ in range(2):
        run_due(after)
    a_price("input", "0.01")

    assert price_again(acme.id, now=after + timedelta(days=1)) == 1

    march = datetime(2026, 3, 1, 2, tzinfo=UTC)
    for _ in range(2):
        run_due(march)
    (line,) = InvoiceLine.objects.filter(kind="correction")
    assert (line.amount_minor, line.unrounded, line.period_start) == (1500, Decimal(15), START)
    assert line.description == "Calls, late price of the period from 1 Jan 2026"
    assert breaches() == []
