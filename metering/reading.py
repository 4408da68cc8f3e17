"""What a body held: the events that could be read, and what is wrong with the others."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from core.problems import FieldError, Invalid
from metering.new_event import NewEvent


@dataclass(frozen=True, slots=True)
class Refusal:
    """One event that is not taken in: its place in the batch, its id where it has one, and every reason.

    ``item`` is what was sent, as its door reads it; None where it is kept elsewhere, or cannot be read.
    """

    index: int
    id: str | None
    errors: tuple[FieldError, ...]
    item: Any = None

    @property
    def detail(self) -> str:
        """The first reason, with its place."""
        first = self.errors[0]
        return f"{first.field}: {first.detail}" if first.field else first.detail

    def as_json(self) -> dict[str, Any]:
        return {"index": self.index, "id": self.id, "code": self.errors[0].code, "detail": self.detail}


@dataclass(slots=True)
class Reading:
    """The events of one body, in order.

    ``positions`` holds each event's place; ``lone`` is a single bare event.
    """

    lone: bool
    events: list[NewEvent] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


ReadOne = Callable[[Any, str], NewEvent]


def read_one(item: Any, read: ReadOne) -> Reading:
    """A body that is one event."""
    reading = Reading(lone=True)
    _read_into(reading, 0, item, "", read)
    return reading


def read_each(items: Iterable[Any], read: ReadOne) -> Reading:
    """A body that is a batch.

    Each item is read, or refused, by itself. Its place is written ``events[3]``.
    """
    reading = Reading(lone=False)
    for index, item in enumerate(items):
        _read_into(reading, index, item, f"events[{index}]", read)
    return reading


def _read_into(reading: Reading, index: int, item: Any, path: str, read: ReadOne) -> None:
    try:
        reading.events.append(read(item, path))
        reading.positions.append(index)
    except Invalid as refused:
        named = item.get("id") if isinstance(item, dict) else None
        event_id = named if isinstance(named, str) else None
        reading.refusals.append(Refusal(index, event_id, refused.errors, item))
