"""Events for customers that are not known (yet).

Kept with their identity, and stored when the customer appears.
"""

import json
from collections.abc import Callable, Sequence
from datetime import datetime

from django.db import connection, transaction

from metering.models import UnmatchedEvent
from metering.new_event import NewEvent, as_kept, from_kept
from metering.outcomes import Outcome

MATCH_BATCH = 1_000

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
    for event, digest in zip(events, digests, strict=True):
        identity = (event.id, event.source)
        if stored[identity] != digest:
            outcomes.append(Outcome.CONFLICT)
        elif identity in fresh:
            fresh.discard(identity)
            outcomes.append(Outcome.UNMATCHED)
        else:
            outcomes.append(Outcome.DUPLICATE)
    return outcomes


def match_unmatched(
    customer_key: str, store: Callable[[Sequence[NewEvent]], list[Outcome]], *, now: datetime
) -> int:
    """Hand what waits under this key to ``store``, in the order it came; how many events that were.

    An event that is marked only after it was stored can be stored twice, which its identity makes harmless.
    """
    taken = 0
    waiting = UnmatchedEvent.objects.filter(customer_key=customer_key, matched_at=None)
    while rows := list(waiting.order_by("recorded_at", "event_id", "source")[:MATCH_BATCH]):
        store([from_kept(row.received) for row in rows])
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE metering_unmatchedevent SET matched_at = %s WHERE customer_key = %s"
                " AND (event_id, source) IN (SELECT * FROM unnest(%s::text[], %s::text[]))",
                [now, customer_key, [row.event_id for row in rows], [row.source for row in rows]],
            )
        taken += len(rows)
    return taken


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
