"""A backfill's rows against what is stored, and against each other: which are new, set by set."""

from datetime import datetime
from uuid import UUID

from django.db import connection

from metering.outcomes import TOO_OLD_DETAIL

# Asked again while it is closed, so that what came in the meantime is a duplicate then.
_WITHIN_THE_FILE = """
WITH ranked AS (
    SELECT n, content_hash, first_value(content_hash) OVER same AS first_hash, first_value(n) OVER same AS first_n
    FROM metering_backfillrow WHERE backfill_id = %(id)s AND outcome = 'read'
    WINDOW same AS (PARTITION BY customer_id, event_id, source ORDER BY n))
UPDATE metering_backfillrow r SET
    outcome = CASE WHEN k.content_hash = k.first_hash THEN 'duplicate' ELSE 'conflict' END,
    reason = CASE WHEN k.content_hash = k.first_hash THEN 'The same event as in row ' || k.first_n || '.'
        ELSE 'Row ' || k.first_n || ' has the same id and source, and another content.' END
FROM ranked k WHERE r.backfill_id = %(id)s AND r.n = k.n AND k.n > k.first_n
"""
_WITH_WHAT_IS_STORED = """
UPDATE metering_backfillrow r SET
    outcome = CASE WHEN e.content_hash = r.content_hash THEN 'duplicate' ELSE 'conflict' END,
    reason = CASE WHEN e.content_hash = r.content_hash THEN '' ELSE
        'An event with this id and source is stored with other content.' END
FROM metering_event e WHERE r.backfill_id = %(id)s AND r.outcome = 'read'
    AND e.customer_id = r.customer_id AND e.event_id = r.event_id AND e.source = r.source
"""
_NO_LONGER_KEPT = """
UPDATE metering_backfillrow r SET outcome = 'rejected', reason = %(too_old)s
FROM metering_eventstream s WHERE r.backfill_id = %(id)s AND r.outcome = 'read'
    AND s.customer_id = r.customer_id AND r.occurred_at < s.kept_since
"""
_THE_REST = "UPDATE metering_backfillrow SET outcome = 'new' WHERE backfill_id = %(id)s AND outcome = 'read'"
_STEPS = """
INSERT INTO metering_backfillstep (customer_id, backfill_id, state, new, finalized, first_at, last_at)
SELECT customer_id, backfill_id, %(state)s, count(*), '[]', min(occurred_at), max(occurred_at)
FROM metering_backfillrow WHERE backfill_id = %(id)s AND outcome = 'new' GROUP BY 1, 2
ON CONFLICT DO NOTHING
"""
_NEW_AGAIN = """
UPDATE metering_backfillrow r SET outcome = 'new' FROM metering_withdrawnevent w
WHERE r.backfill_id = %(id)s AND r.outcome = 'duplicate' AND r.reason = ''
AND w.customer_id = r.customer_id AND w.event_id = r.event_id AND w.source = r.source AND NOT EXISTS (
    SELECT 1 FROM metering_event e WHERE e.customer_id = r.customer_id AND e.event_id = r.event_id
    AND e.source = r.source)
"""


def compare(backfill_id: UUID) -> list[int]:
    """Tell what each row is, in the caller's transaction; returns the customers with new rows. Safe to repeat."""
    with connection.cursor() as cursor:
        # A million rows are compared at once: more than a request may take, and no request asks for it.
        cursor.execute("SET LOCAL statement_timeout = '300s'")
        for statement in (_WITHIN_THE_FILE, _WITH_WHAT_IS_STORED, _NO_LONGER_KEPT, _THE_REST, _STEPS):
            cursor.execute(statement, {"id": backfill_id, "state": "waiting", "too_old": TOO_OLD_DETAIL})
        cursor.execute(
            "SELECT customer_id FROM metering_backfillstep WHERE backfill_id = %s ORDER BY 1", [backfill_id]
        )
        return [row[0] for row in cursor.fetchall()]


def renew_those_withdrawn(backfill_id: UUID) -> None:
    """Rows that were duplicates of events taken back since are new. In the caller's transaction."""
    with connection.cursor() as cursor:
        for statement in (_NEW_AGAIN, _STEPS):
            cursor.execute(statement, {"id": backfill_id, "state": "found"})


def outcomes_of(backfill_id: UUID) -> dict[str, int]:
    """How many rows have each outcome."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT outcome, count(*) FROM metering_backfillrow WHERE backfill_id = %s GROUP BY 1",
            [backfill_id],
        )
        return dict(cursor.fetchall())


def span_of(backfill_id: UUID) -> tuple[datetime, datetime] | None:
    """When the first and the last of the rows happened; ``None`` where no row tells."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT min(occurred_at), max(occurred_at) FROM metering_backfillrow WHERE backfill_id = %s",
            [backfill_id],
        )
        first, last = cursor.fetchone()
    return None if first is None else (first, last)
