"""Two do the same at once. Each race has a control: with the customer's lock off, the race does happen."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from billing import invoices, ledger, rating
from billing.books.breach import rows
from billing.drafts import draft_invoice
from billing.invoices import finalize_invoice
from billing.models import Invoice, RatingPosition, Subscription, SubscriptionSegment
from billing.rating import rate_pending
from billing.recounts.recounting import change_and_recount
from billing.subscriptions import lifecycle
from core.due_work import run_due
from core.failpoints import FailpointReached, armed
from core.problems import Conflict
from customers.models import Customer
from metering.events import store_events
from pricing.models import Plan, PlanVersion
from pricing.plan_terms import read_terms
from pricing.plans import add_version, publish_version
from tests.billing.world import START, a_customer, a_meter, a_plan, call, subscribe
from tests.faults.books import breaches, lines_of, numbers
from tests.faults.installation import DEADLINE_SECONDS

LATER = datetime(2026, 2, 1, 2, tzinfo=UTC)
LINGER_SECONDS = 0.4
CHARGE = {"key": "tokens", "meter": "output", "model": "per_unit", "unit_price": "0.01"}
EVENTS = 10


@pytest.fixture(autouse=True)
def empty(installation) -> None:
    a_meter("output", "usage.output")
    a_plan([CHARGE], fee="31.00", fee_timing="arrears")


def a_user(key: str = "acme") -> Customer:
    """A subscriber with usage stored and not yet rated: ten events of 100 tokens, a cent each."""
    customer = a_customer(key)
    subscribe(customer, PlanVersion.objects.get(plan__key="pro", number=1))
    events = [call(f"e{n}", START + timedelta(hours=n), key, usage={"output": 100}) for n in range(EVENTS)]
    store_events(events, now=START + timedelta(days=2))
    return customer


def a_draft(key: str = "acme") -> Invoice:
    customer = a_user(key)
    rate_pending(customer.id, now=LATER)
    return Invoice.objects.get(customer=customer)


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The customer's row is read, and not locked; neither of two that race goes on before both have read it."""
    set_up_by, known, both_have_read = threading.current_thread(), threading.local(), threading.Barrier(2)

    def read(customer_id: int) -> RatingPosition:
        RatingPosition.objects.bulk_create([RatingPosition(customer_id=customer_id)], ignore_conflicts=True)
        found = RatingPosition.objects.get(customer_id=customer_id)
        if threading.current_thread() is not set_up_by and not hasattr(known, "has_read"):
            known.has_read = True
            both_have_read.wait(DEADLINE_SECONDS)
        return found

    for room in (ledger, rating, invoices, lifecycle):
        monkeypatch.setattr(room, "lock_customer", read)
    yield


def linger() -> None:
    time.sleep(LINGER_SECONDS)  # where the failpoint stands, so that the other one catches up


def at_once(*acts: Callable[[], object]) -> list[Exception]:
    """Run them in threads of their own that start together; what they raised."""
    start = threading.Barrier(len(acts))
    raised: list[Exception] = []

    def run(act: Callable[[], object]) -> None:
        start.wait()
        try:
            act()
        except Exception as error:
            raised.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def tokens_counted() -> int:
    (found,) = rows("SELECT sum(quantity) FROM metering_usagebucket WHERE series = 'tokens'")
    return int(found[0])


def rate_twice_at_once(customer: Customer) -> list[Exception]:
    def rate() -> None:
        rate_pending(customer.id, now=START + timedelta(days=3))

    with armed("billing.rating.before_commit", linger):
        return at_once(rate, rate)


def test_two_workers_rate_each_event_once():
    acme = a_user()

    assert rate_twice_at_once(acme) == []

    assert tokens_counted() == 100 * EVENTS
    assert breaches() == []


def test_control_without_the_lock_they_rate_it_twice(without_locks):
    acme = a_user()

    rate_twice_at_once(acme)

    assert tokens_counted() == 2 * 100 * EVENTS
    assert breaches() != []


def finalize_twice_at_once(invoice: Invoice) -> list[Exception]:
    def finalize() -> None:
        finalize_invoice(invoice.customer_id, invoice.id, now=LATER)

    with armed("billing.invoices.before_commit", linger):
        return at_once(finalize, finalize)


def test_two_finalizations_give_one_number():
    invoice = a_draft()

    assert finalize_twice_at_once(invoice) == []

    assert numbers() == ["BL-000001"]
    assert breaches() == []


def test_control_without_the_lock_only_the_database_stands_between(without_locks):
    invoice = a_draft()

    raised = finalize_twice_at_once(invoice)

    assert [type(error).__name__ for error in raised] == ["IntegrityError"]


def test_twenty_finalizations_of_which_half_roll_back_leave_no_gap():
    drafts = [a_draft(f"c{n}") for n in range(20)]
    unlucky = {draft.id for draft in drafts[::2]}
    mine = threading.local()

    def give_up_sometimes() -> None:
        if mine.invoice in unlucky:
            raise FailpointReached("rolled back")

    def finalize(draft: Invoice) -> Callable[[], None]:
        def act() -> None:
            mine.invoice = draft.id
            finalize_invoice(draft.customer_id, draft.id, now=LATER)

        return act

    with armed("billing.invoices.before_commit", give_up_sometimes):
        raised = at_once(*(finalize(draft) for draft in drafts))
    assert [type(error) for error in raised] == [FailpointReached] * 10
    assert len(numbers()) == 10

    for draft in drafts[::2]:
        finalize_invoice(draft.customer_id, draft.id, now=LATER)
    assert len(numbers()) == 20
    assert breaches() == []


def test_fifty_periods_closed_by_five_sweeps_at_once_are_closed_once():
    for n in range(50):
        a_user(f"c{n}")

    assert at_once(*[lambda: run_due(LATER, kinds=["subscription.period"])] * 5) == []
    assert at_once(*[lambda: run_due(LATER, kinds=["invoice.finalize"])] * 5) == []

    invoices_of = Invoice.objects.values_list("customer__key", flat=True)
    assert sorted(invoices_of) == sorted(f"c{n}" for n in range(50))
    assert {tuple(lines_of(invoice)) for invoice in Invoice.objects.all()} == {(100 * EVENTS, 3100)}
    assert len(numbers()) == 50
    assert breaches() == []


def test_control_without_the_lock_a_period_is_advanced_twice(without_locks):
    acme = a_user()

    def close() -> None:
        rate_pending(acme.id, now=LATER)

    with armed("billing.rating.before_commit", linger):
        raised = at_once(close, close)

    assert raised or breaches() != []


def a_dearer_version() -> PlanVersion:
    charges = [{**CHARGE, "unit_price": "0.02"}]
    body = {"key": "pro", "name": "Pro", "currency": "USD", "fee": "62.00", "fee_timing": "arrears"}
    plan = Plan.objects.get(key="pro")
    return publish_version(add_version(plan, read_terms(body | {"charges": charges}), now=START), now=START)


@pytest.mark.parametrize("lingers", ["the change", "the closing"])
def test_a_plan_change_while_the_period_closes_counts_wholly_or_not_at_all(lingers, monkeypatch):
    acme = a_user()
    subscription = Subscription.objects.get(customer=acme)
    dearer = a_dearer_version()
    started = threading.Event()

    def change() -> None:
        if lingers == "the closing":
            started.wait()
        change_and_recount(subscription, dearer, at=datetime(2026, 1, 17, tzinfo=UTC), now=LATER)

    def close() -> None:
        if lingers == "the change":
            started.wait()
        rate_pending(acme.id, now=LATER)

    def tell_and_linger(*given: object, **named: object) -> None:
        started.set()
        linger()

    if lingers == "the change":
        kept = lifecycle.PlanTerms.of

        def slow(version: PlanVersion) -> object:
            if not started.is_set():
                tell_and_linger()
            return kept(version)

        monkeypatch.setattr(lifecycle.PlanTerms, "of", slow)
        raised = at_once(change, close)
    else:
        with armed("billing.rating.before_commit", tell_and_linger):
            raised = at_once(change, close)
    invoice = Invoice.objects.get(customer=acme)
    finalize_invoice(acme.id, invoice.id, now=LATER)

    if lingers == "the change":
        # 16 of 31 days at 31.00, 15 at 62.00; the usage lies before the change.
        assert raised == []
        assert sorted(lines_of(invoice)) == sorted([100 * EVENTS, 1600, 3000])
        assert SubscriptionSegment.objects.count() == 2
    else:
        assert [type(error) for error in raised] == [Conflict]
        assert lines_of(invoice) == [100 * EVENTS, 3100]
        assert SubscriptionSegment.objects.count() == 1
    assert breaches() == []


def test_a_period_drafted_twice_at_once_has_one_draft():
    acme = a_user()
    subscription = Subscription.objects.get(customer=acme)

    from django.db import transaction

    def draft() -> None:
        with transaction.atomic():
            ledger.lock_customer(acme.id)
            draft_invoice(subscription, now=LATER)

    assert at_once(draft, draft, draft) == []
    assert Invoice.objects.count() == 1
