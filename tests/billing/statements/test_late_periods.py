"""Why a later invoice corrects a period, told line by line in the customer's words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from billing.documents import invoice_pdf
from billing.drafts import late_periods
from billing.models import Invoice, InvoiceLine, LatePeriod, ReRatingStep, Subscription
from billing.recounts.corrections import differences_of
from billing.recounts.rerating import NewReRating, apply_re_rating, open_re_rating
from billing.statements.late_periods import ANY_LINE, Cause, LatePlace, causes_of, note_late
from core.due_work import run_due
from core.periods import Period
from pricing.burn_tables import add_version, create_table
from pricing.price_imports import set_operator_prices
from pricing.price_sources.reading import quote_from_json
from tests.billing.test_path import breaches
from tests.billing.world import START, a_customer, a_meter, a_plan, call, subscribe, use

pytestmark = pytest.mark.django_db
FEBRUARY, MARCH = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
AFTER = FEBRUARY + timedelta(hours=2)
TOKENS = {"key": "tokens", "meter": "tokens", "model": "per_unit", "unit_price": "0.01"}
COST_PLUS = {"key": "calls", "meter": "calls", "model": "cost_plus", "markup": "0.50"}


def price(amount: str, now: datetime) -> None:
    quote = quote_from_json({"provider": "acme-ai", "model": "m-1", "unit": "input", "price": amount})
    set_operator_prices([replace(quote, starts=START - timedelta(days=30))], by="ops", now=now)


def finish(month_end: datetime) -> None:
    for _ in range(2):
        run_due(month_end + timedelta(hours=2))


def january(*charges: dict[str, Any], **terms: Any) -> Any:
    """A hundred tokens at a cost of ten dollars, invoiced."""
    acme = a_customer()
    a_meter("calls", aggregation="count")
    a_meter("tokens", "usage.input")
    a_meter("notes", "usage.output")
    price("0.1", START)
    subscribe(acme, a_plan(list(charges), **terms))
    use(acme, call("e1", START + timedelta(days=2), provider="acme-ai", model="m-1", usage={"input": 100}))
    finish(FEBRUARY)
    return acme


def use_late(acme: Any, event_id: str = "late") -> None:
    """Fifty tokens of January that come in February, of a model that costs nothing."""
    use(acme, call(event_id, START + timedelta(days=3), usage={"input": 50}), now=AFTER)


def rate_again(acme: Any) -> None:
    opened = open_re_rating(NewReRating(Period(START, MARCH), "a cut", acme), now=AFTER)
    run_due(AFTER)
    apply_re_rating(opened.id, by="ops", now=AFTER)
    run_due(AFTER)


def corrections() -> dict[str, tuple[str, str]]:
    """By charge: the correction's words, and what it says of before and now."""
    finish(MARCH)
    return {
        line.charge: (line.description, line.explain[-1]["text"])
        for line in InvoiceLine.objects.filter(kind="correction")
    }


def test_each_line_says_its_own_reason_and_the_figures_behind_it() -> None:
    acme = january(COST_PLUS, {**TOKENS, "meter": "notes", "key": "notes"})
    price("0.08", AFTER)
    rate_again(acme)
    use(acme, call("late", START + timedelta(days=3), type="llm.call", usage={"output": 50}), now=AFTER)
    told = corrections()
    assert told["notes"] == (
        "Notes, late usage of the period from 1 Jan 2026",
        "Billed 0.00 before → 0.50 now, for 0 → 50 used",
    )
    assert told["calls"] == (
        "Calls, late usage and corrected price of the period from 1 Jan 2026",
        "Billed 15.00 before → 12.00 now, for 1 → 2 used",
    )
    assert breaches() == []


def test_a_price_alone_is_no_late_usage() -> None:
    acme = january(COST_PLUS, TOKENS)
    price("0.08", AFTER)
    rate_again(acme)
    assert corrections() == {
        "calls": (
            "Calls, corrected price of the period from 1 Jan 2026",
            "Billed 15.00 before → 12.00 now, for 1 used as before",
        )
    }


def test_the_pdf_says_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    acme = january(TOKENS)
    use_late(acme)
    finish(MARCH)
    invoice = Invoice.objects.get(period_start=FEBRUARY)
    told: list[str] = []
    monkeypatch.setattr(
        "billing.documents.typst.compile", lambda *a, sys_inputs, **k: _keep(told, sys_inputs)
    )
    invoice_pdf(invoice)
    assert "Billed 1.00 before \\u2192 1.50 now, for 100 \\u2192 150 used" in told[0]


def _keep(told: list[str], inputs: dict[str, str]) -> bytes:
    told.append(inputs["invoice"])
    return b""


def test_a_line_that_moved_by_a_shared_allowance_says_what_moved_the_other() -> None:
    pool = [{"key": "pool", "name": "pool", "amount": "120", "charges": ["tokens", "notes"]}]
    acme = a_customer()
    a_meter("tokens", "usage.input")
    a_meter("notes", "usage.output")
    subscribe(acme, a_plan([TOKENS, {**TOKENS, "meter": "notes", "key": "notes"}], allowances=pool))
    use(acme, call("e1", START + timedelta(days=2), usage={"input": 100, "output": 20}))
    finish(FEBRUARY)
    use_late(acme)
    told = corrections()
    assert told["notes"] == (
        "Notes, late usage of the period from 1 Jan 2026",
        "Billed 0.00 before → 0.20 now, for 20 used as before",
    )
    assert breaches() == []


def test_usage_that_no_charge_counts_makes_no_period_late() -> None:
    acme = january({**TOKENS, "meter": "notes"})
    use_late(acme)
    assert not LatePeriod.objects.exists()


def test_credits_that_another_grant_covers_by_now_are_said_to_be_drawn_anew() -> None:
    """A rate that falls for the first call leaves the grant to the second, which no rate has moved."""
    acme = a_customer()
    rates = [{"id": m, "match": {"model": m}, "credits": "10", "per": "1"} for m in ("m-1", "m-2")]
    create_table("standard", "Standard", rates, now=START - timedelta(days=1))
    overage = {"model": "credits", "burn_table": "standard", "unit_price": "0.02"}
    a_meter("ones", "", "count", filter={"model": ["m-1"]})
    a_meter("twos", "", "count", filter={"model": ["m-2"]})
    charges = [{**overage, "key": key, "meter": key} for key in ("ones", "twos")]
    subscribe(acme, a_plan(charges, credit_grants=[{"amount": "10"}]))
    for n, model in enumerate(("m-1", "m-2")):
        use(acme, call(f"e{n}", START + timedelta(days=n), provider="acme-ai", model=model))
    finish(FEBRUARY)
    rates[0]["credits"] = "4"
    add_version("standard", rates, effective_at=START, now=AFTER, note="mistyped", correction=True)
    rate_again(acme)
    assert corrections() == {
        "twos": (
            "Twos, credits drawn anew of the period from 1 Jan 2026",
            "Billed 0.20 before → 0.08 now, for 10 → 4 used",
        )
    }
    assert breaches() == []


def test_causes_add_up_while_the_next_invoice_is_awaited() -> None:
    acme = january(TOKENS)
    use_late(acme)
    row = LatePeriod.objects.get()
    place = LatePlace(row.subscription_id, row.period_start, row.period_end)
    note_late(acme.id, place, {ANY_LINE: [Cause.WITHDRAWN]})
    note_late(acme.id, place, {ANY_LINE: [Cause.PLAN]}, corrected=True)
    use_late(acme, "later")
    row.refresh_from_db()
    assert row.corrected
    assert sorted(row.causes.values()) == [["plan", "withdrawn"], ["usage"]]
    subscription = Subscription.objects.get(customer_id=acme.id, id=row.subscription_id)
    (span,) = late_periods(subscription, FEBRUARY)
    (line,) = set(row.causes) - {ANY_LINE}
    assert (
        span.reason(line, Cause.USAGE, "UTC")
        == "late usage, withdrawn usage and corrected plan of the period from 1 Jan 2026"
    )


def test_a_period_noted_before_causes_were_kept_reads_as_it_did() -> None:
    assert causes_of({}, f"{uuid4().hex}:calls") == []


def test_what_the_invoice_that_was_sent_says_of_it_is_what_the_next_one_bills() -> None:
    """The price rises: the charge follows it, and the margin floor of the closed period stays as it was billed."""
    floor = {"rate": "0.90", "on_breach": "bill"}
    acme = january(COST_PLUS, margin_floor=floor, commitment={"amount": "20.00"})
    sent = Invoice.objects.get()
    price("0.2", AFTER)
    rate_again(acme)
    (told,) = differences_of(sent)
    found = ReRatingStep.objects.get().found or {}
    assert [one["subtotal_after_minor"] - one["subtotal_before_minor"] for one in found["periods"]] == [
        1000,
        0,
    ]
    finish(MARCH)
    lines = InvoiceLine.objects.filter(kind="correction")
    assert told.change * 100 == sum(line.amount_minor for line in lines) == 1500 - 500
    assert breaches() == []
