"""Revenue and cost by day, where a customer has several subscriptions."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from billing.margins import refresh_days
from billing.models import CustomerDay
from billing.recounts.recounting import cancel_and_recount
from core.due_work import run_due
from customers.models import Customer
from tests.billing.world import START, a_customer, a_meter, a_plan, call, subscribe, use

pytestmark = pytest.mark.django_db
TOKENS = {"key": "tokens", "meter": "tokens", "model": "per_unit", "unit_price": "0.01"}


def to(moment: datetime) -> None:
    for _ in range(3):
        run_due(moment)


def revenue(customer: Customer) -> dict[date, Decimal]:
    rows = CustomerDay.objects.filter(customer_id=customer.id).order_by("day")
    return {row.day: row.revenue for row in rows}


def by_month(customer: Customer) -> dict[int, Decimal]:
    months: dict[int, Decimal] = defaultdict(Decimal)
    for day, amount in revenue(customer).items():
        months[day.month] += amount
    return {month: round(amount, 2) for month, amount in months.items()}


def a_world() -> Customer:
    acme = a_customer()
    a_meter("tokens", "usage.input")
    return acme


def test_an_ended_subscription_takes_no_day_from_the_one_that_runs_on() -> None:
    acme = a_world()
    old = subscribe(acme, a_plan([], key="old", fee="31.00", fee_timing="arrears"), key="old")
    cancel_and_recount(old, at=datetime(2026, 2, 1, tzinfo=UTC), now=START)
    subscribe(acme, a_plan([], key="new", fee="100.00", fee_timing="arrears"), key="new")
    for month in range(2, 8):
        to(datetime(2026, month, 1, 3, tzinfo=UTC))
        refresh_days(acme)
    assert by_month(acme) == {1: 131, **dict.fromkeys(range(2, 8), 100)}


def test_a_day_has_what_every_subscription_earned_on_it() -> None:
    """Their periods begin on different days: the edge of the one lies amid the other's."""
    acme = a_world()
    subscribe(acme, a_plan([], key="first", fee="31.00", fee_timing="arrears"), key="first")
    subscribe(
        acme,
        a_plan([], key="second", fee="280.00", fee_timing="arrears"),
        at=START + timedelta(days=14),
        key="second",
    )
    for month in range(2, 6):
        to(datetime(2026, month, 1, 3, tzinfo=UTC))
        refresh_days(acme)
        to(datetime(2026, month, 16, 3, tzinfo=UTC))
        refresh_days(acme)
    told = revenue(acme)
    # 15 February to 14 March has 28 days: ten a day, beside the first one's 31.00 over March's 31 days.
    assert {round(told[date(2026, 3, day)], 2) for day in range(1, 15)} == {11}


def test_cost_is_told_once_a_day() -> None:
    acme = a_world()
    old = subscribe(acme, a_plan([TOKENS], key="old"), key="old")
    subscribe(acme, a_plan([TOKENS], key="new"), at=START + timedelta(days=14), key="new")
    use(acme, call("e1", START + timedelta(days=20), usage={"input": 100}))
    cancel_and_recount(old, at=datetime(2026, 2, 1, tzinfo=UTC), now=START + timedelta(days=21))
    refresh_days(acme)
    (day,) = CustomerDay.objects.filter(events__gt=0)
    assert (day.events, day.revenue) == (1, 2)
