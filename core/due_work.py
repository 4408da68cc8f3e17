"""Work that is due: a row is the truth, a message about it only a nudge.

A room registers a handler for each kind. ``run_due`` leases a few rows that are due to itself, runs the handler of each
and deletes them. A handler must be idempotent: after a crash the lease runs out and another sweep starts it again.
It returns when it is next due, or ``None`` when it is done. An exception means another try, later and later, until the
work is parked for a person to look at; ``Park`` parks it at once, and ``Away`` is given more time.
"""

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models import Min, QuerySet

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
# Each claim is a commit, so a few rows share one; what is claimed beside slow work waits for it, so they are few.
CLAIMED_AT_ONCE = 20
# After so long with a claim what it still holds is let go, for whoever is free, long before the lease is over.
HOLD_SECONDS = 10.0


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
    lease_until: datetime | None = None

    def row(self) -> "QuerySet[DueWork]":
        """Its row, while it is leased so: where the same was asked for anew meanwhile, the row is that one's."""
        return DueWork.objects.filter(
            customer_id=self.customer_id,
            kind=self.kind,
            key=self.key,
            due_at=self.due_at,
            lease_until=self.lease_until,
        )


Handler = Callable[[Work, datetime], datetime | None]
Nudge = Callable[[int], None]
_handlers: dict[str, Handler] = {}
_nudge: Nudge | None = None
_running: ContextVar[bool] = ContextVar("due work is being run", default=False)


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

    ``soon`` tells a worker after the commit, instead of leaving the work to the next sweep. Work that makes other work due
    need tell nobody: who runs it goes on until nothing is due.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO core_duework (customer_id, kind, key, due_at, payload, attempt, last_error)
            VALUES (%s, %s, %s, %s, %s, 0, '')
            ON CONFLICT (customer_id, kind, key) DO UPDATE
                SET due_at = excluded.due_at, payload = excluded.payload, attempt = 0, last_error = '',
                    parked_at = NULL, lease_until = NULL
            """,
            [customer_id, kind, key, due_at, json.dumps(payload or {})],
        )
    if soon and _nudge is not None and not _running.get():
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
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM core_duework WHERE customer_id = %s AND kind = %s AND key = %s",
            [customer_id, kind, key],
        )


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
    """Run what is due at ``now``, oldest first, with what it makes due, until nothing is left or ``limit`` pieces are run.

    Returns how many were ``done``, ``again``, ``failed``, ``parked``. Sweeps at the same time, on several machines too,
    share the work: each row is leased by one, and no one waits for another's.
    """
    outcomes: Counter[str] = Counter()
    left, began = limit, time.monotonic()
    running = _running.set(kinds is None)
    try:
        while left > 0:
            lease_until = now + timedelta(seconds=time.monotonic() - began) + LEASE
            claimed = _claim(
                now, lease_until, list(kinds or _handlers), customer_id, min(left, CLAIMED_AT_ONCE)
            )
            if not claimed:
                break
            ran = _run_claimed(claimed, now)
            outcomes += ran
            left -= max(ran.total(), 1)
    finally:
        _running.reset(running)
    return outcomes


def _claim(
    now: datetime, lease_until: datetime, kinds: list[str], customer_id: int | None, count: int
) -> list[Work]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH due AS (
                SELECT customer_id, kind, key FROM core_duework
                WHERE due_at <= %(now)s AND parked_at IS NULL AND (lease_until IS NULL OR lease_until < %(now)s)
                    AND kind = ANY(%(kinds)s) AND (%(customer_id)s::bigint IS NULL OR customer_id = %(customer_id)s)
                ORDER BY due_at, customer_id, kind, key LIMIT %(count)s FOR UPDATE SKIP LOCKED
            ), claimed AS (
                UPDATE core_duework w SET lease_until = %(lease)s, attempt = w.attempt + 1
                FROM due WHERE (w.customer_id, w.kind, w.key) = (due.customer_id, due.kind, due.key)
                RETURNING w.customer_id, w.kind, w.key, w.payload, w.due_at, w.attempt
            )
            SELECT * FROM claimed ORDER BY due_at, customer_id, kind, key
            """,
            {
                "now": now,
                "lease": lease_until,
                "kinds": kinds,
                "customer_id": customer_id,
                "count": count,
            },
        )
        return [
            Work(customer, kind, key, json.loads(payload), due_at, attempt, lease_until)
            for customer, kind, key, payload, due_at, attempt in cursor.fetchall()
        ]


def _run_claimed(claimed: Sequence[Work], now: datetime) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    done: list[Work] = []
    seen: set[int] = set()
    held_since = time.monotonic()
    for place, work in enumerate(claimed):
        if place and time.monotonic() - held_since > HOLD_SECONDS:
            _let_go(claimed[place:])
            break
        # What ran before may have called off, or asked anew for, other work of its customer.
        if work.customer_id in seen and not work.row().exists():
            continue
        seen.add(work.customer_id)
        outcome = _run(work, now)
        outcomes[outcome] += 1
        if outcome == "done":
            done.append(work)
    _forget(done)
    return outcomes


def _let_go(rest: Sequence[Work]) -> None:
    for work in rest:
        work.row().update(lease_until=None, attempt=work.attempt - 1)


def _forget(done: Sequence[Work]) -> None:
    """Delete what is done, at once. Killed before this, it is done again when the lease is over, and changes nothing."""
    if not done:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM core_duework w USING unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[])
                AS d(customer_id, kind, key, due_at)
            WHERE (w.customer_id, w.kind, w.key, w.due_at) = (d.customer_id, d.kind, d.key, d.due_at)
                AND w.lease_until = %s
            """,
            [
                [work.customer_id for work in done],
                [work.kind for work in done],
                [work.key for work in done],
                [work.due_at for work in done],
                done[0].lease_until,
            ],
        )


def _run(work: Work, now: datetime) -> str:
    mine = work.row()
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
        return "done"
    mine.update(due_at=again_at, lease_until=None, attempt=0, last_error="")
    return "again"


def retry_delay(attempt: int) -> timedelta:
    """Exponential, with jitter of up to a half, so that work that failed together does not come back together."""
    delay = min(RETRY_FIRST * 2 ** min(attempt - 1, 20), RETRY_MAX)
    return delay * (1 + random.random() / 2)
