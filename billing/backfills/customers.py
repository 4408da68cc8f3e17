"""One customer's part of a backfill: its rows stored and rated, and taken back."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from billing.backfills.finalized import invoiced_spans
from billing.backfills.jobs import Finalized, State, StepState, move_on
from billing.differences import Burns
from billing.drafts import refresh_drafts
from billing.ledger import lock_customer
from billing.margins import refresh_days
from billing.models import Invoice
from billing.rating import rate_pending
from billing.rebuilding import Rebuild
from billing.redraws import Tables, burns_of, redraw, standing_draws
from billing.retention import refuse_before_kept
from core import limits
from core.failpoints import failpoint
from core.money import exact
from customers.models import Customer
from metering.backfills.storing import leave_out, next_rows, store_rows
from metering.models import Backfill, BackfillStep, Event
from metering.withdrawals import Brought, brought_by, withdraw

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
        _refresh(customer_id, step.first_at)
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


def revert_for(customer_id: int, backfill_id: UUID, *, now: datetime) -> None:
    """Take back what the backfill brought for the customer, once: events, draws, usage, and what they came to."""
    rate_pending(customer_id, now=now)
    with transaction.atomic():
        position = lock_customer(customer_id)
        step = BackfillStep.objects.get(customer_id=customer_id, backfill_id=backfill_id)
        if step.state == StepState.CLOSED:
            brought = brought_by(customer_id, backfill_id)
            if brought and brought[-1].seq > position.rated_seq:
                rate_pending(customer_id, now=now)
            take_back(customer_id, backfill_id, brought, now=now)
            BackfillStep.objects.filter(customer_id=customer_id, backfill_id=backfill_id).update(
                state=StepState.REVERTED
            )
            _refresh(customer_id, step.first_at)
        failpoint("billing.backfills.reverting.before_commit")
    left_in = (StepState.CLOSED,)
    move_on(backfill_id, left_in=left_in, now_in=State.REVERTING, then=State.REVERTED, reverted_at=now)


@exact
def take_back(customer_id: int, backfill_id: UUID, brought: list[Brought], *, now: datetime) -> None:
    """Withdraw these events and leave draws and usage as if they had never been. The caller holds the customer's lock."""
    if not brought:
        withdraw(customer_id, backfill_id, now=now)
        return
    customer = Customer.objects.get(id=customer_id)
    moments = {one.occurred_at for one in brought} | _moments_reversed(customer_id, brought)
    rated_seq = lock_customer(customer_id).rated_seq
    drawn = _first_drawn(customer_id, brought)
    withdraw(customer_id, backfill_id, now=now)
    rebuild = Rebuild(customer, Burns(), now)
    if drawn is not None:
        moments |= {draw.occurred_at for draw in standing_draws(customer_id, from_seq=drawn)}
        redraw(
            customer_id,
            drawn,
            {},
            Tables(customer_id, rebuild.stretches),
            cause=backfill_id.hex,
            now=now,
            without=frozenset(one.seq for one in brought),
        )
    span = rebuild.span_around(moments)
    burns = burns_of(customer_id, standing_draws(customer_id, span=(span.start, span.end)))
    refuse_before_kept(customer_id, span.start, "")
    rebuild = Rebuild(customer, burns, now)
    rebuild.count_again(span, up_to_seq=rated_seq)
    rebuild.note_changed(moments)
    rebuild.write()


def _first_drawn(customer_id: int, brought: list[Brought]) -> int | None:
    """The first of these events that burnt anything: from it on, draws are made anew."""
    drawn = standing_draws(customer_id, seqs=[one.seq for one in brought])
    return drawn[0].seq if drawn else None


def _moments_reversed(customer_id: int, brought: list[Brought]) -> set[datetime]:
    """When what these events took back had happened: it counts again, in its own period."""
    named = [one.reverses for one in brought if one.reverses]
    if not named:
        return set()
    originals = Event.objects.filter(customer_id=customer_id, event_id__in=named)
    return set(originals.values_list("occurred_at", flat=True))


def _refresh(customer_id: int, since: datetime | None) -> None:
    """What is shown follows what is rated: drafts, and revenue and cost by day back to the first row."""
    refresh_drafts(customer_id)
    back = Invoice.objects.filter(customer_id=customer_id, kind="period", period_end__gt=since).exclude(
        status=Invoice.Status.VOID
    )
    refresh_days(Customer.objects.get(id=customer_id), periods_back=max(1, back.count()))
