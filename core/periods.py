"""Billing periods: half-open UTC intervals whose edges are local midnights, and shares of them.

A period's edges follow the wall clock of the customer's zone, so a period may be an hour short or long; a
day is a local day, whatever its length.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


@dataclass(frozen=True, order=True)
class Period:
    """The instants from ``start`` up to, and without, ``end``; both are aware datetimes in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for edge in (self.start, self.end):
            if edge.utcoffset() != timedelta(0):
                raise ValueError(f"A period's edges are in UTC; {edge!r} is not.")
        if self.end < self.start:
            raise ValueError(f"A period cannot end before it starts: {self.start} to {self.end}.")

    def __contains__(self, at: datetime) -> bool:
        return self.start <= at < self.end


@dataclass(frozen=True)
class Share:
    """A part of a whole, in whole units of the same kind: 10 of 31 days.

    >>> Share(10, 31) + Share(21, 31)
    Share(used=31, whole=31)
    """

    used: int
    whole: int

    def __post_init__(self) -> None:
        if not (self.whole > 0 and 0 <= self.used <= self.whole):
            raise ValueError(f"A share is between nothing and the whole, not {self.used} of {self.whole}.")

    def __add__(self, other: "Share") -> "Share":
        if other.whole != self.whole:
            raise ValueError(f"Shares of different wholes cannot be added: {self.whole} and {other.whole}.")
        return Share(self.used + other.used, self.whole)


def local_midnight(day: date, zone: str | ZoneInfo) -> datetime:
    """The first instant of a local day, in UTC.

    Where the clocks skip midnight, it is the first instant after the gap; where midnight comes twice, the
    first one.

    >>> local_midnight(date(2026, 3, 1), "America/New_York").isoformat()
    '2026-03-01T05:00:00+00:00'
    """
    return _midnight(day, _zone(zone))


def local_date(at: datetime, zone: str | ZoneInfo) -> date:
    """The local day that an instant belongs to: the one whose midnight came last.

    >>> local_date(datetime(2026, 3, 1, 4, 59, tzinfo=UTC), "America/New_York")
    datetime.date(2026, 2, 28)
    """
    region = _zone(zone)
    day = at.astimezone(region).date()
    following = day + timedelta(days=1)
    # Clocks set back across midnight show the old date again; the new day has begun all the same.
    return following if _midnight(following, region) <= at else day


def local_days(start: datetime, end: datetime, zone: str | ZoneInfo) -> int:
    """Local days from the day of ``start``, which counts, to the day of ``end``, which does not.

    So the day of a change counts for what begins on it, and days add up: [a, b) and [b, c) are [a, c).
    """
    return (local_date(end, zone) - local_date(start, zone)).days


def change_edge(at: datetime, zone: str | ZoneInfo) -> datetime:
    """Where a change divides a period by days: the day of a change belongs to the new version."""
    return local_midnight(local_date(at, zone), zone)


def termination_edge(at: datetime, zone: str | ZoneInfo) -> datetime:
    """Where a termination ends a period by days: the day of termination belongs to the old version."""
    return local_midnight(local_date(at, zone) + timedelta(days=1), zone)


def day_share(used: Period, whole: Period, zone: str | ZoneInfo) -> Share:
    """Local days used of the local days of the whole period; ``local_days`` says which days count."""
    _check_inside(used, whole)
    return Share(local_days(used.start, used.end, zone), local_days(whole.start, whole.end, zone))


def second_share(used: Period, whole: Period) -> Share:
    """Time used of the whole period's time, counted in microseconds."""
    _check_inside(used, whole)
    tick = timedelta(microseconds=1)
    return Share((used.end - used.start) // tick, (whole.end - whole.start) // tick)


def period_number(anchor: date, n: int, interval: str, zone: str | ZoneInfo, count: int = 1) -> Period:
    """Period n (0 is the first) of a subscription anchored on a local day; each lasts ``count`` intervals.

    Months are counted from the anchor and clamped to the month's last day, so the anchor's day comes back:

    >>> [period_number(date(2026, 1, 31), n, "month", "UTC").start.date().isoformat() for n in range(3)]
    ['2026-01-31', '2026-02-28', '2026-03-31']
    """
    _check_interval(interval, count)
    if n < 0:
        raise ValueError(f"Periods are numbered from 0, so there is no period {n}.")
    return Period(
        local_midnight(_edge(anchor, n * count, interval), zone),
        local_midnight(_edge(anchor, (n + 1) * count, interval), zone),
    )


def period_containing(
    anchor: date, interval: str, zone: str | ZoneInfo, at: datetime, count: int = 1
) -> tuple[int, Period]:
    """The number of the period that holds the instant, and the period.

    Raises ``ValueError`` for an instant before the first period.
    """
    _check_interval(interval, count)
    day = local_date(at, zone)
    if day < anchor:
        raise ValueError(f"{at.isoformat()} is before the first period, which starts on {anchor}.")
    if interval in _DAYS:
        n = (day - anchor).days // (_DAYS[interval] * count)
    else:
        months = (day.year - anchor.year) * 12 + day.month - anchor.month
        n = months // (_MONTHS[interval] * count)
        if n > 0 and _edge(anchor, n * count, interval) > day:
            n -= 1
    return n, period_number(anchor, n, interval, zone, count)


def months_before(at: datetime, months: int) -> datetime:
    """The same time of day so many months earlier, in UTC, clamped to the month's last day.

    >>> months_before(datetime(2026, 3, 31, 12, tzinfo=UTC), 1).isoformat()
    '2026-02-28T12:00:00+00:00'
    """
    instant = at.astimezone(UTC)
    return datetime.combine(_edge(instant.date(), -months, "month"), instant.timetz())


def _edge(anchor: date, steps: int, interval: str) -> date:
    if interval in _DAYS:
        return anchor + timedelta(days=steps * _DAYS[interval])
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + steps * _MONTHS[interval], 12)
    return date(year, month + 1, min(anchor.day, monthrange(year, month + 1)[1]))


@lru_cache(maxsize=4096)
def _midnight(day: date, zone: ZoneInfo) -> datetime:
    midnight = datetime.combine(day, time.min, zone)
    instant = midnight.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return instant
    # The clocks skip this midnight. Read with the offset from after the gap it lies before the instant of the
    # gap, read with the one from before it lies after: search between for the first with the new offset.
    before, after = midnight.replace(fold=1).astimezone(UTC), instant
    offset = after.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after.replace(microsecond=0)


def _zone(zone: str | ZoneInfo) -> ZoneInfo:
    return zone if isinstance(zone, ZoneInfo) else ZoneInfo(zone)


def _check_interval(interval: str, count: int) -> None:
    if interval not in _DAYS and interval not in _MONTHS:
        raise ValueError(f"{interval!r} is not an interval; use day, week, month, quarter or year.")
    if count < 1:
        raise ValueError(f"A period lasts one interval or more, not {count}.")


def _check_inside(used: Period, whole: Period) -> None:
    if used.start < whole.start or used.end > whole.end:
        raise ValueError(f"The used time {used} lies outside the whole period {whole}.")
