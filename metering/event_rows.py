"""Events as rows of Postgres: lines of COPY, the fastest way in for many; one statement, the cheapest for a few.

A line is prepared before the customer's stream is locked; only its ``seq`` is added afterwards.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from core.copying import NULL, copy_into, copy_line
from metering.content_hash import WrittenEvent
from metering.costing import cost_of_event

COLUMNS = (
    "seq",
    "customer_id",
    "event_id",
    "source",
    "type",
    "occurred_at",
    "recorded_at",
    "provider",
    "model",
    "context",
    "usage",
    "quantity",
    "status",
    "latency_ms",
    "hold",
    "run_id",
    "run",
    "properties",
    "raw",
    "mapping_version",
    "door",
    "cost",
    "cost_rows",
    "unpriced",
    "price_book",
    "content_hash",
)
COPY = copy_into("metering_event", COLUMNS)
_json = msgspec.json.Encoder().encode

# Up to here one statement, with its one round trip, takes less work than a transaction around COPY.
FEW_EVENTS = 20
_CASTS = {
    "customer_id": "bigint",
    "occurred_at": "timestamptz",
    "recorded_at": "timestamptz",
    "usage": "jsonb",
    "quantity": "numeric",
    "latency_ms": "integer",
    "run": "jsonb",
    "properties": "jsonb",
    "raw": "jsonb",
    "content_hash": "bytea",
    "cost": "numeric",
    "cost_rows": "jsonb",
    "unpriced": "boolean",
    "price_book": "bigint",
}
_VALUES = ", ".join(f"(row.value ->> {n})::{_CASTS.get(name, 'text')}" for n, name in enumerate(COLUMNS[1:]))
# Moves the customer's stream on by as many as are stored, and stores them, all or none.
INSERT_FEW = f"""
WITH moved AS (
    INSERT INTO metering_eventstream AS stream (customer_id, last_seq)
    SELECT id, %(count)s FROM customers_customer WHERE id = %(customer)s
    ON CONFLICT (customer_id) DO UPDATE SET last_seq = stream.last_seq + excluded.last_seq RETURNING last_seq)
INSERT INTO metering_event ({", ".join(COLUMNS)}) SELECT moved.last_seq - %(count)s + row.n, {_VALUES}
FROM moved, jsonb_array_elements(%(rows)s::jsonb) WITH ORDINALITY AS row (value, n)
"""


def prepare_line(customer_id: int, written: WrittenEvent, *, recorded_at: str) -> str:
    """The event's line without its ``seq``, priced as the price book stands."""
    event = written.event
    cost = cost_of_event(event)
    fields = (
        str(customer_id),
        event.id,
        event.source,
        event.type,
        written.occurred_at,
        recorded_at,
        event.provider,
        event.model,
        event.context,
        written.usage,
        written.quantity,
        event.status,
        NULL if event.latency_ms is None else str(event.latency_ms),
        event.hold,
        event.run_id,
        NULL if event.run is None else _json_text(event.run),
        written.properties,
        NULL if event.raw is None else _json_text(event.raw | {"flags": event.flags}),
        event.mapping_version,
        event.door,
        format(cost.amount, "f"),
        _json_text(cost.rows),
        "t" if cost.unpriced or event.incomplete else "f",
        str(cost.book),
    )
    return f"{copy_line(fields)}\t\\\\x{written.digest.hex()}"


def copy_data(lines: Sequence[str], *, first_seq: int) -> bytes:
    """The lines with their numbers, as COPY reads them."""
    return "".join([f"{seq}\t{line}\n" for seq, line in enumerate(lines, first_seq)]).encode()


def json_rows(lines: Sequence[str]) -> str:
    """The same lines as ``INSERT_FEW`` reads them. No text of an event holds a tab: within JSON it is written out."""
    rows = [
        [None if field == NULL else field for field in line.replace("\\\\", "\\").split("\t")]
        for line in lines
    ]
    return _json(rows).decode()


def _json_text(value: dict[str, Any]) -> str:
    return _json(value).decode() if value else "{}"
