"""Where it went: a customer's calls by hour or day, and by model, feature or whatever else they carry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import connection

from core.money import ZERO
from core.periods import local_midnight
from metering.usage import CALLS

OWN_STATISTICS = UUID(int=0)
NAMELESS = "not named"
DAYS_SIDE_BY_SIDE = 100
# What calls are counted by, and what the customer calls it.
DIMENSIONS: Mapping[str, str] = {
    "model": "Model",
    "feature": "Feature",
    "type": "Kind of call",
    "status": "Outcome",
}
UNITS: Mapping[str, str] = {"money": "Money", "credits": "Credits", "tokens": "Tokens", "calls": "Calls"}


@dataclass(frozen=True)
class Window:
    """Local days from ``first`` to ``last``, both counted in."""

    first: date
    last: date
    zone: str

    @property
    def start(self) -> datetime:
        return local_midnight(self.first, self.zone)

    @property
    def end(self) -> datetime:
        return local_midnight(self.last + timedelta(days=1), self.zone)

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]

    @property
    def steps(self) -> list[date]:
        """First days of what a chart shows side by side: the days themselves, or weeks where there are many."""
        return sorted({self.step_of(day) for day in self.days})

    @property
    def by_weeks(self) -> bool:
        return (self.last - self.first).days >= DAYS_SIDE_BY_SIDE

    def step_of(self, day: date) -> date:
        return max(self.first, day - timedelta(days=day.weekday())) if self.by_weeks else day

    @property
    def before(self) -> "Window":
        """As many days, just before."""
        length = (self.last - self.first).days + 1
        return Window(self.first - timedelta(days=length), self.first - timedelta(days=1), self.zone)


@dataclass(frozen=True)
class Used:
    """What was used: ``money`` is the calls' own price before the period's minimums, discounts and tax."""

    calls: int = 0
    tokens: Decimal = ZERO
    money: Decimal = ZERO
    credits: Decimal = ZERO

    def of(self, unit: str) -> Decimal:
        return Decimal(self.calls) if unit == "calls" else Decimal(getattr(self, unit))

    def __add__(self, other: "Used") -> "Used":
        return Used(
            self.calls + other.calls,
            self.tokens + other.tokens,
            self.money + other.money,
            self.credits + other.credits,
        )


@dataclass(frozen=True)
class Slice:
    """One day's use under one name."""

    day: date
    name: str
    used: Used


def usage_by(
    customer_id: int, window: Window, by: str, *, only: Mapping[str, Sequence[str]] | None = None
) -> list[Slice]:
    """Use per local day and per value of the dimension ``by``; ``only`` keeps calls with certain values."""
    named = "coalesce(nullif(dimensions->>%s, ''), %s)"
    filters = "".join(f" AND {named} = ANY(%s)" for _ in only or {})
    filled = [part for name, values in (only or {}).items() for part in (name, NAMELESS, list(values))]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT (hour AT TIME ZONE %s)::date, {named},
                   sum(events), sum(quantity), sum(amount), sum(credits)
            FROM metering_usagebucket
            WHERE customer_id = %s AND scope_id = %s AND series = %s AND hour >= %s AND hour < %s{filters}
            GROUP BY 1, 2 ORDER BY 1, 2
            """,
            [
                window.zone,
                by,
                NAMELESS,
                customer_id,
                OWN_STATISTICS,
                CALLS,
                window.start,
                window.end,
                *filled,
            ],
        )
        return [Slice(day, name, Used(int(calls), *sums)) for day, name, calls, *sums in cursor.fetchall()]


def totals_by_name(slices: Sequence[Slice]) -> dict[str, Used]:
    totals: dict[str, Used] = {}
    for item in slices:
        totals[item.name] = totals.get(item.name, Used()) + item.used
    return totals


def best_unit(total: Used) -> str:
    """What to show first: money where calls have prices of their own, else credits, else tokens, else calls."""
    return next((unit for unit in ("money", "credits", "tokens") if total.of(unit)), "calls")
