"""A backfill from its file to its end: checked, closed, taken back, or thrown away.

Each step of the way is a row that is due. A customer's part moves in the transaction that does its work, so a process that
dies half way leaves some customers done and the others due.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from billing.backfills.finalized import InvoicedRows, invoiced_rows
from core import due_work
from core.due_work import schedule
from core.ids import new_id
from core.problems import Conflict, NotFound
from core.times import render_time
from customers.models import Customer
from metering.backfills.columns import HowToRead
from metering.backfills.comparing import renew_those_withdrawn
from metering.backfills.file import check_complete, drop_file
from metering.models import Backfill, BackfillRow, BackfillStep
from metering.removal import kept_since

CHECK_DUE = "backfill.check"
LOOK_DUE = "backfill.look"
CLOSE_DUE = "backfill.close"
REVERT_DUE = "backfill.revert"
State, StepState, Finalized = Backfill.State, BackfillStep.State, Backfill.Finalized


class PeriodsInvoiced(Conflict):
    """Rows lie in periods whose invoices are finalized; the answer says which, and what can be done."""

    code = "periods_finalized"
    title = "Some rows lie in periods that are invoiced"


@dataclass(frozen=True)
class NewBackfill:
    """Whose past usage will come, and how to read its file."""

    how: HowToRead
    customer: Customer | None = None
    note: str = ""
    by: str = ""


def create_backfill(new: NewBackfill, *, now: datetime) -> Backfill:
    """A backfill that waits for its file."""
    return Backfill.objects.create(
        id=new_id(),
        customer=new.customer,
        note=new.note,
        reading=new.how.as_json(),
        created_at=now,
        created_by=new.by,
    )


@transaction.atomic
def check_backfill(backfill_id: UUID, *, now: datetime) -> Backfill:
    """Have the file read and its consequences worked out. Asking again changes nothing.

    Raises ``NotFound``; ``Conflict`` where the file or a part of it is missing, or the backfill has come further.
    """
    backfill = locked(backfill_id)
    if backfill.state in (State.CHECKING, State.READY):
        return backfill
    _refuse_unless(backfill, (State.CREATED,), "checked")
    check_complete(backfill_id)
    _move(backfill, State.CHECKING)
    schedule(0, CHECK_DUE, backfill_id.hex, now, soon=True)
    return backfill


@transaction.atomic
def close_backfill(backfill_id: UUID, *, finalized: str, by: str, now: datetime) -> Backfill:
    """Have the new rows stored and rated. ``finalized`` says what becomes of rows in periods that are invoiced.

    Raises ``NotFound``; ``Conflict`` before the preview is ready; ``PeriodsInvoiced`` where rows lie in invoiced periods
    and ``finalized`` is ``refuse``.
    """
    backfill = locked(backfill_id)
    if backfill.state in (State.CLOSING, State.CLOSED) and backfill.finalized == finalized:
        return backfill
    _refuse_unless(backfill, (State.READY,), "closed")
    renew_those_withdrawn(backfill_id)
    if finalized == Finalized.REFUSE:
        _refuse_invoiced(invoiced_rows(backfill_id))
    backfill.finalized, backfill.closed_by = finalized, by
    backfill.save(update_fields=["finalized", "closed_by"])
    _start(backfill, State.CLOSING, CLOSE_DUE, now)
    return backfill


@transaction.atomic
def revert_backfill(backfill_id: UUID, *, by: str, now: datetime) -> Backfill:
    """Have every event that this backfill brought taken back. Asking again changes nothing.

    Raises ``NotFound``; ``Conflict`` where the backfill is not closed.
    """
    backfill = locked(backfill_id)
    if backfill.state in (State.REVERTING, State.REVERTED):
        return backfill
    _refuse_unless(backfill, (State.CLOSED,), "reverted")
    for step in BackfillStep.objects.filter(backfill_id=backfill_id).exclude(first_at=None):
        _refuse_removed(step.customer_id, step.first_at or now)
    backfill.reverted_by = by
    backfill.save(update_fields=["reverted_by"])
    _start(backfill, State.REVERTING, REVERT_DUE, now)
    return backfill


@transaction.atomic
def discard_backfill(backfill_id: UUID) -> Backfill:
    """Forget the file and what was read of it; nothing of it has counted. Asking again changes nothing.

    Raises ``NotFound``; ``Conflict`` where it is being closed or has been.
    """
    backfill = locked(backfill_id)
    if backfill.state == State.DISCARDED:
        return backfill
    if backfill.state not in (State.CREATED, State.CHECKING, State.READY, State.FAILED):
        raise Conflict(f"It is {backfill.state}: its rows count. Revert it to take them back.")
    for step in BackfillStep.objects.filter(backfill_id=backfill_id):
        due_work.cancel(step.customer_id, LOOK_DUE, backfill_id.hex)
    due_work.cancel(0, CHECK_DUE, backfill_id.hex)
    _forget(backfill_id)
    _move(backfill, State.DISCARDED)
    return backfill


@transaction.atomic
def fail_backfill(backfill_id: UUID, reason: str) -> None:
    """The file cannot be read: say why, and forget what was read of it."""
    backfill = locked(backfill_id)
    if backfill.state == State.CHECKING:
        backfill.reason = reason[:500]
        backfill.save(update_fields=["reason"])
        _forget(backfill_id)
        _move(backfill, State.FAILED)


def move_on(backfill_id: UUID, *, left_in: tuple[str, ...], now_in: str, then: str, **fields: Any) -> bool:
    """Move the whole on when no customer's part waits any more; whether this call did."""
    if BackfillStep.objects.filter(backfill_id=backfill_id, state__in=left_in).exists():
        return False
    rows = Backfill.objects.filter(id=backfill_id, state=now_in)
    moved = bool(rows.update(state=then, **fields))
    if moved and then == State.CLOSED:
        drop_file(backfill_id)
    return moved


def locked(backfill_id: UUID) -> Backfill:
    """The backfill, locked until the caller's commit. Raises ``NotFound``."""
    found = Backfill.objects.select_for_update().filter(id=backfill_id).first()
    if found is None:
        raise NotFound("There is no such backfill.")
    return found


def _start(backfill: Backfill, state: str, kind: str, now: datetime) -> None:
    """Make every customer's part due; with none there is nothing to wait for."""
    customers = list(
        BackfillStep.objects.filter(backfill_id=backfill.id)
        .order_by("customer_id")
        .values_list("customer_id", flat=True)
    )
    _move(backfill, state)
    for customer_id in customers:
        schedule(customer_id, kind, backfill.id.hex, now, soon=True)
    if not customers:
        at = {"closed_at": now} if state == State.CLOSING else {"reverted_at": now}
        then = State.CLOSED if state == State.CLOSING else State.REVERTED
        move_on(backfill.id, left_in=(), now_in=state, then=then, **at)
        backfill.refresh_from_db()


def _move(backfill: Backfill, state: str) -> None:
    backfill.state = state
    backfill.save(update_fields=["state"])


def _forget(backfill_id: UUID) -> None:
    drop_file(backfill_id)
    BackfillRow.objects.filter(backfill_id=backfill_id).delete()
    BackfillStep.objects.filter(backfill_id=backfill_id).delete()


def _refuse_unless(backfill: Backfill, states: tuple[str, ...], verb: str) -> None:
    if backfill.state not in states:
        waits = " Wait until its state is ready." if backfill.state in (State.CREATED, State.CHECKING) else ""
        raise Conflict(f"It is {backfill.state} and cannot be {verb}.{waits}")


def _refuse_removed(customer_id: int, first_at: datetime) -> None:
    mark = kept_since(customer_id)
    if mark is not None and first_at < mark:
        raise Conflict(
            f"Single events from before {render_time(mark)} are no longer kept, so they cannot be taken back."
        )


def _refuse_invoiced(found: list[InvoicedRows]) -> None:
    if not found:
        return
    rows = sum(one.rows for one in found)
    named = ", ".join(one.invoice for one in found[:5]) + (" and others" if len(found) > 5 else "")
    raise PeriodsInvoiced(
        f"{rows} rows lie in periods that are invoiced already ({named}); no issued invoice changes. Close with "
        '"finalized": "correct" to have their difference on the next invoice as a correction, or with "finalized": '
        '"skip" to leave these rows out.',
        extra={"finalized": [one.as_json() for one in found]},
    )
