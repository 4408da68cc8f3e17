"""What is due of backfills: the file read, each customer's part looked at, stored, taken back."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from billing.backfills.customers import close_for, revert_for
from billing.backfills.dry_run import look_at
from billing.backfills.jobs import (
    CHECK_DUE,
    CLOSE_DUE,
    LOOK_DUE,
    REVERT_DUE,
    State,
    fail_backfill,
    locked,
    move_on,
)
from core.due_work import Handler, Work, schedule
from core.failpoints import failpoint
from metering.backfills.comparing import compare
from metering.backfills.reading import read_file
from metering.backfills.trouble import FileTrouble
from metering.models import Backfill

TICK = timedelta(microseconds=1)


def file_is_due(work: Work, now: datetime) -> datetime | None:
    """A file waits to be read, or to be read on; once it is, its rows are compared and its customers looked at."""
    backfill_id = UUID(work.key)
    backfill = Backfill.objects.filter(id=backfill_id).first()
    if backfill is None or backfill.state != State.CHECKING:
        return None
    try:
        if backfill.rows_total is None and not read_file(backfill_id, now=now):
            return _go_on(work, now)
    except FileTrouble as trouble:
        fail_backfill(backfill_id, str(trouble))
        return None
    failpoint("billing.backfills.read")
    with transaction.atomic():
        if locked(backfill_id).state != State.CHECKING:
            return None
        customers = compare(backfill_id)
        for customer_id in customers:
            schedule(customer_id, LOOK_DUE, work.key, now, soon=True)
        if not customers:
            move_on(backfill_id, left_in=(), now_in=State.CHECKING, then=State.READY, ready_at=now)
    return None


def look_is_due(work: Work, now: datetime) -> datetime | None:
    """A customer's rows have not been looked at yet."""
    look_at(work.customer_id, UUID(work.key), now=now)
    return None


def close_is_due(work: Work, now: datetime) -> datetime | None:
    """A customer's rows wait to be stored."""
    return None if close_for(work.customer_id, UUID(work.key), now=now) else _go_on(work, now)


def revert_is_due(work: Work, now: datetime) -> datetime | None:
    """A customer's rows wait to be taken back."""
    return None if revert_for(work.customer_id, UUID(work.key), now=now) else _go_on(work, now)


def _go_on(work: Work, now: datetime) -> datetime | None:
    """The rest is another task's, at once: the row stays, because it is due at another time than the one that ran."""
    schedule(work.customer_id, work.kind, work.key, max(now, work.due_at + TICK), soon=True)
    return None


HANDLERS: dict[str, Handler] = {
    CHECK_DUE: file_is_due,
    LOOK_DUE: look_is_due,
    CLOSE_DUE: close_is_due,
    REVERT_DUE: revert_is_due,
}
