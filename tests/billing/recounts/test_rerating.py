"""Corrections of the past: what a dry run shows is what applying does, to the cent, and twice is once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.credits.grants import NewGrant, grant_credits
from billing.models import CreditDraw, CreditGrant, InvoiceLine, LatePeriod, ReRating
from billing.recounts.redraws import standing_draws
from billing.recounts.rerating import NewReRating, apply_re_rating, apply_to, open_re_rating
from billing.statements.statement import period_statement, spend_statement
from core.due_work import run_due
from core.failpoints import armed
from core.periods import Period
from core.problems import Conflict
from metering.models import Event
from pricing.burn_tables import add_version, create_table
from pricing.price_imports import set_operator_prices
from pricing.price_sources.reading import quote_from_json
from tests.billing.test_path import breaches
from tests.billing.world import START, a_customer, a_meter, a_plan, call, subscribe, use

pytestmark = pytest.mark.django_db
COST_PLUS = {"key": "calls", "meter": "calls", "model": "cost_plus", "markup": "0.50"}
FEBRUARY, MARCH = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
CUT_FROM = START + timedelta(days=9)
DAYS = (2, 8, 9, 10, 20, 30)


def price(amount: str, since: datetime, now: datetime) -> None:
    quote = quote_from_json({"provider": "acme-ai", "model": "m-1", "unit": "input", "price": amount})
    set_operator_prices([replace(quote, starts=since)], by="ops", now=now)


def finish(month_end: datetime) -> datetime:
    """Close the month and finalize its invoice."""
    after = month_end + timedelta(hours=2)
    for _ in range(2):
        run_due(after)
    return after


def correct(
    now: datetime, *, until: datetime = MARCH, customer: Any = None
) -> tuple[ReRating, dict[str, Any]]:
    """Look at the span from the start on, then apply; the dry run's finding for the one customer."""
    new = NewReRating(Period(START, until), "the provider's invoice says otherwise", customer)
    opened = open_re_rating(new, now=now)
    run_due(now)
    opened.refresh_from_db()
    assert opened.state == "ready"
    found = opened.steps.get().found
    apply_re_rating(opened.id, by="ops", now=now)
    run_due(now)
    opened.refresh_from_db()
    assert opened.state == "applied"
    return opened, found


def cents(amount: Fraction) -> int:
    """Half away from zero."""
    return int(abs(amount) * 100 + Fraction(1, 2)) * (1 if amount >= 0 else -1)


def _die() -> None:
    raise RuntimeError("killed")


def january_on_cost_plus() -> tuple[Any, Any, datetime]:
    acme = a_customer()
    a_meter("calls", aggregation="count")
    price("0.001237", START - timedelta(days=30), START)
    subscription = subscribe(acme, a_plan([COST_PLUS]))
    for day in DAYS:
        at = START + timedelta(days=day)
        use(acme, call(f"e{day}", at, provider="acme-ai", model="m-1", usage={"input": 1001}))
    return acme, subscription, finish(FEBRUARY)


def owed(cut: bool) -> Fraction:
    """January's charge by hand."""
    old = Fraction("0.001237")
    prices = [old * Fraction(7, 10) if cut and day >= 9 else old for day in DAYS]
    return sum((1001 * one for one in prices), Fraction(0)) * Fraction(3, 2)


class TestABackdatedPrice:
    def test_the_dry_run_tells_the_change_and_makes_none(self):
        acme, subscription, now = january_on_cost_plus()
        costs = list(Event.objects.order_by("seq").values_list("cost", flat=True))
        price("0.0008659", CUT_FROM, now)

        opened = open_re_rating(NewReRating(Period(START, MARCH), "cut", acme), now=now)
        run_due(now)

        found = opened.steps.get().found
        (january, february) = found["periods"]
        assert found["events"] == 4
        assert Fraction(found["cost"]["before"]) - Fraction(found["cost"]["after"]) == (
            owed(False) - owed(True)
        ) / Fraction(3, 2)
        assert (january["state"], february["state"]) == ("finalized", "open")
        assert january["charges"] == [
            {"charge": "calls", "before_minor": cents(owed(False)), "after_minor": cents(owed(True))}
        ]
        assert Decimal(found["margin"]["after"]["rate"]) == Decimal(found["margin"]["before"]["rate"])
        assert list(Event.objects.order_by("seq").values_list("cost", flat=True)) == costs
        assert not LatePeriod.objects.exists()
        assert period_statement(subscription, Period(START, FEBRUARY)).subtotal_minor == cents(owed(False))
        assert breaches() == []

    def test_a_finalized_month_is_put_right_on_the_next_invoice(self):
        acme, subscription, now = january_on_cost_plus()
        price("0.0008659", CUT_FROM, now)

        opened, found = correct(now)

        assert opened.steps.get().applied == found
        assert period_statement(subscription, Period(START, FEBRUARY)).subtotal_minor == cents(owed(True))
        assert breaches() == []
        finish(MARCH)
        (line,) = InvoiceLine.objects.filter(kind="correction")
        assert line.amount_minor == cents(owed(True)) - cents(owed(False))
        assert breaches() == []

    def test_applying_again_and_rating_again_change_nothing(self):
        acme, _, now = january_on_cost_plus()
        price("0.0008659", CUT_FROM, now)
        opened, _ = correct(now)
        LatePeriod.objects.all().delete()
        costs = list(Event.objects.order_by("seq").values_list("cost", "cost_rows", "price_book"))

        apply_re_rating(opened.id, by="ops", now=now)
        run_due(now)
        _, again = correct(now)

        assert (again["events"], again["cost"]["change"]) == (0, "0")
        assert list(Event.objects.order_by("seq").values_list("cost", "cost_rows", "price_book")) == costs
        assert not LatePeriod.objects.exists()

    def test_a_try_that_dies_leaves_nothing_and_the_next_one_is_the_only_one(self):
        acme, _, now = january_on_cost_plus()
        price("0.0008659", CUT_FROM, now)
        opened = open_re_rating(NewReRating(Period(START, MARCH), "cut", acme), now=now)
        run_due(now)
        apply_re_rating(opened.id, by="ops", now=now)

        with armed("billing.rerating.before_commit", _die):
            run_due(now)
        assert opened.steps.get().state == "found"
        assert not LatePeriod.objects.exists()
        run_due(now + timedelta(hours=1))
        again = apply_to(acme.id, opened.id, now=now + timedelta(hours=2))  # a nudge that comes twice

        assert (again.state, again.applied["events"], again.applied_at) == (
            "applied",
            4,
            now + timedelta(hours=1),
        )
        opened.refresh_from_db()
        assert (opened.state, opened.applied_at) == ("applied", now + timedelta(hours=1))
        assert breaches() == []

    def test_a_price_that_came_since_the_dry_run_asks_for_another(self):
        acme, _, now = january_on_cost_plus()
        opened = open_re_rating(NewReRating(Period(START, MARCH), "cut", acme), now=now)
        with pytest.raises(Conflict, match="still counting"):
            apply_re_rating(opened.id, by="ops", now=now)
        run_due(now)
        price("0.0008659", CUT_FROM, now)
        with pytest.raises(Conflict, match="since this dry run"):
            apply_re_rating(opened.id, by="ops", now=now)

    def test_answers_from_a_cache_stay_free(self):
        acme = a_customer()
        price("0.01", START - timedelta(days=30), START)
        fields = {"provider": "acme-ai", "model": "m-1", "usage": {"input": 1000}}
        use(
            acme,
            call("hit", START + timedelta(days=1), flags=("cache_hit",), raw={"cache_hit": True}, **fields),
        )
        price("0.02", START - timedelta(days=20), START)

        correct(START + timedelta(days=2))

        assert Event.objects.get().cost == 0
        assert breaches() == []


RATES = {"per": "1000", "match": {"token_kind": "input"}}
OVERAGE = {"key": "credits", "model": "credits", "burn_table": "standard", "unit_price": "0.02"}


def rate(credits: str) -> list[dict[str, Any]]:
    return [{"id": "input", "credits": credits, **RATES}]


def january_on_credits(*, grant: str = "30") -> tuple[Any, Any, datetime]:
    """Fifty credits burnt in ten calls, and thirty granted: twenty are overage, billed at two cents each."""
    acme = a_customer()
    create_table("standard", "Standard", rate("1"), now=START - timedelta(days=1))
    subscription = subscribe(acme, a_plan([OVERAGE], credit_grants=[{"amount": grant, "cost_basis": "0.01"}]))
    for n in range(10):
        at = START + timedelta(days=2 * n + 1)
        use(acme, call(f"e{n}", at, provider="acme-ai", model="m-1", usage={"input": 5000}))
    return acme, subscription, finish(FEBRUARY)


def correct_table(credits: str, now: datetime, since: datetime = START) -> None:
    add_version(
        "standard", rate(credits), effective_at=since, now=now, note="it was mistyped", correction=True
    )


class TestABurnTableThatWasWrong:
    def test_credits_come_back_and_the_billed_overage_goes(self):
        acme, subscription, now = january_on_credits()
        before = CreditDraw.objects.count()
        correct_table("0.5", now)

        _, found = correct(now)

        assert (found["credits"]["before"], found["credits"]["after"]) == ("50", "25")
        assert (found["overage"]["before"], found["overage"]["after"]) == ("20", "0")
        stands = standing_draws(acme.id)
        assert sum(draw.credits for draw in stands) == 25
        assert all(draw.grant_id is not None for draw in stands)
        assert CreditDraw.objects.count() > before + len(stands)  # what was drawn before stands beside it
        # Of January's thirty, five are left over and ended with the month.
        assert [grant.remaining for grant in CreditGrant.objects.order_by("starts_at")] == [0, 30]
        assert breaches() == []
        finish(MARCH)
        (line,) = InvoiceLine.objects.filter(kind="correction")
        assert line.amount_minor == -cents(Fraction(20) * Fraction("0.02"))
        assert line.description == "Credits, corrected credit rates of the period from 1 Jan 2026"
        assert line.explain[-1]["text"] == "Billed 0.40 before → 0.00 now, for 20 → 0 used"
        assert breaches() == []

    def test_a_correction_upwards_takes_what_had_expired_before_it_bills(self):
        _, subscription, now = january_on_credits(grant="60")
        assert spend_statement(subscription).subtotal_minor == 0
        correct_table("1.5", now)

        _, found = correct(now)

        # 75 burnt, 60 granted: ten had expired unused, fifteen are overage.
        assert found["overage"] == {"before": "0", "after": "15", "change": "15"}
        assert breaches() == []
        finish(MARCH)
        (line,) = InvoiceLine.objects.filter(kind="correction")
        assert line.amount_minor == cents(Fraction(15) * Fraction("0.02"))

    def test_from_the_first_corrected_call_on_draws_follow_the_published_order(self):
        acme, _, now = january_on_credits()
        correct_table("2", now, since=START + timedelta(days=6))

        correct(now)

        stands = [(d.event_id, d.grant_id is not None, d.credits) for d in standing_draws(acme.id)]
        assert stands == [
            *((f"e{n}", True, 5) for n in range(3)),
            ("e3", True, 10),
            ("e4", True, 5),
            ("e4", False, 5),
            *((f"e{n}", False, 10) for n in range(5, 10)),
        ]
        assert breaches() == []

    def test_a_second_correction_stands_on_the_first(self):
        acme, _, now = january_on_credits()
        correct_table("0.5", now)
        correct(now)
        correct_table("1", now)
        _, found = correct(now)
        assert found["credits"]["after"] == "50"
        _, found = correct(now)
        assert found["events"] == 0
        assert breaches() == []

    def test_a_call_that_no_rate_names_any_more_waits_and_burns_nothing(self):
        acme, _, now = january_on_credits()
        other = [{"id": "other", "credits": "1", "per": "1", "match": {"model": "another"}}]
        add_version("standard", other, effective_at=START, now=now, note="other model", correction=True)

        correct(now)

        assert standing_draws(acme.id) == []
        assert Event.objects.filter(unpriced=True).count() == 10
        assert breaches() == []


USES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)), min_size=1, max_size=8)


@settings(max_examples=12)
@given(
    uses=USES,
    first=st.sampled_from(["0.5", "1", "3"]),
    then=st.sampled_from(["0.25", "1", "2"]),
    day=st.integers(0, 40),
)
def test_a_corrected_table_leaves_what_it_would_have_left_from_the_start(uses, first, then, day):
    with transaction.atomic():
        sides = []
        since = START + timedelta(days=day)
        for key, known in (("late", False), ("early", True)):
            customer = a_customer(key)
            create_table(key, key, rate(first), now=START - timedelta(days=1))
            if known:
                add_version(key, rate(then), effective_at=since, now=START - timedelta(days=1))
            charge = {**OVERAGE, "burn_table": key}
            grants = [{"amount": "9", "cost_basis": "0.01"}]
            subscription = subscribe(customer, a_plan([charge], key=f"p-{key}", credit_grants=grants))
            new = NewGrant(
                "own", Decimal(7), START + timedelta(days=3), START + timedelta(days=35), priority=5
            )
            grant_credits(customer.id, new, now=START)
            sides.append((customer, subscription))
            for n, (at, thousands) in enumerate(sorted(uses)):
                moment = START + timedelta(days=at, hours=n)
                usage = {"input": thousands * 1000}
                use(
                    customer,
                    call(f"e{n}", moment, customer=key, provider="acme-ai", model="m-1", usage=usage),
                )
        now = START + timedelta(days=45)
        run_due(now)
        run_due(now)
        add_version("late", rate(then), effective_at=since, now=now, note="mistyped", correction=True)
        correct(now, customer=sides[0][0])

        told = [_standing(customer, subscription) for customer, subscription in sides]
        assert told[0] == told[1]
        assert breaches() == []
        transaction.set_rollback(True)


def _standing(customer: Any, subscription: Any) -> Any:
    subscription.refresh_from_db()
    grants = {g.id: (g.amount, g.starts_at) for g in CreditGrant.objects.filter(customer_id=customer.id)}
    draws = [(d.event_id, grants.get(d.grant_id), d.credits) for d in standing_draws(customer.id)]
    left = sorted(
        CreditGrant.objects.filter(customer_id=customer.id).values_list("starts_at", "amount", "remaining")
    )
    months = [Period(START, FEBRUARY), Period(FEBRUARY, MARCH)]
    return (
        sorted(draws, key=str),
        left,
        [
            (s.subtotal_minor, s.credit_revenue, s.cost)
            for s in (period_statement(subscription, month) for month in months)
        ],
    )


def test_the_example_of_the_guide_is_right():
    """docs/corrections.md, with January for October."""
    acme = a_customer()
    a_meter("calls", aggregation="count")
    price("0.00001", START - timedelta(days=30), START)
    subscribe(acme, a_plan([COST_PLUS]))
    fields = {"provider": "acme-ai", "model": "m-1"}
    use(acme, call("early", START + timedelta(days=3), usage={"input": 40_000_000}, **fields))
    use(acme, call("late", CUT_FROM, usage={"input": 60_000_000}, **fields))
    now = finish(FEBRUARY)
    price("0.000007", CUT_FROM, now)

    _, found = correct(now)

    assert (found["events"], found["cost"]) == (1, {"before": "1000", "after": "820", "change": "-180"})
    (january, _) = found["periods"]
    assert january["charges"] == [{"charge": "calls", "before_minor": 150_000, "after_minor": 123_000}]
    assert {
        Decimal(january[f"margin_{side}"]["rate"]).quantize(Decimal("0.001")) for side in ("before", "after")
    } == {Decimal("0.333")}
    finish(MARCH)
    (line,) = InvoiceLine.objects.filter(kind="correction")
    assert (line.description, line.amount_minor) == (
        "Calls, corrected price of the period from 1 Jan 2026",
        -27_000,
    )
    assert line.explain[-1] == {
        "kind": "change",
        "text": "Billed 1500.00 before → 1230.00 now, for 2 used as before",
        "amount": "-270",
    }
