"""Subscriptions that start, change or end in the past: usage that was rated before is counted again, as if it had been known.

Buckets can be rebuilt from the events at will; draws and ledger entries stand, and are read again rather than drawn again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from billing.burning import CreditBurner
from billing.ledger import lock_customer
from billing.margins import days_are_stale
from billing.models import Subscription
from billing.rating import BATCH_EVENTS, RatingBatch
from billing.recounts.differences import Burns, Recalled
from billing.recounts.move_credits import share_credits_at
from billing.recounts.redraws import burns_of, standing_draws
from billing.recounts.replays import forget_usage, lose_calls
from billing.retention import refuse_before_kept
from billing.statements.reversals import CountedReversals
from billing.subscriptions.lifecycle import (
    FAR,
    NewSubscription,
    cancel_uncounted,
    change_uncounted,
    start_uncounted,
    undo_planned_change,
)
from billing.subscriptions.terms import Stretch
from core.money import exact
from customers.models import Customer
from metering.models import Event
from metering.stored_event import StoredEvent, events_after
from metering.usage import Sums
from pricing.models import PlanVersion


class DrawnBefore(Recalled):
    """Burns an event as it was burnt when it was first rated; one that burnt nothing then burns now."""

    def __init__(self, customer_id: int, burns: Burns, *, may_draw: bool) -> None:
        super().__init__(customer_id, burns)
        self._may_draw = may_draw

    def burn(
        self, event: StoredEvent, stretch: Stretch, table: str | None, calls: Sums
    ) -> tuple[Decimal, Decimal] | None:
        burnt = super().burn(event, stretch, table, calls)
        if burnt is None and self._may_draw:
            return CreditBurner.burn(self, event, stretch, table, calls)
        return burnt


@exact
@transaction.atomic
def start_and_count(new: NewSubscription, *, now: datetime) -> Subscription:
    """Start a subscription; usage since its start that was rated before it was there is counted for it.

    Raises ``Invalid`` for a start in a time whose events are no longer kept.
    """
    position = lock_customer(new.customer.id)
    refuse_before_kept(new.customer.id, new.starts_at, "starts_at")
    subscription = start_uncounted(new, now=now)
    batch = RatingBatch(new.customer, now)
    for event in _events(new.customer.id, position.rated_seq, since=subscription.starts_at):
        batch.open_period_of(event.occurred_at)
        _count_for(batch, subscription, event)
    if batch.gains:
        batch.write()
        days_are_stale(new.customer.id, now=now)
        subscription.refresh_from_db()
    return subscription


@exact
@transaction.atomic
def change_and_recount(
    subscription: Subscription, version: PlanVersion, *, at: datetime, now: datetime
) -> None:
    """Change the plan; usage of the open period that was rated under the old one from ``at`` on moves to the new one.

    Credits follow: see ``billing.recounts.move_credits``.
    """
    with _recounted(subscription, at, now):
        change_uncounted(subscription, version, at=at, now=now)
    share_credits_at(subscription, at, now=now)


@exact
@transaction.atomic
def cancel_and_recount(subscription: Subscription, *, at: datetime, now: datetime) -> None:
    """End the subscription; usage of the open period that was rated from ``at`` on counts for it no more."""
    with _recounted(subscription, at, now):
        cancel_uncounted(subscription, at=at, now=now)


@exact
@transaction.atomic
def undo_and_recount(
    subscription: Subscription, version: PlanVersion, *, at: datetime, now: datetime
) -> bool:
    """Take back a change to the version that was planned for ``at``; ``False`` where it is no longer planned."""
    with _recounted(subscription, at, now):
        return undo_planned_change(subscription, version, at=at)


@contextmanager
def _recounted(subscription: Subscription, at: datetime, now: datetime) -> Iterator[None]:
    """Around a change of the subscription's stretches: the open period's buckets are built again where usage moves."""
    customer_id = subscription.customer_id
    rated_seq = lock_customer(customer_id).rated_seq
    subscription.refresh_from_db()
    start = subscription.period_start
    if next(_events(customer_id, rated_seq, since=max(at, start)), None) is None:
        yield
        return
    forget_usage(subscription, start)
    before = _replay(subscription, start, rated_seq, now, may_draw=False)
    yield
    after = _replay(subscription, start, rated_seq, now, may_draw=True)
    lose_calls(after, before)
    after.write()
    days_are_stale(customer_id, now=now)


def _replay(
    subscription: Subscription, start: datetime, rated_seq: int, now: datetime, *, may_draw: bool
) -> RatingBatch:
    """The events since the period's start under the stretches as they are at this moment."""
    batch = RatingBatch(Customer.objects.get(id=subscription.customer_id), now)
    draws = standing_draws(subscription.customer_id, span=(start, FAR))
    burns = burns_of(subscription.customer_id, draws)
    batch.burner = DrawnBefore(subscription.customer_id, burns, may_draw=may_draw)
    if not may_draw:
        batch.reversals = CountedReversals(subscription.customer_id, start)
    for event in _events(subscription.customer_id, rated_seq, since=start):
        _count_for(batch, subscription, event)
    return batch


def _events(customer_id: int, rated_seq: int, *, since: datetime) -> Iterator[StoredEvent]:
    """The customer's rated events that happened from ``since`` on, in the order they were stored."""
    recent = Event.objects.filter(customer_id=customer_id, occurred_at__gte=since, seq__lte=rated_seq)
    first = recent.order_by("seq").values_list("seq", flat=True).first()
    if first is None:
        return
    seq = first - 1
    while seq < rated_seq:
        events = events_after(customer_id, seq, BATCH_EVENTS)
        if not events:
            return
        for event in events:
            if event.seq <= rated_seq and event.occurred_at >= since:
                yield event
        seq = events[-1].seq


def _count_for(batch: RatingBatch, subscription: Subscription, event: StoredEvent) -> None:
    """Count the event for this subscription alone; the statistics of all calls have it already, but for its price."""
    batch.take_back(event, only=subscription.id)
    held = [s for s in batch.stretches if s.subscription.id == subscription.id and s.holds(event.occurred_at)]
    if not held:
        return
    calls = Sums()
    for stretch in held:
        batch.rate_under(stretch, event, calls)
    batch.gain_calls(event, calls)
