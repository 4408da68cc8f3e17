"""Usage from before a change of plan that comes or is put right after it: the credits end as if it had come in order."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.burning import DRAW_DUE
from billing.credits.grants import credit_balance
from billing.models import CreditGrant, Subscription
from billing.recounts.recounting import change_and_recount
from billing.recounts.redraws import standing_draws
from billing.recounts.rerating import NewReRating, apply_re_rating, open_re_rating
from billing.statements.statement import spend_statement
from core.due_work import run_due
from core.failpoints import armed
from core.models import DueWork
from core.periods import Period
from core.remembered import forget_everything
from customers.models import Customer
from pricing.burn_tables import add_version, create_table
from tests.billing.test_path import breaches
from tests.billing.world import START, a_customer, a_plan, call, subscribe, use

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
CHANGE = START + 10 * DAY
LATER = START + 20 * DAY
FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
Use = tuple[int, int]


def rate(credits: str) -> list[dict[str, Any]]:
    return [{"id": "in", "match": {"token_kind": "input"}, "credits": credits, "per": "1"}]


class World:
    """A customer who moves on the eleventh day from 310 credits (100 for its ten days) to 31 (21 for the rest)."""

    def __init__(self, key: str, credits: str = "1") -> None:
        self.key = key
        self.customer: Customer = a_customer(key)
        create_table(key, key, rate(credits), now=START - DAY)
        self.subscription: Subscription = subscribe(self.customer, self._plan("old", "310"))
        self._ids = count(1)

    def _plan(self, name: str, credits: str) -> Any:
        over = {"key": "over", "model": "credits", "burn_table": self.key, "unit_price": "0.10"}
        return a_plan(
            [over], key=f"{name}-{self.key}", credit_grants=[{"amount": credits, "cost_basis": "0.01"}]
        )

    def burn(self, uses: list[Use], now: datetime | None = None) -> None:
        for day, tokens in uses:
            at = START + day * DAY + timedelta(seconds=next(self._ids))
            event = call(f"e{next(self._ids)}", at, customer=self.key, usage={"input": tokens})
            use(self.customer, event, now=now)

    def move(self) -> None:
        change_and_recount(self.subscription, self._plan("new", "31"), at=CHANGE, now=CHANGE)

    def draw_anew(self) -> None:
        run_due(LATER + timedelta(minutes=6), kinds=[DRAW_DUE])

    def stands(self) -> Any:
        """What is left of each grant, the overage, what was burnt on each, and what the period comes to."""
        self.subscription.refresh_from_db()
        grants = CreditGrant.objects.filter(customer_id=self.customer.id).order_by("starts_at")
        draws = standing_draws(self.customer.id)
        on = {grant.id: Decimal(0) for grant in grants}
        for draw in draws:
            if draw.grant_id is not None:
                on[draw.grant_id] += draw.credits
        spend = spend_statement(self.subscription)
        return (
            [(grant.starts_at, grant.amount, grant.remaining, on[grant.id]) for grant in grants],
            credit_balance(self.customer.id, as_of=LATER).overage,
            spend.subtotal_minor,
            spend.credit_revenue,
        )


def in_order(key: str, before: list[Use], after: list[Use], credits: str = "1") -> World:
    world = World(key, credits)
    world.burn(before)
    world.move()
    world.burn(after)
    return world


def test_late_usage_has_what_the_change_took_back() -> None:
    acme = in_order("acme", [(1, 20)], [(12, 30)])
    assert acme.stands()[1] == 0
    acme.burn([(2, 200)], now=LATER)
    acme.draw_anew()
    # 220 of 310 burnt in the first ten days: 90 are left and taken back; the 30 since are 21 of the new grant's, and 9 over.
    grants, overage, owed, _ = acme.stands()
    assert [one[2:] for one in grants] == [(0, 220), (0, 21)]
    assert (overage, owed) == (9, 90)
    assert acme.stands() == in_order("twin", [(1, 20), (2, 200)], [(12, 30)]).stands()
    assert breaches() == []


def test_a_rate_put_right_gives_back_and_takes_again() -> None:
    acme = in_order("acme", [(1, 100)], [(12, 100)], credits="3")
    add_version("acme", rate("1"), effective_at=START, now=LATER, note="mistyped", correction=True)
    opened = open_re_rating(NewReRating(Period(START, LATER), "mistyped", acme.customer), now=LATER)
    run_due(LATER)
    apply_re_rating(opened.id, by="ops", now=LATER)
    run_due(LATER)
    assert acme.stands() == in_order("twin", [(1, 100)], [(12, 100)]).stands()
    assert breaches() == []


def test_it_is_drawn_once_however_often_it_is_asked_for() -> None:
    acme = in_order("acme", [(1, 20)], [(12, 30)])
    acme.burn([(2, 200)], now=LATER)
    with armed("billing.late_draws.before_commit", _die):
        acme.draw_anew()
    assert DueWork.objects.filter(kind=DRAW_DUE).exists()
    run_due(LATER + DAY, kinds=[DRAW_DUE])
    once = acme.stands()
    acme.burn([(3, 0)], now=LATER)
    acme.draw_anew()
    assert acme.stands() == once
    assert breaches() == []


def _die() -> None:
    raise RuntimeError("killed")


def test_usage_after_the_change_is_no_reason_to_draw_anew() -> None:
    acme = in_order("acme", [(1, 20)], [(12, 30)])
    acme.burn([(11, 5)], now=LATER)
    assert not DueWork.objects.filter(kind=DRAW_DUE).exists()


def test_what_was_drawn_when_the_change_came_late_stays_drawn() -> None:
    """The change lies in the past: what was used since, before anybody knew of it, keeps its credits."""
    acme = World("acme")
    acme.burn([(1, 20), (12, 250)])
    change_and_recount(acme.subscription, acme._plan("new", "31"), at=CHANGE, now=LATER)
    before = acme.stands()
    assert [one[2:] for one in before[0]] == [(0, 270), (21, 0)]
    acme.burn([(2, 10)], now=LATER)
    acme.draw_anew()
    assert [one[2:] for one in acme.stands()[0]] == [(0, 280), (21, 0)]
    assert breaches() == []


USES = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 200)), max_size=3)
SINCE = st.lists(st.tuples(st.integers(10, 19), st.integers(1, 60)), max_size=3)


@settings(max_examples=12)
@given(early=USES, late=USES, since=SINCE, cut=st.integers(0, 3))
def test_late_usage_leaves_what_it_would_have_left_in_order(
    early: list[Use], late: list[Use], since: list[Use], cut: int
) -> None:
    with transaction.atomic():
        acme = in_order("acme", early, since[:cut])
        acme.burn(late, now=LATER)
        acme.draw_anew()
        acme.burn(since[cut:], now=LATER)
        twin = in_order("twin", early + late, since)
        assert acme.stands() == twin.stands()
        assert breaches() == []
        transaction.set_rollback(True)
    forget_everything()
