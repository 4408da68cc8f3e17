"""What is said late ends as if it had been said in time: the same lines, the same sums of all calls, clean books."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing.api.rendering import statement_line_json
from billing.credits.grants import NewGrant, grant_credits
from billing.models import CreditDraw, Subscription
from billing.recounts.overage import grant_with_cover
from billing.recounts.recounting import cancel_and_recount, change_and_recount, start_and_count
from billing.statements.statement import spend_statement
from billing.subscriptions.lifecycle import NewSubscription
from customers.models import Customer
from metering.models import UsageBucket
from metering.usage import CALLS
from pricing.burn_tables import create_table
from pricing.models import PlanVersion
from tests.billing.credits.test_grants import OVERAGE, RATES
from tests.billing.test_path import breaches
from tests.billing.world import START, a_customer, a_meter, a_plan, call, subscribe, use

pytestmark = pytest.mark.django_db

MOMENT = START + timedelta(days=10, hours=9, minutes=30)
TIMES = [START + timedelta(days=3), MOMENT - timedelta(minutes=10), MOMENT, MOMENT + timedelta(minutes=10)]
CHARGES: dict[str, list[dict[str, Any]]] = {
    "sum": [{"key": "c", "meter": "sum", "model": "per_unit", "unit_price": "0.01"}],
    "max": [{"key": "c", "meter": "max", "model": "per_unit", "unit_price": "0.01"}],
    "latest": [{"key": "c", "meter": "latest", "model": "per_unit", "unit_price": "0.01"}],
    "unique": [{"key": "c", "meter": "unique", "model": "per_unit", "unit_price": "0.01"}],
    "in order": [
        {"key": "c", "meter": "sum", "model": "percentage", "rate": "0.1", "fixed": "0", "free_events": "1"}
    ],
    "matrix": [
        {
            "key": "c",
            "meter": "tokens",
            "model": "matrix",
            "dimensions": ["token_kind"],
            "cells": [{"match": {"token_kind": "output"}, "unit_price": "0.02"}],
            "default_unit_price": "0.01",
        }
    ],
    "credits": [OVERAGE],
    "nothing": [],
}


@pytest.fixture(params=sorted(CHARGES))
def plans(request: Any) -> tuple[PlanVersion, PlanVersion]:
    for aggregation in ("sum", "max", "latest"):
        a_meter(aggregation, "usage.output", aggregation)
    a_meter("tokens", "usage.tokens")
    a_meter("unique", "properties.user", "unique")
    create_table("standard", "Standard", RATES, now=START, effective_at=START)
    charges = CHARGES[request.param]
    dearer = [charge | {"maximum": "1000"} for charge in charges]
    return a_plan(charges), a_plan(dearer, key="max", name="Max")


def some_usage(customer: Customer) -> None:
    for n, at in enumerate(TIMES):
        usage = {"input": 100, "output": 200 - 30 * n}
        event = call(
            f"e{n}", at, customer.key, usage=usage, properties={"user": f"u{n % 2}", "feature": "chat"}
        )
        use(customer, event, now=TIMES[-1])


def outcome(customer: Customer, subscription: Subscription) -> Any:
    """The lines of the period so far, and the statistics of all calls."""
    subscription.refresh_from_db()
    lines = [
        statement_line_json(n, line) for n, line in enumerate(spend_statement(subscription).lines, start=1)
    ]
    calls = UsageBucket.objects.filter(customer_id=customer.id, series=CALLS).exclude(
        scope_id__in=UsageBucket.objects.filter(customer_id=customer.id)
        .exclude(series=CALLS)
        .values("scope_id")
    )
    sums = calls.order_by("hour", "dimensions_hash").values_list(
        "hour", "dimensions", "events", "quantity", "amount", "cost", "credits", "covered", "prepaid"
    )
    return lines, sorted(map(str, sums))


def two_customers() -> tuple[Customer, Customer]:
    told, late = a_customer("told"), a_customer("late")
    for customer in (told, late):
        new = NewGrant("g", Decimal(5), START, category="paid", cost_basis=Decimal("0.01"))
        grant_credits(customer.id, new, now=START)
    return told, late


def test_a_change_told_late_ends_like_one_told_in_time(plans: tuple[PlanVersion, PlanVersion]) -> None:
    told, late = two_customers()
    first, second = (subscribe(customer, plans[0]) for customer in (told, late))
    change_and_recount(first, plans[1], at=MOMENT, now=START)
    some_usage(told)
    some_usage(late)
    assert breaches() == []

    change_and_recount(second, plans[1], at=MOMENT, now=TIMES[-1])

    assert outcome(late, second) == outcome(told, first)
    assert breaches() == []


def test_an_end_told_late_ends_like_one_told_in_time(plans: tuple[PlanVersion, PlanVersion]) -> None:
    told, late = two_customers()
    first, second = (subscribe(customer, plans[0]) for customer in (told, late))
    cancel_and_recount(first, at=MOMENT, now=START)
    for customer in (told, late):
        some_usage(customer)

    cancel_and_recount(second, at=MOMENT, now=TIMES[-1])

    assert [line["amount_minor"] for line in outcome(late, second)[0]] == [
        line["amount_minor"] for line in outcome(told, first)[0]
    ]
    assert breaches() == []


def test_a_start_told_late_ends_like_one_told_in_time(plans: tuple[PlanVersion, PlanVersion]) -> None:
    told, late = two_customers()
    first = subscribe(told, plans[0])
    some_usage(told)
    some_usage(late)

    second = start_and_count(NewSubscription(late, plans[0], "main", START), now=TIMES[-1])

    assert outcome(late, second) == outcome(told, first)
    assert breaches() == []


def test_a_start_told_months_late_closes_the_periods_in_between() -> None:
    late = a_customer("late")
    a_meter("sum", "usage.output")
    plan = a_plan(CHARGES["sum"])
    for n, day in enumerate((3, 40, 70)):
        at = START + timedelta(days=day)
        use(late, call(f"e{n}", at, "late", usage={"output": 100}), now=at)

    subscription = start_and_count(NewSubscription(late, plan, "main", START), now=START + timedelta(days=71))

    assert subscription.period_start == datetime(2026, 3, 1, tzinfo=START.tzinfo)
    assert [line.rated.amount_minor for line in spend_statement(subscription).lines] == [100]
    assert breaches() == []


@pytest.mark.parametrize("amount", ["1", "13", "30", "1000"])
def test_a_grant_told_late_leaves_the_balances_of_one_told_in_time(amount: str) -> None:
    create_table("standard", "Standard", RATES, now=START, effective_at=START)
    plan = a_plan([OVERAGE | {"margin_floor": "0.2"}])
    told, late = a_customer("told"), a_customer("late")
    first, second = (subscribe(customer, plan) for customer in (told, late))
    grant = NewGrant("g", Decimal(amount), START, category="paid", cost_basis=Decimal("0.01"))
    grant_credits(told.id, grant, now=START)
    for customer in (told, late):
        some_usage(customer)

    given = grant_with_cover(late, grant, now=TIMES[-1] + timedelta(hours=1))

    assert outcome(late, second) == outcome(told, first)
    overage = [
        sum(draw.credits for draw in CreditDraw.objects.filter(customer_id=customer.id, grant_id=None))
        for customer in (told, late)
    ]
    assert overage[0] == overage[1]
    assert given.remaining == max(0, Decimal(amount) - 35)
    assert breaches() == []
