"""Allowances that charges share, and that seats bring, on invoices, late usage and the customer's page."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing.models import InvoiceLine
from billing.recounts.recounting import change_and_recount
from billing.statements.statement import spend_statement
from core.due_work import run_due
from portal.queries.period import plan_spend
from tests.billing.test_path import breaches
from tests.billing.world import START, a_customer, a_meter, a_plan, call, subscribe, use

pytestmark = pytest.mark.django_db
FEBRUARY, MARCH = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
CHARGES: list[dict[str, Any]] = [
    {"key": "input", "meter": "input", "model": "per_unit", "unit_price": "0.10"},
    {"key": "output", "meter": "output", "model": "per_unit", "unit_price": "0.50"},
]
POOL = {"key": "tokens", "name": "Tokens", "amount": "100", "charges": ["input", "output"]}


@pytest.fixture(autouse=True)
def meters() -> None:
    a_meter("input", "usage.input")
    a_meter("output", "usage.output")
    a_meter("seats", "properties.seats", aggregation="max")


def finish(month_end: datetime) -> None:
    for _ in range(3):
        run_due(month_end + timedelta(hours=2))


def lines(kind: str) -> list[tuple[str, int]]:
    rows = InvoiceLine.objects.filter(kind=kind).order_by("invoice_id", "n")
    return [(row.charge, row.amount_minor) for row in rows]


def test_usage_that_comes_late_takes_from_what_another_charge_had() -> None:
    acme = a_customer()
    subscribe(acme, a_plan(CHARGES, allowances=[POOL]))
    use(acme, call("e1", START + timedelta(days=3), usage={"input": 60, "output": 50}))
    finish(FEBRUARY)
    # 60 of 100 for input, 40 for output: ten are left to bill.
    assert lines("usage") == [("input", 0), ("output", 500)]

    use(acme, call("late", START + timedelta(days=4), usage={"input": 25}), now=FEBRUARY + timedelta(days=3))
    finish(MARCH)

    # Input takes 85, output 15: 35 × 0.50 = 17.50, where 5.00 was billed.
    assert lines("correction") == [("input", 0), ("output", 1250)]
    use(acme, call("later", START + timedelta(days=4), usage={"input": 25}), now=MARCH + timedelta(days=3))
    finish(datetime(2026, 4, 1, tzinfo=UTC))
    # Input takes all 100 and pays for ten; output pays for 50.
    assert lines("correction")[2:] == [("input", 100), ("output", 750)]
    assert breaches() == []


def test_seats_bring_an_allowance_each() -> None:
    acme = a_customer()
    seats = {"key": "seats", "meter": "seats", "model": "per_unit", "unit_price": "20"}
    pool = {**POOL, "amount": "40", "per": "seats"}
    subscription = subscribe(acme, a_plan([seats, *CHARGES], allowances=[pool]))
    use(acme, call("e1", START + timedelta(days=1), usage={"input": 90}, properties={"seats": 2}))
    spent = {line.charge: line.rated.amount_minor for line in spend_statement(subscription).lines}
    assert spent == {"seats": 4000, "input": 100}

    use(acme, call("e2", START + timedelta(days=9), usage={"output": 20}, properties={"seats": 3}))

    spent = {line.charge: line.rated.amount_minor for line in spend_statement(subscription).lines}
    assert spent == {"seats": 6000, "input": 0, "output": 0}
    finish(FEBRUARY)
    assert breaches() == []


def test_a_change_of_plan_shares_it_by_days() -> None:
    acme = a_customer()
    subscription = subscribe(acme, a_plan(CHARGES, allowances=[{**POOL, "amount": "310"}]))
    bigger = a_plan(CHARGES, key="max", allowances=[{**POOL, "amount": "620"}])
    change_and_recount(subscription, bigger, at=START + timedelta(days=10), now=START)
    use(acme, call("e1", START + timedelta(days=9), usage={"input": 110}))
    use(acme, call("e2", START + timedelta(days=20), usage={"output": 430}))
    # 10/31 × 310 = 100 and 21/31 × 620 = 420.
    assert [line.rated.amount_minor for line in spend_statement(subscription).lines] == [100, 500]
    finish(FEBRUARY)
    assert breaches() == []


def test_the_customer_sees_what_is_left_of_it() -> None:
    acme = a_customer()
    own = {**CHARGES[1], "included": "7"}
    subscription = subscribe(acme, a_plan([CHARGES[0], own], allowances=[POOL]))
    at = START + timedelta(days=3)
    use(acme, call("e1", at, usage={"input": 60, "output": 27}))
    told = plan_spend(subscription, acme, at + timedelta(days=1)).allowances
    assert [(one.name, one.used, one.included) for one in told] == [
        ("Tokens", Decimal(80), Decimal(100)),
        ("Output", Decimal(27), Decimal(7)),
    ]
