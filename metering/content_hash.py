"""The hash that tells a resent event from another one under the same id."""

from datetime import UTC
from decimal import Decimal
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from metering.new_event import NewEvent, plain_count

HASH_BYTES = 16
NOTHING: dict[str, Any] = {}
_encode = msgspec.json.Encoder(order="deterministic").encode


class WrittenEvent(NamedTuple):
    """An event with its hash, and those of its parts as text that the hash and the row share: written once for both."""

    event: NewEvent
    digest: bytes
    occurred_at: str
    usage: str
    quantity: str
    properties: str


def content_hash(event: NewEvent) -> bytes:
    """16 bytes over what the event means, not over how it was written.

    The order of names, ``1`` or ``1.0``, ``5`` or ``"5"``, and the offset a time is written with do not
    matter. Where the provider's own usage was sent, it counts and not our reading of it, so that a better
    reading later is no conflict.
    """
    return write_event(event).digest


def write_event(event: NewEvent) -> WrittenEvent:
    """The event with its ``content_hash``."""
    occurred_at = _encode(event.occurred_at.astimezone(UTC))
    usage = _encode(event.usage_text)
    quantity = plain_count(event.quantity)
    properties = _encode(event.properties)
    meant = _canonical(event.properties)
    content = _encode(
        (
            event.type,
            Raw(occurred_at) if event.time_given else None,
            event.provider,
            event.model,
            event.context,
            Raw(usage) if event.raw is None else _canonical(event.raw),
            quantity,
            event.status,
            event.latency_ms,
            event.hold,
            event.run_id,
            {name: str(value) for name, value in event.run.items()} if event.run else NOTHING,
            Raw(properties) if meant is event.properties else meant,
        )
    )
    return WrittenEvent(
        event,
        blake2b(content, digest_size=HASH_BYTES).digest(),
        occurred_at.decode()[1:-1],
        usage.decode(),
        quantity,
        properties.decode(),
    )


def _canonical(value: Any) -> Any:
    """Numbers as plain text, so that ``5``, ``5.0`` and ``"5"`` are one; everything else as it is."""
    kind = type(value)
    if kind is dict:
        try:
            "".join(value.values())  # nearly always texts alone, which need no walk
        except TypeError:
            return {name: _canonical(item) for name, item in value.items()}
        return value
    if kind is Decimal:
        return plain_count(value)
    if kind is int:
        return str(value)
    if kind is list:
        return [_canonical(item) for item in value]
    return value
