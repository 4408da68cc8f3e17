"""A plan corrected for the past: what is billed in the end is what the right plan would have billed from the start."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from billing.models import (
    Invoice,
    InvoiceLine,
    LatePeriod,
    ReRating,
    SegmentCorrection,
    Subscription,
    SubscriptionSegment,
)
from billing.plan_moves import ALL, NewMove, cancel_move, move_subscribers
from billing.recounts.rerating import apply_re_rating, apply_to, of_plan, open_re_rating
from billing.statements.statement import period_statement
from billing.subscriptions.lifecycle import FAR, segments_between
from core.due_work import run_due
from core.periods import Period
from core.problems import Conflict, Invalid
from customers.models import Customer
from pricing.models import PlanVersion
from pricing.plan_corrections import Correction
from pricing.plan_terms import read_terms
from pricing.plans import add_version, create_plan, publish_version, version_of
from tests.billing.recounts.test_rerating import price
from tests.billing.test_path import breaches
from tests.billing.world import START, a_customer, a_meter, call, subscribe, use

pytestmark = pytest.mark.django_db

FEBRUARY, MARCH, APRIL = (datetime(2026, month, 1, tzinfo=UTC) for month in (2, 3, 4))
CALLS = {"key": "calls", "meter": "calls", "model": "per_unit", "unit_price": "0.30"}
WRONG: dict[str, Any] = {
    "key": "pro",
    "name": "Pro",
    "fee": "310",
    "fee_timing": "arrears",
    "charges": [CALLS],
}


def finish(month_end: datetime) -> datetime:
    after = month_end + timedelta(hours=2)
    for _ in range(3):
        run_due(after)
    return after


def sell(terms: dict[str, Any]) -> PlanVersion:
    return publish_version(create_plan(read_terms(terms), now=START), now=START)


def put_right(
    wrong: PlanVersion, terms: dict[str, Any], now: datetime, effective_at: datetime | None = None
) -> PlanVersion:
    correction = Correction(wrong.number, "the fee was mistyped", effective_at)
    return publish_version(
        add_version(wrong.plan, read_terms(terms), now=now, correction=correction), now=now
    )


def carry(version: PlanVersion, now: datetime, customer: Customer | None = None) -> tuple[ReRating, Any]:
    """Look, then apply; what the dry run found for each customer by key."""
    opened = open_re_rating(of_plan(version, "mistyped", customer=customer, now=now), now=now)
    run_due(now)
    opened.refresh_from_db()
    assert opened.state == "ready"
    found = {step.customer.key: step.found for step in opened.steps.select_related("customer")}
    apply_re_rating(opened.id, by="ops", now=now)
    run_due(now)
    opened.refresh_from_db()
    assert opened.state == "applied"
    return opened, found


def two_months(*customers: Customer, until: datetime = MARCH) -> None:
    """Calls on many days of January and February, each month closed and finalized in its time."""
    days = [START + timedelta(days=day, hours=5) for day in (0, 3, 9, 14, 30, 31, 40, 58)]
    for n, at in enumerate(days):
        if at < until:
            finish(at) if at.month == 2 else None
            for one in customers:
                fields: dict[str, Any] = {"usage": {"input": 7 + n}, "properties": {"user": f"u{n % 3}"}}
                use(one, call(f"e{n}", at, customer=one.key, provider="acme-ai", model="m-1", **fields))


def billed(customer: Customer) -> int:
    lines = InvoiceLine.objects.filter(customer_id=customer.id)
    return sum(line.amount_minor for line in lines)


def meters() -> None:
    price("0.1237", START - timedelta(days=30), START)
    a_meter("calls", aggregation="count")
    a_meter("tokens", "usage.input")
    a_meter("users", "properties.user", aggregation="unique")
    a_meter("peak", "usage.input", aggregation="max")


RIGHT = {
    "a fee": {"fee": "31"},
    "a fee in advance": {"fee": "31", "fee_timing": "advance"},
    "a price": {"charges": [{**CALLS, "unit_price": "0.033"}]},
    "an allowance": {"charges": [{**CALLS, "included": "3"}]},
    "a minimum": {"charges": [{**CALLS, "minimum": "20"}]},
    "a charge's discount": {"charges": [{**CALLS, "discount_percent": "12.5"}]},
    "tiers": {
        "charges": [
            {
                "key": "calls",
                "meter": "calls",
                "model": "graduated",
                "tiers": [{"up_to": "2", "unit_price": "1.005"}, {"up_to": None, "unit_price": "0.004"}],
            }
        ]
    },
    "another meter": {"charges": [{**CALLS, "meter": "tokens"}]},
    "a meter of distinct users": {"charges": [{**CALLS, "meter": "users"}]},
    "a meter of peaks": {"charges": [{**CALLS, "meter": "peak"}]},
    "a charge more": {"charges": [CALLS, {**CALLS, "key": "seats", "meter": "users"}]},
    "a shared allowance": {
        "charges": [CALLS, {**CALLS, "key": "tokens", "meter": "tokens", "unit_price": "0.07"}],
        "allowances": [{"key": "all", "amount": "20", "charges": ["calls", "tokens"]}],
    },
    "no charge": {"charges": []},
    "a discount": {"discount_percent": "7.7"},
    "a commitment": {"commitment": {"amount": "500"}},
    "a floor": {"fee": "3.10", "margin_floor": {"rate": "0.5", "on_breach": "bill"}},
    "a share of the cost": {
        "charges": [{"key": "calls", "meter": "calls", "model": "cost_plus", "markup": "0.3"}]
    },
}
IN_ADVANCE = ("a fee", "a discount", "a commitment", "a floor")


def test_a_move_to_a_version_that_was_put_right_since_can_still_be_cancelled():
    meters()
    first = sell({**WRONG, "fee": "31"})
    second = publish_version(add_version(first.plan, read_terms(WRONG), now=START), now=START)
    acme = a_customer("acme")
    subscription = subscribe(acme, first)
    move = move_subscribers(NewMove(second, ALL, None), now=START)
    run_due(START)
    carry(put_right(second, {**WRONG, "fee": "62"}, START), START)
    assert [one.plan_version.number for one in segments_between(subscription, Period(FEBRUARY, FAR))] == [3]

    cancel_move(move.id, now=START)
    run_due(START)

    assert [one.plan_version for one in segments_between(subscription, Period(START, FAR))] == [first]
    assert move.steps.get().detail == ""


class TestCarryingACorrection:
    @pytest.mark.parametrize(
        ("name", "timing"),
        [(name, "arrears") for name in RIGHT] + [(name, "advance") for name in IN_ADVANCE],
    )
    def test_bills_in_the_end_what_the_right_plan_would_have_billed(self, name, timing):
        meters()
        right = RIGHT[name]
        terms = {**WRONG, "fee_timing": timing}
        wrong = sell(terms)
        other = sell({**terms, **right, "key": "right"})
        acme, twin = a_customer("acme"), a_customer("twin")
        subscribe(acme, wrong)
        subscribe(twin, other)
        two_months(acme, twin, until=FEBRUARY + timedelta(days=20))
        now = FEBRUARY + timedelta(days=20)
        issued = list(Invoice.objects.filter(customer=acme).exclude(status="draft").values())

        _, found = carry(put_right(wrong, {**terms, **right}, now), now)

        finish(MARCH)
        finish(APRIL)
        assert list(found) == ["acme"]
        assert billed(acme) == billed(twin)
        kept = Invoice.objects.filter(customer=acme, id__in=[row["id"] for row in issued])
        assert [row["document_hash"] for row in issued] == [row.document_hash for row in kept]
        assert breaches() == []

    def test_shows_first_what_applying_does(self):
        meters()
        wrong = sell({**WRONG, "commitment": {"amount": "400"}})
        acme = a_customer(tax_name="VAT", tax_rate=Decimal("0.20"))
        subscribe(acme, wrong)
        two_months(acme, until=FEBRUARY + timedelta(days=5))
        now = FEBRUARY + timedelta(days=5)
        right = put_right(
            wrong, {**WRONG, "fee": "31", "commitment": {"amount": "40"}, "discount_percent": "10"}, now
        )

        opened, found = carry(right, now)

        january, february = found["acme"]["periods"]
        # January by hand: five calls at 0.30 are 1.50, the fee 310 → 31, committed 400 → 40; then 10 % off.
        assert (january["state"], february["state"]) == ("finalized", "open")
        assert january["charges"] == [{"charge": "calls", "before_minor": 150, "after_minor": 135}]
        assert january["sums"] == [
            {"kind": "commitment", "before_minor": 8850, "after_minor": 675},
            {"kind": "fee", "before_minor": 31000, "after_minor": 2790},
        ]
        assert january["discount"] == {"before": "0", "after": "4", "change": "4"}
        assert (january["subtotal_before_minor"], january["subtotal_after_minor"]) == (40000, 3600)
        assert opened.steps.get().applied == found["acme"]
        finish(MARCH)
        lines = InvoiceLine.objects.filter(kind="correction").order_by("n")
        assert [(line.description, line.amount_minor) for line in lines] == [
            ("Calls, corrected plan of the period from 1 Jan 2026", -15),
            ("Fees, corrected plan of the period from 1 Jan 2026", -28210),
            ("Commitment true-up, corrected plan of the period from 1 Jan 2026", -8175),
        ]
        invoice = Invoice.objects.get(customer=acme, period_start=FEBRUARY)
        assert invoice.subtotal_minor == 3600 - 36400
        assert invoice.tax_minor == (3600 - 36400) // 5
        assert breaches() == []

    def test_twice_is_once(self):
        meters()
        wrong = sell(WRONG)
        acme = a_customer()
        subscribe(acme, wrong)
        two_months(acme, until=FEBRUARY + timedelta(days=5))
        now = FEBRUARY + timedelta(days=5)
        right = put_right(wrong, {**WRONG, "fee": "31"}, now)
        opened, _ = carry(right, now)
        LatePeriod.objects.all().delete()

        apply_re_rating(opened.id, by="ops", now=now)
        apply_to(acme.id, opened.id, now=now)
        _, again = carry(right, now, acme)

        assert again["acme"]["changed"] is False
        assert not LatePeriod.objects.exists()
        assert SegmentCorrection.objects.count() == 1

    def test_changes_nothing_when_it_is_only_looked_at(self):
        meters()
        wrong = sell(WRONG)
        acme = a_customer()
        subscription = subscribe(acme, wrong)
        two_months(acme, until=FEBRUARY + timedelta(days=5))
        now = FEBRUARY + timedelta(days=5)
        was = period_statement(subscription, Period(START, FEBRUARY)).subtotal_minor

        opened = open_re_rating(of_plan(put_right(wrong, {**WRONG, "fee": "31"}, now), "?", now=now), now=now)
        run_due(now)

        assert opened.steps.get().found["changed"] is True
        assert period_statement(subscription, Period(START, FEBRUARY)).subtotal_minor == was
        assert SubscriptionSegment.objects.get().plan_version == wrong
        assert not LatePeriod.objects.exists()
        assert breaches() == []

    def test_rates_what_comes_late_by_the_corrected_version(self):
        meters()
        wrong = sell(WRONG)
        acme = a_customer()
        subscribe(acme, wrong)
        two_months(acme, until=FEBRUARY + timedelta(days=5))
        now = FEBRUARY + timedelta(days=5)
        carry(put_right(wrong, {**WRONG, "charges": [{**CALLS, "unit_price": "0.03"}]}, now), now)
        finish(MARCH)

        use(acme, call("late", START + timedelta(days=2)), now=MARCH + timedelta(hours=9))
        finish(APRIL)

        last = InvoiceLine.objects.filter(kind="correction").order_by("invoice_id").last()
        assert (last.description, last.amount_minor) == ("Calls, late usage of the period from 1 Jan 2026", 3)
        assert breaches() == []

    def test_from_a_day_on_leaves_the_days_before_as_they_were(self):
        meters()
        wrong = sell(WRONG)
        acme = a_customer()
        subscribe(acme, wrong)
        two_months(acme, until=FEBRUARY + timedelta(days=5))
        now = FEBRUARY + timedelta(days=5)

        carry(put_right(wrong, {**WRONG, "fee": "31"}, now, START + timedelta(days=10)), now)

        finish(MARCH)
        fees = InvoiceLine.objects.get(kind="correction", corrects="fee")
        # 10/31 × 310 + 21/31 × 31 = 100 + 21, where 310 was billed.
        assert fees.amount_minor == 12100 - 31000
        assert breaches() == []

    def test_of_a_subscription_that_has_ended_is_an_invoice_of_its_own(self):
        from billing.recounts.recounting import cancel_and_recount

        meters()
        wrong = sell(WRONG)
        acme = a_customer()
        subscription = subscribe(acme, wrong)
        cancel_and_recount(subscription, at=FEBRUARY, now=START)
        now = finish(FEBRUARY)

        carry(put_right(wrong, {**WRONG, "fee": "31"}, now), now)

        finish(MARCH)
        (line,) = InvoiceLine.objects.filter(kind="correction")
        assert line.amount_minor == -27900
        assert Invoice.objects.get(kind="correction").status == "paid"
        assert breaches() == []


class TestACorrection:
    def test_says_which_version_from_when_and_why_and_ends_the_sale_of_the_wrong_one(self):
        meters()
        wrong = sell(WRONG)

        right = put_right(wrong, {**WRONG, "fee": "31"}, START + timedelta(days=3), START)

        assert (right.corrects, right.effective_at, right.note) == (wrong, START, "the fee was mistyped")
        assert version_of("pro", 1).status == "retired"
        with pytest.raises(IntegrityError), transaction.atomic():
            PlanVersion.objects.filter(id=right.id).update(note="never mind")

    @pytest.mark.parametrize(
        ("number", "change", "field"),
        [
            (7, {}, "corrects"),
            (1, {"interval": "year"}, "interval"),
            (1, {"trial_days": 3}, "trial_days"),
            (1, {"currency": "EUR"}, "currency"),
        ],
    )
    def test_is_refused_where_it_cannot_be_carried(self, number, change, field):
        meters()
        wrong = sell(WRONG)
        with pytest.raises(Invalid) as refused:
            add_version(
                wrong.plan, read_terms({**WRONG, **change}), now=START, correction=Correction(number, "typo")
            )
        assert [error.field for error in refused.value.errors] == [field]

    def test_is_refused_where_another_corrected_the_version_before(self):
        meters()
        wrong = sell(WRONG)
        put_right(wrong, {**WRONG, "fee": "31"}, START)
        with pytest.raises(Invalid, match="corrected by version 2; correct that one"):
            put_right(wrong, {**WRONG, "fee": "32"}, START)

    def test_of_a_correction_reaches_those_who_had_the_first_version(self):
        meters()
        wrong = sell(WRONG)
        subscribe(a_customer(), wrong)
        second = put_right(wrong, {**WRONG, "fee": "32"}, START)
        opened = open_re_rating(of_plan(second, "typo", now=START), now=START)
        third = put_right(second, {**WRONG, "fee": "31"}, START)
        run_due(START)

        with pytest.raises(Conflict, match="or the plan have changed"):
            apply_re_rating(opened.id, by="ops", now=START)
        carry(third, START)

        assert SubscriptionSegment.objects.get().plan_version == third
        assert Subscription.objects.count() == 1
