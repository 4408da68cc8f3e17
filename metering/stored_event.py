"""Events as rating reads them back: in the order they were stored, a batch at a time."""

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection
from msgspec.json import decode

COLUMNS = """event_id, source, seq, type, occurred_at, provider, model, context, usage, quantity, status, latency_ms,
run_id, run, properties, cost, unpriced"""


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

    @property
    def failed(self) -> bool:
        return self.status != "ok"


def events_after(customer_id: int, seq: int, limit: int) -> list[StoredEvent]:
    """The customer's next events after ``seq``, in the order their transactions committed."""
    return _events("seq > %s ORDER BY seq LIMIT %s", customer_id, seq, limit)


def events_between(
    customer_id: int, start: datetime, end: datetime, *, up_to_seq: int | None = None
) -> list[StoredEvent]:
    """The events that happened in ``[start, end)``, in the order stored; with ``up_to_seq`` only those stored by then."""
    known = "" if up_to_seq is None else f"AND seq <= {int(up_to_seq)}"
    return _events(
        f"occurred_at >= %s AND occurred_at < %s {known} ORDER BY seq", customer_id, start, end
    )


def unpriced_events(customer_id: int, limit: int) -> list[StoredEvent]:
    """Events of which some bucket had no price when they were last looked at."""
    return _events("unpriced ORDER BY seq LIMIT %s", customer_id, limit)


def _events(where: str, customer_id: int, *values: Any) -> list[StoredEvent]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {COLUMNS} FROM metering_event WHERE customer_id = %s AND {where}", [customer_id, *values]
        )
        return [_stored(row) for row in cursor.fetchall()]


def _stored(row: tuple[Any, ...]) -> StoredEvent:
    event = StoredEvent._make(row)
    # Django leaves jsonb from a plain cursor as text.
    return event._replace(
        usage=decode(event.usage), run=event.run and decode(event.run), properties=decode(event.properties)
    )
