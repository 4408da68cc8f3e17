"""The hash that tells a resent event from another one under the same id."""

from datetime import UTC
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import msgspec

from metering.new_event import NewEvent, plain_count

HASH_BYTES = 16
TEXT_ALONE = frozenset({str})
_encode = msgspec.json.Encoder(order="deterministic").encode


def content_hash(event: NewEvent) -> bytes:
    """16 bytes over what the event means, not over how it was written.

    The order of names, ``1`` or ``1.0``, ``5`` or ``"5"``, and the offset a time is written with do not
    matter. Where the provider's own usage was sent, it counts and not our reading of it, so that a better
    reading later is no conflict.
    """
    return blake2b(
        _encode(
            (
                event.type,
                event.occurred_at.astimezone(UTC) if event.time_given else None,
                event.provider,
                event.model,
                event.context,
                event.usage_text if event.raw is None else _canonical(event.raw),
                plain_count(event.quantity),
                event.status,
                event.latency_ms,
                event.hold,
                event.run_id,
                _canonical(event.run or {}),
                _canonical(event.properties),
            )
        ),
        digest_size=HASH_BYTES,
    ).digest()


def _canonical(value: Any) -> Any:
    """Numbers as plain text, so that ``5``, ``5.0`` and ``"5"`` are one; everything else as it is."""
    kind = type(value)
    if kind is dict:
        # Nearly always texts alone, which need no walk.
        return value if set(map(type, value.values())) <= TEXT_ALONE else _canonical_items(value)
    if kind is Decimal:
        return plain_count(value)
    if kind is int:
        return str(value)
    if kind is list:
        return [_canonical(item) for item in value]
    return value


def _canonical_items(value: dict[str, Any]) -> dict[str, Any]:
    return {name: _canonical(item) for name, item in value.items()}
