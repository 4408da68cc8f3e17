"""Credits at a change of plan within a period: each plan's are for its own days, and nothing is gained by moving."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing.credits.grants import credit_balance
from billing.models import CreditGrant, Subscription
from billing.recounts.recounting import change_and_recount
from core.due_work import run_due
from customers.models import Customer
from pricing.burn_tables import create_table
from pricing.models import PlanVersion
from tests.billing.test_path import breaches
from tests.billing.world import START, a_customer, a_plan, call, subscribe, use

pytestmark = pytest.mark.django_db
OVERAGE = {"key": "over", "model": "credits", "burn_table": "standard", "unit_price": "0.10"}
DAY = timedelta(days=1)
FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def a_table() -> None:
    rates = [{"id": "in", "match": {"token_kind": "input"}, "credits": "1", "per": "1"}]
    create_table("standard", "Standard", rates, now=START - DAY)


def plan(key: str, credits: str | None, **terms: Any) -> PlanVersion:
    grants = [{"amount": credits}] if credits else []
    return a_plan([OVERAGE], key=key, credit_grants=grants, **terms)


def burn(customer: Customer, id: str, at: datetime, credits: int, now: datetime | None = None) -> None:
    use(customer, call(id, at, usage={"input": credits}), now=now)


def balance(customer: Customer, at: datetime) -> tuple[Decimal, Decimal]:
    told = credit_balance(customer.id, as_of=at)
    return told.balance.quantize(Decimal("0.01")), told.overage


def moved(
    credits: str, to: str | None, *, day: int, used: int = 0, **terms: Any
) -> tuple[Customer, Subscription]:
    acme = a_customer()
    subscription = subscribe(acme, plan("old", credits, **terms))
    if used:
        burn(acme, "before", START + DAY, used)
    at = START + day * DAY
    change_and_recount(subscription, plan("new", to, **terms), at=at, now=at)
    return acme, subscription


def test_an_upgrade_brings_the_new_plans_credits_for_the_days_that_are_left():
    acme, _ = moved("310", "620", day=10)
    # 10/31 × 310 = 100 stay, 21/31 × 620 = 420 come.
    assert balance(acme, START + 11 * DAY) == (520, 0)
    run_due(FEBRUARY)
    assert balance(acme, FEBRUARY + DAY) == (620, 0)
    assert breaches() == []


def test_a_downgrade_takes_back_only_what_is_left_beyond_the_share():
    acme, _ = moved("620", "31", day=10, used=450)
    # 200 of 620 are for the first ten days; 450 are used, which stays so. 21 come.
    assert balance(acme, START + 11 * DAY) == (21, 0)
    assert breaches() == []


def test_a_plan_without_credits_ends_the_old_ones_but_for_their_share():
    acme, _ = moved("310", None, day=10, used=40)
    assert balance(acme, START + 11 * DAY) == (60, 0)
    assert breaches() == []


def test_the_balance_of_a_day_gone_by_knows_what_the_change_took_back():
    acme, _ = moved("310", "620", day=10, used=40)
    past = [credit_balance(acme.id, as_of=START + day * DAY, history=True).balance for day in (5, 11)]
    assert past == [270, 480]
    assert balance(acme, START + 11 * DAY) == (480, 0)


def test_a_move_from_a_plan_without_credits_brings_them_at_once():
    acme, _ = moved("0.000000000000000001", "310", day=10)
    assert balance(acme, START + 11 * DAY) == (210, 0)


@pytest.mark.parametrize("day", [1, 7, 10, 30])
@pytest.mark.parametrize("proration", ["day", "second"])
def test_moving_to_the_same_credits_changes_nothing(day, proration):
    acme, _ = moved("1000", "1000", day=day, used=17, proration=proration)
    told = credit_balance(acme.id, as_of=START + day * DAY)
    assert abs(told.balance - 983) <= Decimal("1e-18")
    assert breaches() == []


def test_moving_back_and_forth_gains_nothing():
    acme, subscription = moved("310", "620", day=10)
    old, new = (PlanVersion.objects.get(plan__key=key) for key in ("old", "new"))
    for n in range(3):
        at = START + 10 * DAY + n * timedelta(hours=1)
        change_and_recount(subscription, (old, new)[n % 2], at=at, now=at)
    # The old plan has the last word, on the eleventh day: 100 for the days before, 210 for those left.
    assert balance(acme, START + 11 * DAY) == (310, 0)
    assert breaches() == []


def test_a_plan_that_does_not_prorate_keeps_its_credits_and_the_next_comes_with_its_period():
    acme, _ = moved("310", "620", day=10, proration="none")
    assert balance(acme, START + 11 * DAY) == (310, 0)
    run_due(FEBRUARY)
    assert balance(acme, FEBRUARY + DAY) == (620, 0)


def test_a_change_from_the_periods_start_has_the_new_plans_credits_whole():
    acme, _ = moved("310", "620", day=0)
    assert balance(acme, START + DAY) == (620, 0)
    assert breaches() == []


def test_a_planned_change_moves_credits_when_it_takes_effect():
    acme = a_customer()
    subscription = subscribe(acme, plan("old", "310"))
    at = START + 10 * DAY
    change_and_recount(subscription, plan("new", "620"), at=at, now=START)
    assert balance(acme, START + DAY) == (310, 0)

    run_due(at)
    run_due(at)

    assert balance(acme, at) == (520, 0)
    assert CreditGrant.objects.count() == 2
    assert breaches() == []


def test_a_change_in_the_past_covers_what_was_overage_since():
    acme = a_customer()
    subscription = subscribe(acme, plan("old", "31"))
    burn(acme, "e1", START + DAY, 5)
    burn(acme, "e2", START + 12 * DAY, 100)
    assert balance(acme, START + 13 * DAY) == (0, 74)

    now = START + 13 * DAY
    change_and_recount(subscription, plan("new", "620"), at=START + 10 * DAY, now=now)

    # What e2 had drawn on the old plan's grant stays drawn; 74 more are the new one's, of 420.
    assert balance(acme, now) == (346, 0)
    assert breaches() == []
