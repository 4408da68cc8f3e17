"""What an answer of the server means for the events that were sent."""

import json
from dataclasses import dataclass
from typing import Any

from burnline.transport import Answer

AGAIN = (408, 425, 429)


@dataclass(frozen=True)
class Rejection:
    """One event that will not be stored, however often it is sent: its place in the batch, and why."""

    index: int
    code: str
    detail: str


@dataclass(frozen=True)
class Taken:
    """Every event has its answer."""

    accepted: int
    duplicates: int
    rejected: tuple[Rejection, ...]


@dataclass(frozen=True)
class Later:
    """Nothing is known to be stored; send the same again, after ``wait`` seconds where the server says so."""

    why: str
    wait: float | None = None


@dataclass(frozen=True)
class Apart:
    """The batch was refused as a whole: a part of it may be good. Of one event alone, this is its rejection."""

    code: str
    detail: str


@dataclass(frozen=True)
class Halt:
    """Sending more is no use until a person has changed something."""

    why: str


def meaning_of(answer: Answer, events: int) -> Taken | Later | Apart | Halt:
    """What to do after ``answer`` to a batch of so many events."""
    body = _object(answer.body)
    status = answer.status
    if status in (200, 409, 422) and (taken := _taken(body, events)) is not None:
        return taken
    if status == 200:
        return Later("The answer is not one of Burnline's; is the address right?")
    if status in AGAIN or status >= 500:
        return Later(f"The server answered {status}: {_detail(body)}", answer.wait)
    if status == 413:
        return Apart("too_large", "The server does not take an event of this size.")
    # What merely stands before Burnline also answers 400: that must not cost a single event.
    if status in (400, 409, 422) and isinstance(body.get("code"), str):
        return Apart(body["code"], _detail(body))
    return Halt(f"The server answered {status}: {_detail(body)}")


def _taken(body: dict[str, Any], events: int) -> Taken | None:
    accepted, duplicates, rejected = (body.get(name) for name in ("accepted", "duplicates", "rejected"))
    if not isinstance(accepted, int) or not isinstance(duplicates, int) or not isinstance(rejected, list):
        return None
    told = {
        item["index"]: Rejection(item["index"], str(item.get("code")), str(item.get("detail")))
        for item in rejected
        if isinstance(item, dict) and isinstance(item.get("index"), int) and 0 <= item["index"] < events
    }
    if accepted + duplicates + len(told) != events:
        return None
    return Taken(accepted, duplicates, tuple(told.values()))


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _detail(body: dict[str, Any]) -> str:
    return str(body.get("detail") or body.get("title") or "no reason was given")[:500]
