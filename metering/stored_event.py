"""Events as rating reads them back: in the order they were stored, a batch at a time."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection
from msgspec.json import decode, encode

from metering.models import WithdrawnEvent

COLUMNS = """event_id, source, seq, type, occurred_at, provider, model, context, usage, quantity, status, latency_ms,
run_id, run, properties, cost, unpriced, cost_rows"""


class StoredEvent(NamedTuple):
    """One stored event. ``usage`` maps disjoint buckets to decimal text; ``cost`` is in USD."""

    event_id: str
    source: str
    seq: int
    type: str
    occurred_at: datetime
    provider: str
    model: str
    context: str
    usage: dict[str, str]
    quantity: Decimal
    status: str
    latency_ms: int | None
    run_id: str
    run: dict[str, Any] | None
    properties: dict[str, Any]
    cost: Decimal
    unpriced: bool
    cost_rows: dict[str, int]

    @property
    def failed(self) -> bool:
        return self.status != "ok"


JSON_PLACES = tuple(StoredEvent._fields.index(name) for name in ("usage", "run", "properties", "cost_rows"))


def events_after(customer_id: int, seq: int, limit: int) -> list[StoredEvent]:
    """The customer's next events after ``seq``, in the order their transactions committed."""
    return _events("seq > %s ORDER BY seq LIMIT %s", customer_id, seq, limit)


def events_between(
    customer_id: int, start: datetime, end: datetime, *, up_to_seq: int | None = None
) -> list[StoredEvent]:
    """The events that happened in ``[start, end)``, in the order stored; with ``up_to_seq`` only those stored by then."""
    known = "" if up_to_seq is None else f"AND seq <= {int(up_to_seq)}"
    return _events(f"occurred_at >= %s AND occurred_at < %s {known} ORDER BY seq", customer_id, start, end)


def events_by_seq(customer_id: int, seqs: Sequence[int]) -> list[StoredEvent]:
    """The customer's events with these numbers, in the order stored."""
    return _events("seq = ANY(%s) ORDER BY seq", customer_id, list(seqs))


def events_of_runs(customer_id: int, run_ids: Sequence[str], limit: int) -> list[StoredEvent]:
    """The events of these runs in the order stored, ``limit`` of them at most."""
    return _events(
        "run_id = ANY(%s) AND run_id <> '' ORDER BY seq LIMIT %s", customer_id, list(run_ids), limit
    )


def unpriced_events(customer_id: int, limit: int, *, older_than: int) -> list[StoredEvent]:
    """Events that wait for a price and were last looked at with a price book before version ``older_than``."""
    return _events("unpriced AND price_book < %s ORDER BY seq LIMIT %s", customer_id, older_than, limit)


def set_costs(customer_id: int, events: Sequence[StoredEvent], *, book: int) -> None:
    """Note what the events cost by the price book of that version: ``cost``, ``cost_rows`` and ``unpriced`` are taken.

    The facts of an event stay as they are. One whose report was incomplete stays unpriced: no price can tell what it left
    out.
    """
    rows = [
        (event.cost, encode(event.cost_rows).decode(), book, event.unpriced)
        + (customer_id, event.event_id, event.source)
        for event in events
    ]
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            UPDATE metering_event SET cost = %s, cost_rows = %s::jsonb, price_book = %s, unpriced = %s OR EXISTS (
                SELECT 1 FROM jsonb_array_elements_text(raw -> 'flags') AS flag
                WHERE flag LIKE 'unknown:%%' OR flag LIKE 'mismatch:%%')
            WHERE customer_id = %s AND event_id = %s AND source = %s
            """,
            rows,
        )


def answered_from_cache(customer_id: int, start: datetime, end: datetime) -> set[tuple[str, str]]:
    """The (event id, source) of the events in ``[start, end)`` that a gateway's own cache answered: no price is asked for."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT event_id, source FROM metering_event
            WHERE customer_id = %s AND occurred_at >= %s AND occurred_at < %s AND raw -> 'flags' ? 'cache_hit'
            """,
            [customer_id, start, end],
        )
        return {(event_id, source) for event_id, source in cursor.fetchall()}


def event_by_id(customer_id: int, event_id: str, source: str | None = None) -> StoredEvent | None:
    """The customer's event with this id; the newest, where several sources have used the id and none is named."""
    if source is not None:
        found = _events("event_id = %s AND source = %s", customer_id, event_id, source)
    else:
        found = _events("event_id = %s ORDER BY seq DESC LIMIT 1", customer_id, event_id)
    return found[0] if found else None


def event_that_counts(customer_id: int, event_id: str, source: str) -> StoredEvent | None:
    """The customer's event of this id, or, where richer reports took its place, the one that counts its call by now."""
    return event_by_id(customer_id, event_id, source) or next(
        iter(
            _events(
                """seq = (SELECT seq FROM metering_withdrawnevent w WHERE w.customer_id = metering_event.customer_id
                    AND w.event_id = %s AND w.source = %s AND w.replaced_by_id <> ''
                    ORDER BY w.withdrawn_at DESC LIMIT 1)""",
                customer_id,
                event_id,
                source,
            )
        ),
        None,
    )


def replaced_names(customer_id: int, seq: int) -> list[tuple[str, str]]:
    """By (event id, source), the poorer reports whose place the event of this ``seq`` took."""
    poorer = WithdrawnEvent.objects.filter(customer_id=customer_id, seq=seq).exclude(replaced_by_id="")
    return list(poorer.values_list("event_id", "source"))


def mark_unpriced(customer_id: int, identities: list[tuple[str, str]]) -> None:
    """Note that these events, by (event id, source), wait for a price or a rate."""
    if identities:
        with connection.cursor() as cursor:
            cursor.executemany(
                "UPDATE metering_event SET unpriced = true WHERE customer_id = %s AND event_id = %s AND source = %s",
                [(customer_id, event_id, source) for event_id, source in identities],
            )


def _events(where: str, customer_id: int, *values: Any) -> list[StoredEvent]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {COLUMNS} FROM metering_event WHERE customer_id = %s AND {where}", [customer_id, *values]
        )
        return [_stored(row) for row in cursor.fetchall()]


def _stored(row: tuple[Any, ...]) -> StoredEvent:
    values = list(row)
    for index in JSON_PLACES:  # Django leaves jsonb from a plain cursor as text
        if values[index] is not None:
            values[index] = decode(values[index])
    return StoredEvent._make(values)
