"""The machine's clock is set back or far ahead: work is keyed by what it is about, not by the time it is done."""

from datetime import UTC, datetime, timedelta

import pytest

from billing import tasks
from billing.models import CreditGrant, Invoice
from core.due_work import run_due
from core.models import DueWork
from metering.events import store_events
from tests.faults.books import breaches, lines_of, numbers
from tests.faults.month import CLOSED, a_subscriber, events_of, expected_lines

HOURS = [0, -2, 1, -30 * 24, 2, -2, 3, -1, 5]


@pytest.fixture
def acme(installation):
    customer = a_subscriber("acme")
    store_events(events_of("acme"), now=CLOSED - timedelta(days=2))
    return customer


def sweep_at(now: datetime) -> None:
    for customer_id in tasks.customers_behind(10):
        tasks.rate_pending(customer_id, now=now)
    run_due(now)


def test_a_clock_that_jumps_back_and_forth_closes_a_period_once(acme):
    for hours in HOURS:
        sweep_at(CLOSED + timedelta(hours=hours))

    invoice = Invoice.objects.get(customer=acme)
    assert (invoice.status, lines_of(invoice)) == ("finalized", expected_lines())
    assert CreditGrant.objects.filter(customer=acme).count() == 2, "one for each period that began"
    assert numbers() == [invoice.number]
    assert breaches() == []


def test_work_taken_by_one_who_died_in_the_future_is_done_when_that_time_comes(acme):
    ahead = CLOSED + timedelta(hours=2)
    DueWork.objects.filter(kind="subscription.period").update(lease_until=ahead + timedelta(minutes=5))

    run_due(CLOSED, kinds=["subscription.period"])
    assert not Invoice.objects.exists()

    run_due(ahead + timedelta(minutes=6), kinds=["subscription.period"])
    assert Invoice.objects.get().period_end == datetime(2026, 2, 1, tzinfo=UTC)


def test_a_clock_that_ran_a_year_ahead_bills_a_year_and_no_month_twice_when_it_is_set_right(acme):
    sweep_at(CLOSED + timedelta(days=365))
    for _ in range(3):
        sweep_at(CLOSED)
    sweep_at(CLOSED + timedelta(days=365, hours=1))

    starts = list(Invoice.objects.order_by("period_start").values_list("period_start", flat=True))
    assert len(starts) == len(set(starts)) == 13
    assert breaches() == []
