"""Instants as text: RFC 3339 with an offset, in and out."""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from zoneinfo import available_timezones

from core import limits

_TIME = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))",
    re.ASCII,
)
EXAMPLE = "2026-11-21T09:00:00Z"


class TimeError(ValueError):
    """The text is not an instant; the message says what would be right."""


def parse_time(text: object) -> datetime:
    """The instant in UTC. An offset (or ``Z``) is required: a local time without one names no instant.

    Digits beyond the microsecond are cut. A leap second, ``:60``, counts as the last microsecond of its
    minute, so that it stays in the hour it ended. Raises ``TimeError``.

    >>> parse_time("2026-11-21T10:00:00+01:00").isoformat()
    '2026-11-21T09:00:00+00:00'
    >>> parse_time("2016-12-31T23:59:60Z").isoformat()
    '2016-12-31T23:59:59.999999+00:00'
    """
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise TimeError(f"Write an RFC 3339 time with its offset, such as {EXAMPLE}.")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, sign, offset_hours, offset_minutes = match.groups()[6:]
    microsecond = int((fraction or "0")[:6].ljust(6, "0"))
    if second == 60:
        second, microsecond = 59, 999_999
    try:
        at = datetime(
            year, month, day, hour, minute, second, microsecond, _offset(sign, offset_hours, offset_minutes)
        )
    except ValueError:
        raise TimeError(f"There is no such time; write one such as {EXAMPLE}.") from None
    # Compared before conversion: near the first and last year of the calendar the conversion itself
    # overflows.
    if not limits.YEAR_MIN < year < limits.YEAR_MAX:
        raise TimeError(f"The year must lie between {limits.YEAR_MIN} and {limits.YEAR_MAX}.")
    return at.astimezone(UTC)


def render_time(at: datetime) -> str:
    """The instant as the API writes it: UTC, with ``Z``, with microseconds only where there are any.

    >>> render_time(datetime(2026, 11, 21, 9, tzinfo=UTC))
    '2026-11-21T09:00:00Z'
    """
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_zone(name: object) -> str:
    """The IANA name of a time zone, such as ``Europe/Berlin``. Raises ``TimeError``."""
    if not isinstance(name, str) or name not in _zones():
        raise TimeError("Write the IANA name of a time zone, such as UTC or America/New_York.")
    return name


@cache
def _zones() -> frozenset[str]:
    # "localtime" and its like mean another zone on each machine.
    return frozenset(zone for zone in available_timezones() if zone[0].isupper() and zone != "Factory")


def _offset(sign: str | None, hours: str | None, minutes: str | None) -> timezone:
    if sign is None:
        return UTC
    if int(hours or 0) > 23 or int(minutes or 0) > 59:
        raise ValueError("offset")
    delta = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    return timezone(-delta if sign == "-" else delta)
