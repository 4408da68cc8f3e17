"""A month of one customer, lived through by the production code: usage, rating, closing, finalizing, Stripe, payment.

Every step may be repeated: what a process that died left is done by the next one that lives through the same month.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import msgspec
from django.db import connection
from django.test import override_settings

from billing import tasks
from billing.backfills.jobs import (
    NewBackfill,
    check_backfill,
    close_backfill,
    create_backfill,
    revert_backfill,
)
from billing.invoices import void_invoice
from billing.models import Invoice, ReRating, StripeObject, Subscription, SubscriptionSegment
from billing.recounts.recounting import change_and_recount
from billing.recounts.rerating import NewReRating, apply_re_rating, open_re_rating
from billing.retention import remove_old_events
from billing.statements.statement import period_statement
from billing.stripe.client import stripe_client
from billing.stripe.webhook import receive
from core import clock
from core.models import DueWork
from core.periods import Period
from core.sandbox import set_clock
from core.tasks import sweep
from customers.models import Customer
from metering.backfills.columns import HowToRead
from metering.backfills.comparing import outcomes_of
from metering.backfills.file import keep_part
from metering.events import store_events
from metering.models import Backfill
from metering.new_event import NewEvent
from pricing.burn_tables import create_table
from pricing.models import BurnTable, PlanVersion
from pricing.price_imports import set_operator_prices
from pricing.price_sources.reading import quote_from_json
from tests.billing.world import START, a_customer, a_meter, a_plan, call, subscribe

CLOSED = datetime(2026, 2, 1, 2, tzinfo=UTC)
PERIOD_END = datetime(2026, 2, 1, tzinfo=UTC)
NEXT_PERIOD_END = datetime(2026, 3, 1, tzinfo=UTC)
EVENTS = 60
GRANTED = 900
TAX = Fraction(19, 100)
SWEEPS_MAX = 20
# More than a lease, so that the work of a process that died is free again.
BETWEEN_SWEEPS = timedelta(minutes=6)
CHARGES = [
    {"key": "tokens", "meter": "output", "model": "per_unit", "unit_price": "0.0013"},
    {"key": "overage", "model": "credits", "burn_table": "standard", "unit_price": "0.017"},
]
MODEL = {"provider": "acme-ai", "model": "m-1"}
RATES = [{"id": "out", "match": {"token_kind": "output"}, "credits": "1", "per": "10"}]


def output_of(n: int) -> int:
    return 100 + 7 * n


def half_away(cents: Fraction) -> int:
    return int(cents + Fraction(1, 2))


def expected_lines(times: int = 1) -> list[int]:
    """The amounts of the period's invoice in cents, added up without the product. ``times``: as many events over."""
    tokens = times * sum(output_of(n) for n in range(EVENTS))
    overage = max(Fraction(0), Fraction(tokens, 10) - GRANTED)
    return [half_away(tokens * Fraction(13, 100)), half_away(overage * Fraction(17, 10)), 4900]


def expected_total() -> int:
    net = sum(expected_lines())
    return net + half_away(net * TAX)


def a_subscriber(key: str) -> Customer:
    """A customer on the month's plan, which is made with the first of them."""
    if not BurnTable.objects.filter(key="standard").exists():
        units = ("input", "cache_read", "output")
        told = [quote_from_json(MODEL | {"unit": unit, "price": "0.001"}) for unit in units]
        set_operator_prices([replace(quote, starts=START) for quote in told], by="drill", now=START)
        a_meter("output", "usage.output")
        create_table("standard", "Standard", RATES, now=START, effective_at=START)
        terms = {"fee": "49.00", "fee_timing": "arrears", "credit_grants": [{"amount": str(GRANTED)}]}
        a_plan(CHARGES, **terms)

    customer = a_customer(key, tax_rate="0.19", tax_name="VAT", email=f"billing@{key}.example")
    subscribe(customer, PlanVersion.objects.get(plan__key="pro"))
    return customer


def events_of(customer: str) -> list[NewEvent]:
    return [
        call(
            f"e{n}",
            START + timedelta(hours=3 * n),
            customer,
            usage={"input": 40, "cache_read": 60, "output": output_of(n)},
            response_id=f"msg_{customer}_{n:04}",
            **MODEL,
        )
        for n in range(EVENTS)
    ]


def run_what_is_due(start: datetime) -> None:
    """Sweep, at times far enough apart for leases and pauses to be over, until nothing is due within a day."""
    now = start
    for _ in range(SWEEPS_MAX):
        set_clock(now)
        sweep()
        soon = DueWork.objects.filter(parked_at=None, due_at__lte=now + timedelta(days=1))
        if not soon.exists():
            return
        now += BETWEEN_SWEEPS
    raise AssertionError(f"Still due: {list(soon.values())}")


def pay(theirs: str) -> None:
    """The customer pays, and Stripe tells us so."""
    invoices = stripe_client().v1.invoices
    if invoices.retrieve(theirs).status == "open":
        invoices.pay(theirs, {"paid_out_of_band": True})
    event = {"id": f"evt_{theirs}", "type": "invoice.paid", "data": {"object": {"id": theirs}}}
    receive(json.dumps(event).encode(), now=clock.now())


def re_rate(customer: Customer) -> None:
    """Rate the month again, by the prices that it was rated by: looked at first, then applied."""
    found = ReRating.objects.filter(customer=customer).first()
    if found is None:
        span = NewReRating(Period(START, CLOSED), "a drill", customer)
        found = open_re_rating(span, now=clock.now())
    run_what_is_due(clock.now() + BETWEEN_SWEEPS)
    apply_re_rating(found.id, by="drill", now=clock.now())
    run_what_is_due(clock.now() + BETWEEN_SWEEPS)
    found.refresh_from_db()
    assert found.state == ReRating.State.APPLIED


def backfill_and_revert(customer: Customer) -> None:
    """Bring usage of the month by a file after it was invoiced, and take it back."""
    backfill = Backfill.objects.filter(customer=customer).first()
    if backfill is None:
        backfill = create_backfill(NewBackfill(HowToRead(), customer), now=clock.now())
    rows = [f"late{n},llm.call,{(START + timedelta(hours=n)).isoformat()},{output_of(n)}" for n in range(9)]
    if backfill.state == Backfill.State.CREATED:
        keep_part(backfill.id, 1, ["\n".join(["id,type,time,usage.output", *rows]).encode()])
        check_backfill(backfill.id, now=clock.now())
    run_what_is_due(clock.now() + BETWEEN_SWEEPS)
    backfill.refresh_from_db()
    if backfill.state not in (Backfill.State.REVERTING, Backfill.State.REVERTED):
        close_backfill(backfill.id, finalized="correct", by="drill", now=clock.now())
        run_what_is_due(clock.now() + BETWEEN_SWEEPS)
        backfill.refresh_from_db()
        assert outcomes_of(backfill.id) == {"stored": len(rows)}
        assert period_lines(customer) != expected_lines()
    revert_backfill(backfill.id, by="drill", now=clock.now())
    run_what_is_due(clock.now() + BETWEEN_SWEEPS)
    backfill.refresh_from_db()
    assert backfill.state == Backfill.State.REVERTED
    assert period_lines(customer) == expected_lines()


def period_lines(customer: Customer) -> list[int]:
    """What the month comes to as it is known now, in cents."""
    subscription = Subscription.objects.select_related("customer").get(customer=customer)
    return [
        line.rated.amount_minor for line in period_statement(subscription, Period(START, PERIOD_END)).lines
    ]


def tell_poorly(event: NewEvent) -> None:
    """Have another program report the event's call first, with what was cached told as fresh."""
    told = {"input": event.usage["input"] + event.usage["cache_read"], "output": event.usage["output"]}
    poorer = msgspec.structs.replace(event, id="poorer", source="gateway", usage=told)
    store_events([poorer], now=clock.now())
    tasks.sweep_rating()


def forget_events(customer: Customer) -> None:
    """Remove the month's single events, as a policy of one month does when the next one ends."""
    with override_settings(KEEP_EVENTS_MONTHS=1):
        remove_old_events(customer.id, now=NEXT_PERIOD_END)


def overtake(customer: Customer) -> None:
    """Change the plan in the next month, and bring usage from before the change after it."""
    changed_at = PERIOD_END + timedelta(days=10)
    subscription = Subscription.objects.get(customer=customer)
    set_clock(changed_at)
    if not PlanVersion.objects.filter(plan__key="small").exists():
        a_plan(CHARGES, key="small", credit_grants=[{"amount": "280"}])
    small = PlanVersion.objects.get(plan__key="small")
    if not SubscriptionSegment.objects.filter(subscription_id=subscription.id, plan_version=small).exists():
        change_and_recount(subscription, small, at=changed_at, now=changed_at)
    late = call("late", PERIOD_END + timedelta(days=2), customer.key, usage={"output": 5000}, **MODEL)
    store_events([late], now=clock.now())
    tasks.sweep_rating()
    run_what_is_due(clock.now() + BETWEEN_SWEEPS)


def live_through(key: str, *, ending: str = "paid", start: datetime = CLOSED) -> Invoice:
    """From the first event to the invoice ``paid`` or ``void`` here and at Stripe; ``retold`` has a call reported twice
    before. After it was paid the month may be ``re-rated`` or ``backfilled``, its events ``removed``, or usage of the next
    one ``overtaken`` by a change of plan."""
    customer = Customer.objects.get(key=key)
    events = events_of(key)
    set_clock(START + timedelta(days=20))
    if ending == "retold":
        tell_poorly(events[0])
    for batch in (events[:25], events[25:]):
        store_events(batch, now=clock.now())
    tasks.sweep_rating()
    run_what_is_due(start)
    invoice = Invoice.objects.get(customer=customer, period_start=START)
    if ending == "void":
        void_invoice(customer.id, invoice.id, now=clock.now())
    elif ending:
        pay(StripeObject.objects.get(customer=customer, kind="invoice").theirs)
    run_what_is_due(clock.now() + BETWEEN_SWEEPS)
    if ending == "re-rated":
        re_rate(customer)
    if ending == "backfilled":
        backfill_and_revert(customer)
    if ending == "removed":
        forget_events(customer)
    if ending == "overtaken":
        overtake(customer)
    connection.close()
    return Invoice.objects.get(customer=customer, period_start=START)
