"""Fields that gateways and instrumentations fill in by themselves, and nobody can be asked to correct.

What identifies an event or is billed is read as strictly as at every door. The rest is kept where it fits, cut
where it is long, and left out where it cannot be stored: usage is worth more than its labels.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from core import limits, money, texts
from core.problems import FieldError, Invalid
from core.times import render_time

# The event's time is known to the microsecond; Decimal(10) ** 6 of them make a second.
MICROSECONDS = Decimal(10) ** 6
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
SECONDS_LIMIT = (limits.YEAR_MAX - 1970) * 366 * 86_400

Plain = str | int | bool


def fitting_id(value: Any) -> str | None:
    """The value where it can be an id, else None."""
    try:
        return texts.clean_id(value) if isinstance(value, str) else None
    except texts.TextError:
        return None


def fitting_text(value: Any, most: int = limits.TELEMETRY_TEXT_CHARACTERS_MAX) -> str | None:
    """The text, cut to ``most`` characters; None where there is none, or where it cannot be stored."""
    if not isinstance(value, str) or not value:
        return None
    try:
        return texts.clean_text(value[:most], most=most) or None
    except texts.TextError:
        return None


def fitting_property(value: Any) -> Plain | None:
    """A label as it is kept: a text, a whole number, a decimal as text, or yes and no."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | Decimal):
        number = Decimal(value)
        if not number.is_finite() or abs(number) >= 10**20:
            return None
        return int(number) if isinstance(value, int) else money.shown(number)
    return fitting_text(value)


def labels(pairs: dict[str, Any]) -> dict[str, Plain]:
    """Properties out of what was told, without what cannot be kept, and never more than an event may have."""
    kept: dict[str, Plain] = {}
    for name, value in pairs.items():
        label = fitting_property(value)
        if label is not None and fitting_text(name) == name and len(kept) < limits.EVENT_PROPERTIES_MAX:
            kept[name] = label
    return kept


def time_of_epoch(value: Any, field: str) -> str | None:
    """Seconds since 1970, as a number or its digits, as RFC 3339; None where none are told.

    Exact to the microsecond. Raises ``Invalid`` naming ``field``.

    >>> time_of_epoch(Decimal("1795253270.942745"), "startTime")
    '2026-11-21T09:27:50.942745Z'
    """
    if value is None or value == "":
        return None
    try:
        seconds = value if isinstance(value, Decimal) else money.parse_number(value)
    except money.NumberError:
        seconds = None
    if seconds is None or not seconds.is_finite() or not 0 <= seconds < SECONDS_LIMIT:
        raise Invalid.one(field, "time", "Write seconds since 1970, such as 1795253270.942.")
    return render_time(BEGINNING + timedelta(microseconds=int(seconds * MICROSECONDS)))


def milliseconds_between(start: Any, end: Any) -> int | None:
    """The whole milliseconds from one count of seconds to another; None where they make no duration."""
    if not all(isinstance(side, int | Decimal) and not isinstance(side, bool) for side in (start, end)):
        return None
    between = (Decimal(end) - Decimal(start)) * 1000
    return int(between) if 0 <= between <= limits.LATENCY_MS_MAX else None


def in_their_words(refused: Invalid, place: str, fields: Mapping[str, str]) -> Invalid:
    """The refusal of an event in our own shape, with the sender's names for the fields: ``fields`` leads from ours to them."""

    def theirs(field: str) -> str:
        ours = field.removeprefix(place)
        return place + fields.get(ours, ours)

    errors = tuple(FieldError(theirs(error.field), error.code, error.detail) for error in refused.errors)
    return Invalid(errors[0].detail, errors)
