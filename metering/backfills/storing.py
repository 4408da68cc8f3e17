"""A backfill's new rows into the events, through the one door that stores: a bounded batch in each transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection
from msgspec.json import decode

from core.failpoints import failpoint
from metering.events import store_for_customer
from metering.models import BackfillRow
from metering.new_event import from_kept
from metering.outcomes import TOO_OLD_DETAIL, Outcome

_BECAME = {
    Outcome.ACCEPTED: BackfillRow.Outcome.STORED,
    Outcome.DUPLICATE: BackfillRow.Outcome.DUPLICATE,
    Outcome.CONFLICT: BackfillRow.Outcome.CONFLICT,
    Outcome.TOO_OLD: BackfillRow.Outcome.REJECTED,
}
_REASONS = {
    Outcome.CONFLICT: "An event with this id and source was stored with other content in the meantime.",
    Outcome.TOO_OLD: TOO_OLD_DETAIL,
}


class Waiting(NamedTuple):
    """A new row that is not stored yet."""

    n: int
    occurred_at: datetime
    received: str


def next_rows(
    backfill_id: UUID, customer_id: int, most: int, *, after: tuple[datetime, int] | None = None
) -> list[Waiting]:
    """The customer's next new rows in the order in which they happened, as credits are drawn in the order stored."""
    beyond = "" if after is None else "AND (occurred_at, n) > (%s, %s)"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT n, occurred_at, received FROM metering_backfillrow
            WHERE backfill_id = %s AND outcome = 'new' AND customer_id = %s {beyond} ORDER BY occurred_at, n LIMIT %s
            """,
            [backfill_id, customer_id, *(after or ()), most],
        )
        return [Waiting(*row) for row in cursor.fetchall()]


def new_row(backfill_id: UUID, customer_id: int, event_id: str, source: str) -> Waiting | None:
    """The customer's new row that is this event; ``None`` where none is."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT n, occurred_at, received FROM metering_backfillrow WHERE backfill_id = %s AND customer_id = %s"
            " AND event_id = %s AND source = %s AND outcome = 'new'",
            [backfill_id, customer_id, event_id, source],
        )
        row = cursor.fetchone()
    return None if row is None else Waiting(*row)


def store_rows(backfill_id: UUID, customer_id: int, rows: Sequence[Waiting], *, now: datetime) -> None:
    """Store the rows' events and note what became of each, in the caller's transaction: both, or neither."""
    if not rows:
        return
    events = [from_kept(decode(row.received)) for row in rows]
    outcomes = store_for_customer(customer_id, events, now=now)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE metering_backfillrow r SET outcome = t.outcome,
                received = CASE WHEN t.outcome = 'stored' THEN NULL ELSE r.received END,
                reason = t.reason
            FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS t(n, outcome, reason) WHERE r.backfill_id = %s AND r.n = t.n
            """,
            [
                [row.n for row in rows],
                [_BECAME[outcome].value for outcome in outcomes],
                [_REASONS.get(outcome, "") for outcome in outcomes],
                backfill_id,
            ],
        )
    failpoint("metering.backfills.before_commit")


def leave_out(backfill_id: UUID, numbers: Sequence[int], reason: str) -> None:
    """Note that these rows are not stored, and why."""
    BackfillRow.objects.filter(backfill_id=backfill_id, n__in=list(numbers)).update(
        outcome=BackfillRow.Outcome.SKIPPED, reason=reason[:500]
    )
