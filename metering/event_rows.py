"""Events as lines of COPY: the fastest way into Postgres that we measured (docs/adr).

A line is prepared before the customer's stream is locked; only its ``seq`` is put in front afterwards.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from core.money import plain
from metering.costing import cost_of_event
from metering.new_event import NewEvent

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
    "content_hash",
    "door",
    "cost",
    "cost_rows",
    "unpriced",
    "price_book",
)
# No text from outside holds this character, so it can stand for NULL and leave the empty text to itself.
_NULL = "\x02"
COPY = f"COPY metering_event ({', '.join(COLUMNS)}) FROM STDIN WITH (FORMAT text, NULL E'\\x02')"
_json = msgspec.json.Encoder().encode


def prepare_line(customer_id: int, event: NewEvent, digest: bytes, *, now: datetime) -> str:
    """The event's line without its ``seq``, priced as the price book stands."""
    cost = cost_of_event(event)
    line = "\t".join(
        (
            str(customer_id),
            event.id,
            event.source,
            event.type,
            event.occurred_at.isoformat(),
            now.isoformat(),
            event.provider,
            event.model,
            event.context,
            _json_text({name: plain(count) for name, count in event.usage.items()}),
            plain(event.quantity),
            event.status,
            _NULL if event.latency_ms is None else str(event.latency_ms),
            event.hold,
            event.run_id,
            _NULL if event.run is None else _json_text(event.run),
            _json_text(event.properties),
            _NULL if event.raw is None else _json_text(event.raw | {"flags": event.flags}),
            event.mapping_version,
            "\\x" + digest.hex(),
            event.door,
            _number_text(cost.amount),
            _json_text(cost.rows),
            "t" if cost.unpriced or event.incomplete else "f",
            str(cost.book),
        )
    )
    return line.replace("\\", "\\\\")


def copy_data(lines: Sequence[str], *, first_seq: int) -> bytes:
    """The lines with their numbers, as COPY reads them."""
    return "".join([f"{seq}\t{line}\n" for seq, line in enumerate(lines, first_seq)]).encode()


def _json_text(value: Any) -> str:
    return _json(value).decode() if value else "{}"


def _number_text(number: Decimal) -> str:
    return format(number, "f")
