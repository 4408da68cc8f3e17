"""What a customer's rows would change: rated as if they were stored, looked at, and taken back, in one transaction.

No row touches the events meanwhile, so the customer's own events come in as always; only their rating waits.
"""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from msgspec.json import decode

from billing.backfills.finalized import invoiced_rows
from billing.backfills.jobs import State, StepState, move_on
from billing.ledger import lock_customer
from billing.models import Subscription
from billing.periods import close_due_periods
from billing.rating import BATCH_EVENTS, RatingBatch, rate_pending
from billing.receipts.dry_run import as_stored
from billing.recounts.consequences import DRAFT, FINALIZED, OPEN, consequences, position_of
from billing.statements.reversals import REVERSES
from core.money import ZERO, exact
from core.periods import Period
from core.times import render_time
from customers.models import Customer
from metering.backfills.storing import Waiting, new_row, next_rows
from metering.costing import cost_of_event
from metering.models import BackfillStep
from metering.new_event import from_kept
from metering.stored_event import StoredEvent

TICK = timedelta(microseconds=1)
NO_SUBSCRIPTION = "none"
# Beyond every number that is given out: the rows are no events yet.
FIRST_NUMBER = 10**15


def look_at(customer_id: int, backfill_id: UUID, *, now: datetime) -> None:
    """The dry run for one customer: rate its new rows as if they were stored, note what that changes, take it back."""
    rate_pending(customer_id, now=now)
    step = BackfillStep.objects.filter(customer_id=customer_id, backfill_id=backfill_id).first()
    if step is None or step.state != StepState.WAITING:
        return
    with transaction.atomic():
        lock_customer(customer_id)
        step.found = _try(Customer.objects.get(id=customer_id), step, now)
        transaction.set_rollback(True)
    step.finalized = [one.as_json() for one in invoiced_rows(backfill_id, customer_id=customer_id)]
    BackfillStep.objects.filter(
        customer_id=customer_id, backfill_id=backfill_id, state=StepState.WAITING
    ).update(found=step.found, finalized=step.finalized, state=StepState.FOUND)
    move_on(backfill_id, left_in=(StepState.WAITING,), now_in=State.CHECKING, then=State.READY, ready_at=now)


@exact
def _try(customer: Customer, step: BackfillStep, now: datetime) -> dict[str, Any]:
    assert step.first_at is not None and step.last_at is not None
    span = Period(step.first_at, step.last_at + TICK)
    close_due_periods(customer.id, until=step.last_at, now=now)
    customer.refresh_from_db(fields=["timezone", "next_timezone"])
    before = position_of(customer.id, span)
    batch = Trial(customer, step.backfill_id, now)
    place: tuple[datetime, int] | None = None
    while rows := next_rows(step.backfill_id, customer.id, BATCH_EVENTS, after=place):
        for row in rows:
            batch.rate(_as_it_would_be(row, FIRST_NUMBER + batch.rated + 1))
        batch.write()
        place = rows[-1].occurred_at, rows[-1].n
    after = position_of(customer.id, span)
    found = consequences(before, replace(after, cost=after.cost + batch.cost), events=batch.rated)
    return found | {"unpriced": batch.unpriced, "rows": _places(batch)}


class Trial(RatingBatch):
    """Rates rows that are not stored, and counts where they fall. What one of them reverses may be another of them."""

    def __init__(self, customer: Customer, backfill_id: UUID, now: datetime) -> None:
        super().__init__(customer, now)
        self._backfill_id = backfill_id
        self.rated = 0
        self.cost = ZERO
        self.unpriced = 0
        self.places: Counter[tuple[str, Period | None, str]] = Counter()

    def rate(self, event: StoredEvent) -> None:
        """Count one row for everything it would count for."""
        super().rate(event)
        self.rated += 1
        self.cost += event.cost
        self.unpriced += event.unpriced
        at = event.occurred_at
        held = {s.subscription.id: s.subscription for s in self.stretches if s.holds(at)}
        for subscription in held.values():
            place = (
                subscription.key,
                self.closed.period_of(subscription, at),
                self._state_of(subscription, at),
            )
            self.places[place] += 1
        if not held:
            self.places["", None, NO_SUBSCRIPTION] += 1

    def original_of(self, reversal: StoredEvent) -> StoredEvent | None:
        """The event that this one says it reverses: a stored one, else another row."""
        stored = super().original_of(reversal)
        named = reversal.properties.get(REVERSES)
        if stored is not None or not isinstance(named, str):
            return stored
        row = new_row(self._backfill_id, self.customer.id, named, reversal.source)
        return None if row is None else _as_it_would_be(row, FIRST_NUMBER)

    def _state_of(self, subscription: Subscription, at: datetime) -> str:
        if self.closed.invoiced_period(subscription, at) is not None:
            return FINALIZED
        return OPEN if subscription.closed_at is None and at >= subscription.period_start else DRAFT


def _as_it_would_be(row: Waiting, number: int) -> StoredEvent:
    new = from_kept(decode(row.received))
    return as_stored(new, cost_of_event(new))._replace(seq=number)


def _places(batch: Trial) -> list[dict[str, Any]]:
    """The rows by subscription and period, with the period's state."""
    told = sorted(batch.places.items(), key=lambda item: (item[0][0], str(item[0][1]), item[0][2]))
    return [
        {
            "subscription": key or None,
            "start": None if period is None else render_time(period.start),
            "end": None if period is None else render_time(period.end),
            "state": state,
            "rows": rows,
        }
        for (key, period, state), rows in told
    ]
