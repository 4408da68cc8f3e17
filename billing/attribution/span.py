"""The span of a question: from one instant to another, or from one day to another in each customer's own zone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from core import limits
from core.fields import Fields
from core.periods import local_date, local_midnight
from core.times import TimeError, parse_time, render_time
from customers.models import Customer
from metering.event_columns import Sql

DAYS_DEFAULT = 30
WRITE = "Write a day, such as 2026-11-01, or a time with its offset, such as 2026-11-01T09:00:00Z."


@dataclass(frozen=True)
class Span:
    """Half-open, as instants by zone: one pair where every customer's is the same, else one for each zone."""

    edges: tuple[tuple[str, datetime, datetime], ...]
    first: str
    last: str

    @property
    def start(self) -> datetime:
        """The earliest start."""
        return min(edge[1] for edge in self.edges)

    @property
    def end(self) -> datetime:
        """The latest end."""
        return max(edge[2] for edge in self.edges)

    @property
    def length(self) -> timedelta:
        return max(edge[2] - edge[1] for edge in self.edges)

    def sql(self, column: str) -> tuple[Sql, Sql]:
        """A table to join, and the condition, for an instant of the customer ``c``."""
        within = Sql(f"{column} >= %s AND {column} < %s", (self.start, self.end))
        if len(self.edges) == 1:
            return Sql(""), within
        rows = ", ".join("(%s, %s::timestamptz, %s::timestamptz)" for _ in self.edges)
        values = tuple(value for edge in self.edges for value in edge)
        table = Sql(f"JOIN (VALUES {rows}) z(zone, starts, ends) ON z.zone = c.timezone", values)
        return table, Sql(f"{column} >= z.starts AND {column} < z.ends AND {within.text}", within.values)

    def on_full_hours(self) -> bool:
        """Whether the edges are full hours of each zone, so that no hourly sum is cut."""
        return all(_is_full_hour(at, zone) for zone, *pair in self.edges for at in pair)


def instants(start: datetime, end: datetime, zones: Sequence[str] = ("UTC",)) -> Span:
    """From one instant to another, the same for customers of all zones."""
    edges = tuple((zone, start, end) for zone in zones)
    return Span(edges, render_time(start), render_time(end))


def days(first: date, end: date, zones: Sequence[str]) -> Span:
    """From the start of one day to the start of another, in each zone."""
    edges = tuple((zone, local_midnight(first, zone), local_midnight(end, zone)) for zone in zones)
    return Span(edges, first.isoformat(), end.isoformat())


def zones_of(customer: Customer | None) -> tuple[str, ...]:
    """The zones that a question about the customer, or about all of them, is told in."""
    if customer is not None:
        return (customer.timezone,)
    return tuple(sorted(Customer.objects.values_list("timezone", flat=True).distinct())) or ("UTC",)


def read_span(query: Fields, customer: Customer | None, now: datetime, *, most: int | None = None) -> Span:
    """``from`` and ``to``, both days or both times: up to and with today, and 30 days long, unless said.

    At most ``most`` days. What is wrong is noted in the fields' errors.
    """
    zones = zones_of(customer)
    most = most or limits.USAGE_SPAN_DAYS_MAX
    tomorrow = local_date(now, customer.timezone if customer else "UTC") + timedelta(days=1)
    end = query.parsed("to", _day_or_time, None, code="time", stand_in=None)
    start = query.parsed("from", _day_or_time, None, code="time", stand_in=None)
    whole = days(tomorrow - timedelta(days=DAYS_DEFAULT), tomorrow, zones)
    if query.errors:
        return whole
    if end is None:
        end = now.astimezone(UTC) if isinstance(start, datetime) else tomorrow
    if start is None:
        start = end - timedelta(days=DAYS_DEFAULT)
    if isinstance(start, datetime) != isinstance(end, datetime):
        query.refuse("to", "span", "Write both as days, or both as times.")
    elif start >= end:
        query.refuse("to", "span", "It must come after `from`.")
    elif end - start > timedelta(days=most):
        query.refuse("from", "span", f"A span has at most {most} days.")
    elif isinstance(start, datetime) and isinstance(end, datetime):
        return instants(start, end, zones)
    else:
        return days(start, end, zones)
    return whole


def _day_or_time(written: Any) -> Any:
    if isinstance(written, str) and len(written) == 10:
        try:
            day = date.fromisoformat(written)
        except ValueError:
            raise TimeError(WRITE) from None
        if not limits.YEAR_MIN < day.year < limits.YEAR_MAX:
            raise TimeError(f"The year must lie between {limits.YEAR_MIN} and {limits.YEAR_MAX}.")
        return day
    try:
        return parse_time(written)
    except TimeError:
        raise TimeError(WRITE) from None


def _is_full_hour(at: datetime, zone: str) -> bool:
    local = at.astimezone(ZoneInfo(zone))
    return (local.minute, local.second, local.microsecond) == (0, 0, 0)
