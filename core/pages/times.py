"""Instants and days as people read them, always with the zone they are told in."""

from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from core.periods import Period

DURATIONS = ((86_400, "day", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s"))


def moment(at: datetime, zone: str) -> str:
    """
    >>> from datetime import UTC
    >>> moment(datetime(2026, 11, 21, 9, 5, tzinfo=UTC), "Europe/Berlin")
    '21 Nov 2026, 10:05 CET'
    """
    local = at.astimezone(ZoneInfo(zone))
    return f"{day(local.date())}, {local:%H:%M} {_zone_name(local, zone)}"


def moment_to_the_second(at: datetime, zone: str) -> str:
    local = at.astimezone(ZoneInfo(zone))
    return f"{day(local.date())}, {local:%H:%M:%S} {_zone_name(local, zone)}"


def clock_time(at: datetime, zone: str) -> str:
    local = at.astimezone(ZoneInfo(zone))
    return f"{local:%H:%M:%S} {_zone_name(local, zone)}"


def day(value: date) -> str:
    """
    >>> day(date(2026, 12, 1))
    '1 Dec 2026'
    """
    return f"{value.day} {value:%b %Y}"


def short_day(value: date) -> str:
    return f"{value.day} {value:%b}"


def long_day(value: date) -> str:
    """
    >>> long_day(date(2026, 12, 1))
    '1 December'
    """
    return f"{value.day} {value:%B}"


def local_day(at: datetime, zone: str) -> date:
    return at.astimezone(ZoneInfo(zone)).date()


def span(period: Period, zone: str) -> str:
    """First and last day of a half-open period.

    >>> from datetime import UTC
    >>> span(Period(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)), "UTC")
    '1 – 30 Nov 2026'
    """
    first = local_day(period.start, zone)
    last = local_day(period.end - timedelta(microseconds=1), zone)
    if first == last:
        return day(first)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} – {day(last)}"
    return f"{short_day(first) if first.year == last.year else day(first)} – {day(last)}"


def ago(at: datetime, now: datetime) -> str:
    """
    >>> from datetime import UTC
    >>> now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    >>> [ago(now - timedelta(seconds=s), now) for s in (2, 80, 4000, 200_000)]
    ['just now', '1 minute ago', '1 hour ago', '2 days ago']
    """
    seconds = max(int((now - at).total_seconds()), 0)
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {name}{'' if count == 1 else 's'} ago"
    return "just now" if seconds < 10 else f"{seconds} seconds ago"


def duration(seconds: Decimal) -> str:
    """How long something took: its two largest units, and below a minute with one decimal.

    >>> [duration(Decimal(text)) for text in ("0", "0.42", "59.96", "61", "9891.74", "172800", "900000")]
    ['0 s', '0.4 s', '1 min', '1 min 1 s', '2 h 44 min', '2 days', '10 days 10 h']
    """
    tenths = seconds.quantize(Decimal("0.1"), ROUND_HALF_UP)
    if tenths < 60:
        return f"{tenths.normalize():f} s"
    left = int(tenths)
    for size, name, next_size, next_name in DURATIONS:
        if left >= size:
            count, rest = left // size, left % size // next_size
            unit = f"{name}s" if name == "day" and count > 1 else name
            return f"{count} {unit}" + (f" {rest} {next_name}" if rest else "")
    raise AssertionError("a minute is the smallest of them")


def days_of(period: Period, zone: str) -> list[date]:
    """Every local day that the period touches."""
    first = local_day(period.start, zone)
    last = local_day(period.end - timedelta(microseconds=1), zone)
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _zone_name(local: datetime, zone: str) -> str:
    # Some zones have no letters of their own ("+07"): then the full name says more.
    name = local.tzname() or zone
    return name if name.isalpha() else zone
