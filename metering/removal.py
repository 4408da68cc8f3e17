"""Removing a customer's oldest events: a mark first, so that none of them comes back, then batch by batch.

Who may be forgotten, and up to when, is for the room above to say. What the events added up to stays: buckets, draws,
invoices, and how many there were.
"""

from datetime import datetime

from django.db import connection, transaction
from django.db.models import Max

from core.failpoints import failpoint
from metering.models import (
    BackfillRow,
    Event,
    EventConflict,
    EventRemoval,
    EventStream,
    UnmatchedEvent,
    WithdrawnEvent,
)
from metering.reported_calls import forget_removed_calls

BATCH_EVENTS = 5_000


def kept_since(customer_id: int) -> datetime | None:
    """Since when the customer's events are kept; ``None`` where all are."""
    return EventStream.objects.filter(customer_id=customer_id).values_list("kept_since", flat=True).first()


def kept_since_of_all() -> datetime | None:
    """Since when every customer's events are kept; ``None`` where all are."""
    newest: datetime | None = EventStream.objects.aggregate(newest=Max("kept_since"))["newest"]
    return newest


def keep_since(customer_id: int, mark: datetime) -> None:
    """Take in no more events from before the mark, in the caller's transaction. It only ever moves forward."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE metering_eventstream SET kept_since = %s"
            " WHERE customer_id = %s AND (kept_since IS NULL OR kept_since < %s)",
            [mark, customer_id, mark],
        )


def removal_under_way(customer_id: int, *, rated_seq: int, now: datetime) -> EventRemoval | None:
    """What is being removed, or is to be, before the customer's mark; ``None`` where there is nothing.

    Events go in the order in which they were stored, up to the first that is to stay, so that everything stored after a
    kept event is kept, too. The caller has rated up to ``rated_seq``; what is not rated stays.
    """
    mark = kept_since(customer_id)
    if mark is None:
        return None
    removals = EventRemoval.objects.filter(customer_id=customer_id)
    known = removals.filter(kept_since=mark).first()
    if known is not None:
        return known
    gone = removals.aggregate(newest=Max("last_seq"))["newest"] or 0
    events = Event.objects.filter(customer_id=customer_id)
    # The mark stands, so nothing from before it comes in any more: asked without a lock, the answer stays right.
    stays = events.filter(seq__gt=gone, occurred_at__gte=mark).order_by("seq")
    first = stays.values_list("seq", flat=True).first()
    up_to_seq = rated_seq if first is None else min(rated_seq, first - 1)
    if not events.filter(seq__lte=up_to_seq, unpriced=False).exists():
        return None
    return EventRemoval.objects.create(
        customer_id=customer_id, kept_since=mark, up_to_seq=up_to_seq, started_at=now, removed_at=now
    )


def remove_batch(removal: EventRemoval, *, now: datetime) -> bool:
    """Remove the next events, in a transaction that also notes how many they were; whether more may be left.

    An event that waits for a price is passed over: its price may still move an invoice. The next mark takes it along.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        place: dict[str, int | datetime] = {"customer": removal.customer_id, "mark": removal.kept_since}
        cursor.execute(
            "SELECT last_seq, up_to_seq FROM metering_eventremoval"
            " WHERE customer_id = %(customer)s AND kept_since = %(mark)s FOR UPDATE",
            place,
        )
        after, up_to_seq = cursor.fetchone()
        cursor.execute(
            """
            WITH going AS (
                SELECT seq FROM metering_event WHERE customer_id = %(customer)s AND seq > %(after)s
                AND seq <= %(last)s AND NOT unpriced ORDER BY seq LIMIT %(most)s),
            gone AS (
                DELETE FROM metering_event WHERE customer_id = %(customer)s AND seq IN (SELECT seq FROM going)
                RETURNING seq, cost)
            UPDATE metering_eventremoval r SET events = r.events + g.events, cost = r.cost + g.cost,
                last_seq = g.last_seq, removed_at = %(now)s
            FROM (SELECT count(*) AS events, sum(cost) AS cost, max(seq) AS last_seq FROM gone) g
            WHERE r.customer_id = %(customer)s AND r.kept_since = %(mark)s AND g.events > 0 RETURNING g.events
            """,
            place | {"after": after, "last": up_to_seq, "most": BATCH_EVENTS, "now": now},
        )
        row = cursor.fetchone()
        more = row is not None and row[0] == BATCH_EVENTS
        if row is not None and not more:
            forget_removed_calls(removal.customer_id)
        failpoint("metering.removal.before_commit")
    return more


def remove_copies(customer_id: int, customer_key: str, before: datetime) -> None:
    """Remove what is kept of events beside the table of events: refused contents, what waited for its
    customer, what a backfill brought and what was taken back with one."""
    EventConflict.objects.filter(customer_id=customer_id, recorded_at__lt=before).delete()
    UnmatchedEvent.objects.filter(customer_key=customer_key, matched_at__lt=before).delete()
    WithdrawnEvent.objects.filter(customer_id=customer_id, occurred_at__lt=before).delete()
    BackfillRow.objects.filter(customer_id=customer_id, occurred_at__lt=before).update(received=None)
