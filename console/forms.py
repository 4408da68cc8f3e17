"""Fields of a page's form: what was written, and what is wrong with it, by the names that the domain gives them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.http import QueryDict

from core.fields import Fields
from core.pages.tables import YEARS
from core.problems import Problem

Errors = Mapping[str, str]


@dataclass(frozen=True)
class Input:
    """One field. ``kind`` is the input's type, or ``select`` (with ``choices``) or ``lines`` (a text of several lines)."""

    name: str
    label: str
    value: str = ""
    error: str = ""
    kind: str = "text"
    help: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    required: bool = False
    reloads: bool = False

    @property
    def id(self) -> str:
        """The field's name as an id that needs no escaping in a selector."""
        return "in-" + "".join(letter if letter.isalnum() else "-" for letter in self.name)

    def filled(self, given: Mapping[str, Any], errors: Errors) -> "Input":
        value = given.get(self.name, self.value)
        return replace(self, value="" if value is None else str(value), error=errors.get(self.name, ""))


def filled(inputs: Iterable[Input], given: Mapping[str, Any], errors: Errors) -> list[Input]:
    return [field.filled(given, errors) for field in inputs]


def errors_of(problem: Problem) -> dict[str, str]:
    """The first thing wrong with each field; what belongs to none of them stands under ""."""
    found: dict[str, str] = {}
    for error in problem.errors:
        found.setdefault(error.field, error.detail)
    return found or {"": problem.detail}


def written(post: QueryDict, *names: str) -> dict[str, str]:
    """What was written into the fields, without those left empty."""
    given = {name: str(post.get(name, "")).strip() for name in names}
    return {name: text for name, text in given.items() if text}


def read_day(fields: Fields, name: str) -> date | None:
    """A day as a browser sends it; None where the field is empty."""

    def parse(value: Any) -> date:
        try:
            day = date.fromisoformat(value)
        except (TypeError, ValueError):
            raise ValueError("Write a day: 2026-01-31.") from None
        if not YEARS[0] <= day.year <= YEARS[1]:
            raise ValueError(f"Write a year from {YEARS[0]} to {YEARS[1]}.")
        return day

    found: date | None = fields.parsed(name, parse, None, code="date", stand_in=None)
    return found


def day_start(day: date, zone: str = "UTC") -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def day_end(day: date, zone: str = "UTC") -> datetime:
    """The first instant after the day."""
    return day_start(day + timedelta(days=1), zone)
