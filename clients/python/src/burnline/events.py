"""The event that a call of ``track()`` tells, as the line of JSON that is spooled and sent."""

import json
import os
import time
from datetime import datetime, timezone
from typing import Any

from burnline.plain_values import Plain, Unwritable
from burnline.responses import essence, response_id
from burnline.settings import is_name

EVENT_BYTES_MAX = 1_000_000
# What the server takes; it refuses an event with more.
PROPERTIES_MAX = 50
LATENCY_MS_MAX = 2**31 - 1
TEXTS = ("customer", "type", "provider", "model", "service_tier", "api", "status")
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class Unreadable(ValueError):
    """An event cannot be made of this. ``kept`` is what could be read of it."""

    def __init__(self, detail: str, kept: dict[str, Any]) -> None:
        super().__init__(detail)
        self.kept = kept


def make_event(source: str, told: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The event, and what is wrong with properties, or a latency, that were left out of it.

    Its id is the caller's, else that of the provider's response, else a new one. Its time is the caller's, else
    now. What decides over money (usage, quantity, time, id) is never guessed: raises ``Unreadable`` for it.
    """
    event: dict[str, Any] = {"id": None, "source": source}
    omitted: list[str] = []
    name = ""
    try:
        for name in TEXTS:
            if (value := told[name]) is not None:
                event[name] = Plain().value(value)
        for name, read in READERS.items():
            if (value := told[name]) is not None:
                event[name] = read(value)
        if told["latency_ms"] is not None:
            _latency(told["latency_ms"], event, omitted)
        name = "time"
        event["time"] = _time(told["time"])
        name = "properties"
        if told["properties"] is not None:
            event["properties"] = _properties(told["properties"], omitted)
        name = "id"
        event["id"] = _id(told["id"], event.get("response"))
    except Exception as error:
        why = str(error) if isinstance(error, Unwritable) else f"{type(error).__name__} while it was read."
        raise Unreadable(f"{name}: {why}", event) from error
    return event, omitted


def as_line(event: dict[str, Any]) -> bytes:
    """The event as one line of ASCII. Raises ``Unreadable``."""
    try:
        line = _encode(event).encode("ascii")
    except (ValueError, TypeError, RecursionError) as error:
        raise Unreadable(f"It cannot be written as JSON: {type(error).__name__}.", {}) from error
    if len(line) > EVENT_BYTES_MAX:
        raise Unreadable(f"It has {len(line)} bytes; at most {EVENT_BYTES_MAX} are sent.", {})
    return line


def new_id() -> str:
    """A UUID of version 7: no two alike in any process, and in the order of time."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    number = number & ~(0xF << 76) | 7 << 76
    text = f"{number & ~(0b11 << 62) | 0b10 << 62:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _usage(value: Any) -> dict[str, Any]:
    return Plain().fields_of(value)


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise Unwritable("Write a number.")
    return Plain().value(value)


def _run(value: Any) -> dict[str, Any]:
    return {"id": value} if isinstance(value, str) else Plain().fields_of(value)


READERS = {
    "usage": _usage,
    "response": essence,
    "quantity": _number,
    "run": _run,
}


def _latency(given: Any, event: dict[str, Any], omitted: list[str]) -> None:
    """Whole milliseconds, where they are some: a clock that was set back meanwhile must not cost the event."""
    try:
        whole = round(given)
    except Exception:
        whole = -1
    if isinstance(whole, int) and not isinstance(given, bool) and 0 <= whole <= LATENCY_MS_MAX:
        event["latency_ms"] = whole
    else:
        omitted.append("latency_ms: It is not a number of milliseconds.")


def _time(value: Any) -> str:
    if value is None:
        return _written(datetime.now(timezone.utc))
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _written(datetime.fromtimestamp(value, timezone.utc))
    if not isinstance(value, datetime):
        raise Unwritable("Write a datetime with a zone, RFC 3339 text, or seconds since 1970.")
    if value.utcoffset() is None:
        raise Unwritable("A datetime without a zone names no instant; give it one, such as timezone.utc.")
    return _written(value.astimezone(timezone.utc))


def _written(utc: datetime) -> str:
    return utc.isoformat(timespec="microseconds")[:-6] + "Z"


def _properties(given: Any, omitted: list[str]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for name, value in dict(given).items():
        try:
            if not isinstance(name, str):
                raise Unwritable("A name is no text.")
            if len(properties) >= PROPERTIES_MAX:
                raise Unwritable(f"At most {PROPERTIES_MAX} are kept.")
            properties[Plain().value(name)] = Plain().value(value)
        except Exception as error:
            why = (
                str(error) if isinstance(error, Unwritable) else f"{type(error).__name__} while it was read."
            )
            omitted.append(f"properties.{name[:80] if isinstance(name, str) else '?'}: {why}")
    return properties


def _id(given: Any, response: Any) -> str:
    if given is not None:
        if not is_name(text := str(given)):
            raise Unwritable("Write 1 to 255 printable ASCII characters, without blanks.")
        return text
    told = response_id(response) if isinstance(response, dict) else None
    return told if told is not None and is_name(told) else new_id()
