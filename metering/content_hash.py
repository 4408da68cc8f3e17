"""The hash that tells a resent event from another one under the same id."""

from collections.abc import Mapping
from datetime import UTC
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import msgspec

from core.money import plain
from metering.new_event import NewEvent

HASH_BYTES = 16
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
                _canonical(event.usage if event.raw is None else event.raw),
                plain(event.quantity),
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
    if kind is str or value is None or kind is bool:
        return value
    if kind is int:
        return str(value)
    if kind is Decimal:
        return plain(value)
    if isinstance(value, Mapping):
        return {name: item if type(item) is str else _canonical(item) for name, item in value.items()}
    return [_canonical(item) for item in value]
