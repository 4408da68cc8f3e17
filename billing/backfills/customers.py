"""One customer's part of a backfill: its rows stored and rated, and taken back."""

from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import transaction

from billing.backfills.finalized import invoiced_spans
from billing.backfills.jobs import Finalized, State, StepState, move_on
from billing.ledger import lock_customer
from billing.rating import rate_pending
from billing.recounts.taking_back import refresh_since, take_back
from billing.statements.late_periods import Cause
from core import limits
from core.failpoints import failpoint
from metering.backfills.storing import leave_out, next_rows, store_rows
from metering.models import Backfill, BackfillStep
from metering.stored_event import StoredEvent
from metering.withdrawals import next_to_withdraw, withdraw

TICK = timedelta(microseconds=1)
NO_SUBSCRIPTION = "none"


def close_for(customer_id: int, backfill_id: UUID, *, now: datetime) -> bool:
    """Store and rate the customer's new rows, batch by batch; ``False`` where more are left than one task should do."""
    backfill = Backfill.objects.get(id=backfill_id)
    stored = 0
    while backfill.state == State.CLOSING and stored < limits.BACKFILL_SLICE_ROWS:
        if not (batch := _store_next(customer_id, backfill, now)):
            break
        stored += batch
        rate_pending(customer_id, now=now)
    else:
        return backfill.state != State.CLOSING
    rate_pending(customer_id, now=now)
    step = BackfillStep.objects.get(customer_id=customer_id, backfill_id=backfill_id)
    with transaction.atomic():
        lock_customer(customer_id)
        refresh_since(customer_id, step.first_at)
        BackfillStep.objects.filter(
            customer_id=customer_id, backfill_id=backfill_id, state=StepState.FOUND
        ).update(state=StepState.CLOSED)
    left_in = (StepState.WAITING, StepState.FOUND)
    move_on(backfill_id, left_in=left_in, now_in=State.CLOSING, then=State.CLOSED, closed_at=now)
    return True


@transaction.atomic
def _store_next(customer_id: int, backfill: Backfill, now: datetime) -> int:
    """Store the next rows, or leave them out where their period is invoiced. Returns how many rows were seen to.

    Under the customer's lock no invoice is finalized meanwhile, so no row slips into a period against what was asked.
    """
    lock_customer(customer_id)
    rows = next_rows(backfill.id, customer_id, limits.BACKFILL_STORE_ROWS)
    kept = rows
    if backfill.finalized != Finalized.CORRECT:
        spans = invoiced_spans(customer_id)
        kept = []
        out: dict[str, list[int]] = {}
        for row in rows:
            number = next((n for start, end, n in spans if start <= row.occurred_at < end), None)
            if number is None:
                kept.append(row)
            else:
                out.setdefault(number, []).append(row.n)
        for number, numbers in out.items():
            leave_out(backfill.id, numbers, f"Its period is invoiced as {number}.")
    store_rows(backfill.id, customer_id, kept, now=now)
    failpoint("billing.backfills.before_commit")
    return len(rows)


def revert_for(customer_id: int, backfill_id: UUID, *, now: datetime) -> bool:
    """Take back some of what the backfill brought for the customer: events, draws, usage, and what they came to.

    ``False`` where more is left. In between all is as if the rest were all that the backfill had brought.
    """
    rate_pending(customer_id, now=now)
    with transaction.atomic():
        position = lock_customer(customer_id)
        step = BackfillStep.objects.get(customer_id=customer_id, backfill_id=backfill_id)
        more = False
        if step.state == StepState.CLOSED:
            batch = next_to_withdraw(customer_id, backfill_id, limits.BACKFILL_REVERT_ROWS)
            more = len(batch.rows) == limits.BACKFILL_REVERT_ROWS
            if batch.brought and batch.brought[-1].seq > position.rated_seq:
                rate_pending(customer_id, now=now)
            take_back(
                customer_id,
                batch.brought,
                partial(_withdraw, customer_id, backfill_id, batch.rows, now),
                why=Cause.WITHDRAWN,
                cause=f"{backfill_id.hex}:{max(batch.rows, default=0)}",
                now=now,
            )
            if not more:
                BackfillStep.objects.filter(customer_id=customer_id, backfill_id=backfill_id).update(
                    state=StepState.REVERTED
                )
                refresh_since(customer_id, step.first_at)
        failpoint("billing.backfills.reverting.before_commit")
    if more:
        return False
    left_in = (StepState.CLOSED,)
    move_on(backfill_id, left_in=left_in, now_in=State.REVERTING, then=State.REVERTED, reverted_at=now)
    return True


def _withdraw(customer_id: int, backfill_id: UUID, rows: list[int], now: datetime) -> dict[int, StoredEvent]:
    withdraw(customer_id, backfill_id, rows, now=now)
    return {}
