"""Work that is due: a row is the truth, a message about it only a nudge.

A room registers a handler for each kind. ``run_due`` finds rows that are due, leases each one to itself, runs the handler
and deletes the row. A handler must be idempotent: after a crash the lease runs out and another sweep starts it again.
It returns when it is next due, or ``None`` when it is done. An exception means another try, later and later, until the
work is parked for a person to look at; ``Park`` parks it at once, and ``Away`` is given more time.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models import Min, Q

from core.failpoints import failpoint
from core.models import DueWork
from core.problems import Problem

log = structlog.get_logger()

LEASE = timedelta(minutes=5)
ATTEMPTS_MAX = 8
ATTEMPTS_AWAY_MAX = 30  # with the pauses below about a day: outages of others end by themselves
RETRY_FIRST = timedelta(seconds=5)
RETRY_MAX = timedelta(hours=1)
SWEEP_LIMIT = 500


class Park(Exception):
    """Raised by a handler that must not go on: the row waits for a person, the sentence says why."""


class Away(Exception):
    """Raised by a handler that needs someone outside who does not answer: tried for about a day before it is parked."""


@dataclass(frozen=True)
class Work:
    """One claimed piece of work."""

    customer_id: int
    kind: str
    key: str
    payload: dict[str, Any]
    due_at: datetime
    attempt: int


Handler = Callable[[Work, datetime], datetime | None]
Nudge = Callable[[int], None]
_handlers: dict[str, Handler] = {}
_nudge: Nudge | None = None


def register(kind: str, handler: Handler) -> None:
    """Name the function that does this kind of work. Called once at start, by ``config.wiring``."""
    _handlers[kind] = handler


def hand_over_nudge(nudge: Nudge | None) -> None:
    """Name the function that tells a worker that a customer has work due. Called once at start."""
    global _nudge
    _nudge = nudge


def schedule(
    customer_id: int,
    kind: str,
    key: str,
    due_at: datetime,
    payload: dict[str, Any] | None = None,
    *,
    soon: bool = False,
) -> None:
    """Make work due, in the caller's transaction. Asking again for the same thing moves its time and un-parks it.

    ``soon`` tells a worker after the commit, instead of leaving the work to the next sweep.
    """
    DueWork.objects.bulk_create(
        [DueWork(customer_id=customer_id, kind=kind, key=key, due_at=due_at, payload=payload or {})],
        update_conflicts=True,
        unique_fields=["customer_id", "kind", "key"],
        update_fields=["due_at", "payload", "parked_at", "attempt", "last_error", "lease_until"],
    )
    if soon and _nudge is not None:
        nudge = _nudge
        transaction.on_commit(lambda: nudge(customer_id))


def ensure(customer_id: int, kind: str, key: str, due_at: datetime) -> None:
    """Make work due unless it already is: asked often, it is done once, at the time first asked for.

    A handler that is at it may have looked already, and would take the row away with it: then the work is due once more.
    Nobody begins it before the caller's commit, so that whoever does sees what it was asked for.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO core_duework AS w (customer_id, kind, key, due_at, payload, attempt, last_error)
            VALUES (%s, %s, %s, %s, '{}', 0, '')
            ON CONFLICT (customer_id, kind, key) DO UPDATE
                SET due_at = greatest(excluded.due_at, w.due_at + interval '1 microsecond'), lease_until = NULL
                WHERE w.lease_until IS NOT NULL
            """,
            [customer_id, kind, key, due_at],
        )


def cancel(customer_id: int, kind: str, key: str) -> None:
    """Forget work that is no longer needed."""
    DueWork.objects.filter(customer_id=customer_id, kind=kind, key=key).delete()


def next_due_at() -> datetime | None:
    """When the earliest unparked work is due."""
    return DueWork.objects.filter(parked_at=None).aggregate(at=Min("due_at"))["at"]


def run_due(
    now: datetime,
    *,
    kinds: Iterable[str] | None = None,
    customer_id: int | None = None,
    limit: int = SWEEP_LIMIT,
) -> Counter[str]:
    """Run what is due at ``now``, oldest first; returns how many pieces were ``done``, ``again``, ``failed``, ``parked``.

    Finding takes no locks; each row is then claimed by itself, so that sweeps on several machines share the work.
    """
    outcomes: Counter[str] = Counter()
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    due = DueWork.objects.filter(free, due_at__lte=now, parked_at=None, kind__in=list(kinds or _handlers))
    if customer_id is not None:
        due = due.filter(customer_id=customer_id)
    for row in due.order_by("due_at", "customer_id", "kind", "key")[:limit]:
        work = _claim(row, now)
        if work is not None:
            outcomes[_run(work, now)] += 1
    return outcomes


def _claim(row: DueWork, now: datetime) -> Work | None:
    claimed = DueWork.objects.filter(
        Q(lease_until=None) | Q(lease_until__lt=now),
        customer_id=row.customer_id,
        kind=row.kind,
        key=row.key,
        due_at=row.due_at,
        parked_at=None,
    ).update(lease_until=now + LEASE, attempt=row.attempt + 1)
    if not claimed:
        return None
    return Work(row.customer_id, row.kind, row.key, row.payload, row.due_at, row.attempt + 1)


def _run(work: Work, now: datetime) -> str:
    # A row that was scheduled anew while its handler ran has another due_at: it stays for the next sweep.
    mine = DueWork.objects.filter(
        customer_id=work.customer_id, kind=work.kind, key=work.key, due_at=work.due_at
    )
    try:
        again_at = _handlers[work.kind](work, now)
        failpoint(f"core.due_work.{work.kind}.done")
    except (Park, Problem) as reason:  # a refusal will not go away by itself
        mine.update(parked_at=now, lease_until=None, last_error=str(reason)[:2000])
        log.error(
            "work.parked", kind=work.kind, customer_id=work.customer_id, key=work.key, reason=str(reason)
        )
        return "parked"
    except Exception as error:
        if work.attempt >= (ATTEMPTS_AWAY_MAX if isinstance(error, Away) else ATTEMPTS_MAX):
            mine.update(parked_at=now, lease_until=None, last_error=repr(error)[:2000])
            log.exception("work.parked", kind=work.kind, customer_id=work.customer_id, key=work.key)
            return "parked"
        mine.update(due_at=now + retry_delay(work.attempt), lease_until=None, last_error=repr(error)[:2000])
        log.exception("work.failed", kind=work.kind, customer_id=work.customer_id, key=work.key)
        return "failed"
    if again_at is None:
        mine.delete()
        return "done"
    mine.update(due_at=again_at, lease_until=None, attempt=0, last_error="")
    return "again"


def retry_delay(attempt: int) -> timedelta:
    """Exponential, with jitter of up to a half, so that work that failed together does not come back together."""
    delay = min(RETRY_FIRST * 2 ** min(attempt - 1, 20), RETRY_MAX)
    return delay * (1 + random.random() / 2)
