"""Events for customers that are not known (yet).

Kept with their identity, and stored when the customer appears.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import QuerySet

from metering.event_conflicts import NO_CUSTOMER, Contradiction, keep_conflicts
from metering.models import UnmatchedEvent
from metering.new_event import NewEvent, as_kept, from_kept
from metering.outcomes import Outcome

MATCH_BATCH = 1_000
DELETED_AT_ONCE = 5_000

Store = Callable[[Sequence[NewEvent]], list[Outcome]]

_INSERT = """
INSERT INTO metering_unmatchedevent (customer_key, event_id, source, received, content_hash, door,
recorded_at) SELECT %(key)s, event_id, source, received, decode(content_hash, 'hex'), door, %(now)s FROM
jsonb_to_recordset(%(rows)s::jsonb) AS row (event_id text, source text, received jsonb, content_hash text,
door text) ON CONFLICT DO NOTHING RETURNING event_id, source
"""


def keep_unmatched(
    customer_key: str, events: Sequence[NewEvent], digests: Sequence[bytes], *, now: datetime
) -> list[Outcome]:
    """Keep the events under the unknown customer's key; what became of each, in order."""
    first: dict[tuple[str, str], bytes] = {}
    for event, digest in zip(events, digests, strict=True):
        first.setdefault((event.id, event.source), digest)
    with transaction.atomic():
        fresh = _insert(customer_key, events, digests, now)
        stored = first | _kept_digests(customer_key, first.keys() - fresh)
        outcomes = []
        contradictions = []
        for event, digest in zip(events, digests, strict=True):
            identity = (event.id, event.source)
            if stored[identity] != digest:
                contradictions.append(Contradiction(event, stored[identity], digest))
                outcomes.append(Outcome.CONFLICT)
            elif identity in fresh:
                fresh.discard(identity)
                outcomes.append(Outcome.UNMATCHED)
            else:
                outcomes.append(Outcome.DUPLICATE)
        keep_conflicts(NO_CUSTOMER, contradictions, now=now)
    return outcomes


def match_unmatched(customer_key: str, store: Store, *, now: datetime) -> int:
    """Hand what waits under this key to ``store``, in the order it came; how many events that were.

    An event that is marked only after it was stored can be stored twice, which its identity makes harmless.
    """
    return match(waiting_events(customer_key).filter(assigned_id=None), store, now=now).total()


def match(
    waiting: QuerySet[UnmatchedEvent], store: Store, *, now: datetime, most: int | None = None
) -> Counter[Outcome]:
    """Hand what waits to ``store``, in the order it came, at most so many; how many came to which end."""
    ends: Counter[Outcome] = Counter()
    while rows := list(waiting.order_by("recorded_at", "event_id", "source")[:MATCH_BATCH]):
        ends.update(store([from_kept(row.received) for row in rows]))
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE metering_unmatchedevent SET matched_at = %s WHERE customer_key = %s"
                " AND (event_id, source) IN (SELECT * FROM unnest(%s::text[], %s::text[]))",
                [
                    now,
                    rows[0].customer_key,
                    [row.event_id for row in rows],
                    [row.source for row in rows],
                ],
            )
        if most is not None and ends.total() >= most:
            break
    return ends


def waiting_events(customer_key: str | None = None) -> QuerySet[UnmatchedEvent]:
    """What waits under this key, or under any."""
    rows = UnmatchedEvent.objects.filter(matched_at=None, discarded_at=None)
    return rows if customer_key is None else rows.filter(customer_key=customer_key)


def discard_unmatched(customer_key: str, *, by: str, now: datetime, event_id: str = "") -> int:
    """Give up what waits under this key, or one event of it; how many. Sent again, they are still duplicates."""
    rows = waiting_events(customer_key)
    if event_id:
        rows = rows.filter(event_id=event_id)
    return rows.update(discarded_at=now, settled_by=by)


def forget_old_unmatched(*, now: datetime, days: int) -> int:
    """Delete what came more than ``days`` ago, a few thousand at a time; how many."""
    deleted = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM metering_unmatchedevent WHERE (customer_key, event_id, source) IN (SELECT customer_key,"
                " event_id, source FROM metering_unmatchedevent WHERE recorded_at < %s LIMIT %s)",
                [now - timedelta(days=days), DELETED_AT_ONCE],
            )
            deleted += cursor.rowcount
            if cursor.rowcount < DELETED_AT_ONCE:
                return deleted


def _insert(
    customer_key: str, events: Sequence[NewEvent], digests: Sequence[bytes], now: datetime
) -> set[tuple[str, str]]:
    rows = [
        {
            "event_id": event.id,
            "source": event.source,
            "received": as_kept(event),
            "content_hash": digest.hex(),
            "door": event.door,
        }
        for event, digest in zip(events, digests, strict=True)
    ]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, {"key": customer_key, "now": now, "rows": json.dumps(rows)})
        return set(cursor.fetchall())


def _kept_digests(customer_key: str, identities: set[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
    if not identities:
        return {}
    rows = UnmatchedEvent.objects.filter(
        customer_key=customer_key, event_id__in=[event_id for event_id, _ in identities]
    ).values_list("event_id", "source", "content_hash")
    return {
        (event_id, source): bytes(digest)
        for event_id, source, digest in rows
        if (event_id, source) in identities
    }
