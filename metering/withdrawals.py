"""Events that a backfill brought and that are taken back with it, some rows at a time.

A withdrawn event leaves the events and is kept beside them, unchanged. So whatever reads events (rating, re-rating, pages,
the books) sees what counts, without a condition that one of them could forget. Its identity is free again, as if the
backfill had never been: a client that sends the event is not told that it is a duplicate of something that does not count.

The other way round, a client that was told "duplicate" while the event did count must not lose it: from then on the event
is the client's, and stays when the backfill is taken back. So does one that a later backfill found there already.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from core.failpoints import failpoint
from metering.models import WithdrawnEvent

DOOR = "backfill"


class Withdrawn(Exception):
    """An event that was there a moment ago is gone: look again."""


@dataclass(frozen=True)
class Brought:
    """One event that a backfill brought, as far as taking it back must know it."""

    seq: int
    event_id: str
    source: str
    occurred_at: datetime
    reverses: str | None


def claim_from_backfill(customer_id: int, told_again: Sequence[tuple[str, str, str]]) -> None:
    """Have events that a backfill brought, and that are told by their own client now, stay when it is taken back.

    They are named by id and source, with the door through which they were told. The caller is in the transaction that
    answers the client. Raises ``Withdrawn`` where one was taken back just now.
    """
    live = {(event_id, source): door for event_id, source, door in told_again if door != DOOR}
    if not live:
        return
    ids, sources = ([name[place] for name in live] for place in (0, 1))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH told AS (
                SELECT * FROM unnest(%(ids)s::text[], %(sources)s::text[], %(doors)s::text[]) AS t(event_id, source, door))
            UPDATE metering_event e SET door = t.door FROM told t WHERE e.customer_id = %(customer)s
            AND e.event_id = t.event_id AND e.source = t.source AND e.door = %(backfill)s
            """,
            {
                "ids": ids,
                "sources": sources,
                "doors": list(live.values()),
                "customer": customer_id,
                "backfill": DOOR,
            },
        )
        cursor.execute(
            """
            SELECT count(*) FROM metering_event e WHERE e.customer_id = %s AND (e.event_id, e.source) IN
                (SELECT * FROM unnest(%s::text[], %s::text[]))
            """,
            [customer_id, ids, sources],
        )
        if cursor.fetchone()[0] < len(live):
            raise Withdrawn


@dataclass(frozen=True)
class Batch:
    """Some of a backfill's stored rows, by number, and the events that it alone brought with them, in the order stored."""

    rows: list[int]
    brought: list[Brought]


def next_to_withdraw(customer_id: int, backfill_id: UUID, most: int) -> Batch:
    """The customer's next rows to take back, those that happened last first: draws are made anew from the first one on.

    Those that another backfill, closed since, found there as well become that one's, in the caller's transaction.
    """
    values: dict[str, Any] = {"id": backfill_id, "customer": customer_id, "door": DOOR, "most": most}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT n FROM metering_backfillrow WHERE backfill_id = %(id)s AND outcome = 'stored'
            AND customer_id = %(customer)s ORDER BY occurred_at DESC, n DESC LIMIT %(most)s
            """,
            values,
        )
        values["rows"] = [n for (n,) in cursor.fetchall()]
        cursor.execute(
            """
            WITH heirs AS (
                SELECT DISTINCT ON (mine.n) mine.n AS mine, heir.backfill_id, heir.n
                FROM metering_backfillrow mine
                JOIN metering_backfillrow heir ON heir.customer_id = mine.customer_id AND heir.event_id = mine.event_id
                    AND heir.source = mine.source AND heir.backfill_id <> mine.backfill_id
                    AND heir.outcome = 'duplicate' AND heir.content_hash = mine.content_hash
                JOIN metering_backfill b ON b.id = heir.backfill_id AND b.state IN ('closing', 'closed')
                WHERE mine.backfill_id = %(id)s AND mine.n = ANY(%(rows)s)
                ORDER BY mine.n, b.created_at, heir.n),
            inherit AS (
                UPDATE metering_backfillrow r SET outcome = 'stored', received = NULL FROM heirs h
                WHERE r.backfill_id = h.backfill_id AND r.n = h.n
                RETURNING r.customer_id, r.backfill_id, r.occurred_at),
            parts AS (
                INSERT INTO metering_backfillstep AS s
                    (customer_id, backfill_id, state, new, finalized, first_at, last_at)
                SELECT customer_id, backfill_id, 'closed', 0, '[]', min(occurred_at), max(occurred_at)
                FROM inherit GROUP BY 1, 2 ON CONFLICT (customer_id, backfill_id) DO UPDATE SET
                    first_at = least(s.first_at, excluded.first_at), last_at = greatest(s.last_at, excluded.last_at))
            UPDATE metering_backfillrow r SET outcome = 'kept' FROM heirs h
            WHERE r.backfill_id = %(id)s AND r.n = h.mine
            """,
            values,
        )
        # Whoever claims one of these waits for this transaction, and then finds it gone.
        cursor.execute(
            """
            SELECT e.seq, e.event_id, e.source, e.occurred_at, e.properties ->> 'reverses'
            FROM metering_event e JOIN metering_backfillrow r ON r.customer_id = e.customer_id
                AND r.event_id = e.event_id AND r.source = e.source
            WHERE r.backfill_id = %(id)s AND r.n = ANY(%(rows)s) AND r.outcome = 'stored' AND e.door = %(door)s
            ORDER BY e.seq FOR UPDATE OF e
            """,
            values,
        )
        return Batch(values["rows"], [Brought(*row) for row in cursor.fetchall()])


def withdraw(customer_id: int, backfill_id: UUID, rows: list[int], *, now: datetime) -> int:
    """Take the events of a ``Batch`` out of those that count, in its transaction; how many that were.

    Reports of the backfill's that still wait to take another event's place go, too, all of them with the first rows.
    """
    values: dict[str, Any] = {
        "id": backfill_id,
        "customer": customer_id,
        "door": DOOR,
        "now": now,
        "rows": rows,
    }
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM metering_richerreport w USING metering_backfillrow r
            WHERE r.backfill_id = %(id)s AND r.customer_id = %(customer)s AND r.outcome = 'stored'
            AND w.customer_id = r.customer_id AND w.event_id = r.event_id AND w.source = r.source
            AND w.received ->> 'door' = %(door)s
            """,
            values,
        )
        cursor.execute(
            """
            WITH gone AS (
                DELETE FROM metering_event e USING metering_backfillrow r
                WHERE r.backfill_id = %(id)s AND r.n = ANY(%(rows)s) AND r.outcome = 'stored'
                AND e.customer_id = %(customer)s AND e.event_id = r.event_id AND e.source = r.source
                AND e.door = %(door)s RETURNING e.*)
            INSERT INTO metering_withdrawnevent
                (customer_id, seq, event_id, source, occurred_at, stored, backfill_id, withdrawn_at)
            SELECT customer_id, seq, event_id, source, occurred_at, to_jsonb(gone)
                || jsonb_build_object('cost', cost::text, 'quantity', quantity::text), %(id)s, %(now)s FROM gone
            """,
            values,
        )
        count = int(cursor.rowcount)
        cursor.execute(
            """
            UPDATE metering_backfillrow r SET outcome = CASE WHEN EXISTS (
                SELECT 1 FROM metering_event e WHERE e.customer_id = r.customer_id AND e.event_id = r.event_id
                AND e.source = r.source) THEN 'kept' ELSE 'withdrawn' END
            WHERE r.backfill_id = %(id)s AND r.n = ANY(%(rows)s) AND r.outcome = 'stored'
            """,
            values,
        )
    failpoint("metering.withdrawals.before_commit")
    return count


def withdrawn_event(event_id: str, source: str | None, *, customer_id: int | None) -> WithdrawnEvent | None:
    """The event with this id that was taken back, the newest where there are several."""
    rows: Any = WithdrawnEvent.objects.filter(event_id=event_id).select_related("backfill")
    if source is not None:
        rows = rows.filter(source=source)
    if customer_id is not None:
        rows = rows.filter(customer_id=customer_id)
    found: WithdrawnEvent | None = rows.order_by("-withdrawn_at", "-seq").first()
    return found
