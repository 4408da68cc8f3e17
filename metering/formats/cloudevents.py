"""CloudEvents 1.0 over HTTP: structured, batched, and binary.

``subject`` names the customer. ``data`` may hold our own fields (``usage``, ``model``, ``properties``, …);
what else is in it becomes properties, and so do extension attributes.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import unquote

from core import limits, texts
from core.problems import Invalid
from core.strict_json import RefusedText
from metering.formats.event_json import decode_events
from metering.formats.native import read_event
from metering.new_event import NewEvent
from metering.reading import Reading, read_each, read_one

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
DOOR = "cloudevents"
HEADER = "ce-"

ATTRIBUTES = frozenset(
    ["specversion", "id", "source", "type", "time", "subject", "data", "datacontenttype", "dataschema"]
)
# A name of ours in `data` is ours only with the kind of value that we put there: `status: 200` is somebody's
# property.
_OURS: Mapping[str, type | tuple[type, ...]] = {
    "usage": dict,
    "response": dict,
    "run": dict,
    "properties": dict,
    "provider": str,
    "model": str,
    "api": str,
    "service_tier": str,
    "status": str,
    "hold": str,
    "response_id": str,
    "latency_ms": int,
}


def read_structured(body: bytes, *, now: datetime, customer: str | None) -> Reading:
    """One CloudEvent as a JSON object. Raises ``Malformed``."""
    return read_one(decode_events(body), partial(read_cloud_event, now=now, customer=customer))


def read_batch(body: bytes, *, now: datetime, customer: str | None) -> Reading:
    """An array of CloudEvents. Raises ``Malformed``; ``Invalid`` for what is no array, or too long a one."""
    items = decode_events(body)
    if not isinstance(items, list) or not items:
        raise Invalid.one("", "list", "Write an array of CloudEvents: [{…}, …].")
    if len(items) > limits.BATCH_EVENTS_MAX:
        raise Invalid.one("events", "too_many", f"A batch holds at most {limits.BATCH_EVENTS_MAX} events.")
    return read_each(items, partial(read_cloud_event, now=now, customer=customer))


def read_binary(headers: Mapping[str, str], body: bytes, *, now: datetime, customer: str | None) -> Reading:
    """One CloudEvent whose attributes are ``ce-`` headers and whose body is its data.

    Raises ``Malformed``.
    """
    item: dict[str, Any] = {
        name.lower().removeprefix(HEADER): _text(unquote(value))
        for name, value in headers.items()
        if name.lower().startswith(HEADER)
    }
    if body.strip():
        item["data"] = decode_events(body)
    return read_one(item, partial(read_cloud_event, now=now, customer=customer))


def _text(value: str) -> str | RefusedText:
    """What a header says, which can be any character."""
    return RefusedText() if texts.UNSTORABLE.search(value) else value


def read_cloud_event(
    item: Any, path: str = "", *, now: datetime, customer: str | None = None, door: str = DOOR
) -> NewEvent:
    """The event that one CloudEvent tells. Raises ``Invalid``."""
    return read_event(as_native(item, path), path, now=now, customer=customer, door=door)


def as_native(item: Any, path: str = "") -> dict[str, Any]:
    """The CloudEvent in our own shape, not yet checked. Raises ``Invalid`` for what is no CloudEvent 1.0."""
    prefix = f"{path}." if path else ""
    if not isinstance(item, dict):
        raise Invalid.one(path, "object", "Write a CloudEvent as a JSON object.")
    if item.get("specversion") != "1.0":
        raise Invalid.one(
            f"{prefix}specversion", "specversion", 'Write "1.0", the version of CloudEvents read here.'
        )
    if "data_base64" in item:
        raise Invalid.one(f"{prefix}data_base64", "unknown_field", "Send `data` as JSON.")
    if item.get("source") is None:
        raise Invalid.one(f"{prefix}source", "required", "It is required, and part of the event's identity.")
    data = item.get("data")
    if data is not None and not isinstance(data, dict):
        raise Invalid.one(f"{prefix}data", "object", "Write the event's data as a JSON object.")
    native: dict[str, Any] = {name: item[name] for name in ("id", "source", "type", "time") if name in item}
    native["customer"] = item.get("subject")
    properties = {name: value for name, value in item.items() if name not in ATTRIBUTES}
    for name, value in (data or {}).items():
        if name == "quantity" or (name in _OURS and isinstance(value, _OURS[name]) and value is not True):
            native[name] = value
        else:
            properties[name] = value
    native["properties"] = properties | native.get("properties", {})
    if native["customer"] is None:
        del native["customer"]
    return native
