"""What was earned and what it cost, over all customers of one currency, and who runs below the floor."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import connection

from core.money import CONTEXT, ZERO

BELOW_MAX = 50

# The floor in force for a customer: of its plan, or of its own contract, which goes over the plan's.
FLOOR = """
    SELECT max(coalesce(s.overrides->'margin_floor'->>'rate', v.terms->'margin_floor'->>'rate')::numeric) AS rate
    FROM billing_subscriptionsegment g
    JOIN billing_subscription s ON s.customer_id = g.customer_id AND s.id = g.subscription_id
    JOIN pricing_planversion v ON v.id = g.plan_version_id
    WHERE g.customer_id = d.customer_id AND g.starts_at <= %s AND (g.ends_at IS NULL OR g.ends_at > %s)
"""


@dataclass(frozen=True)
class Earned:
    """Revenue and provider cost. ``rate`` is the margin as a share of revenue; None without revenue."""

    revenue: Decimal = ZERO
    cost: Decimal = ZERO
    events: int = 0

    @property
    def kept(self) -> Decimal:
        return self.revenue - self.cost

    @property
    def rate(self) -> Decimal | None:
        return CONTEXT.divide(self.kept, self.revenue) if self.revenue > 0 else None


@dataclass(frozen=True)
class EarnedDay:
    day: date
    earned: Earned


@dataclass(frozen=True)
class BelowFloor:
    """A customer whose margin lies under its floor; ``missing`` is the money that would lift it there."""

    customer_id: int
    key: str
    name: str
    earned: Earned
    floor: Decimal

    @property
    def missing(self) -> Decimal:
        return CONTEXT.divide(self.earned.cost, 1 - self.floor) - self.earned.revenue


@dataclass(frozen=True)
class Floors:
    """Who is below a floor, and the floors of all customers weighted by their revenue."""

    below: tuple[BelowFloor, ...]
    weighted: Decimal | None


def earned_days(currency: str, first: date, last: date) -> list[EarnedDay]:
    """One entry for each day from ``first`` to ``last``, also where nothing was earned."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT day, sum(revenue), sum(cost), sum(events) FROM billing_customerday
            WHERE day >= %s AND day <= %s AND currency = %s GROUP BY day
            """,
            [first, last, currency],
        )
        known = {row[0]: Earned(row[1], row[2], int(row[3])) for row in cursor.fetchall()}
    count = (last - first).days + 1
    days = (first + timedelta(days=n) for n in range(count))
    return [EarnedDay(day, known.get(day, Earned())) for day in days]


def together(days: Sequence[EarnedDay]) -> Earned:
    return Earned(
        sum((day.earned.revenue for day in days), ZERO),
        sum((day.earned.cost for day in days), ZERO),
        sum(day.earned.events for day in days),
    )


def floors(currency: str, first: date, last: date, now: datetime) -> Floors:
    """Customers with a floor whose margin over the days lies under it, the costliest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT d.customer_id, c.key, c.name, d.revenue, d.cost, d.events, f.rate FROM (
                SELECT customer_id, sum(revenue) AS revenue, sum(cost) AS cost, sum(events) AS events
                FROM billing_customerday WHERE day >= %s AND day <= %s AND currency = %s GROUP BY customer_id
            ) d
            JOIN customers_customer c ON c.id = d.customer_id
            JOIN LATERAL ({FLOOR}) f ON f.rate IS NOT NULL
            """,
            [first, last, currency, now, now],
        )
        rows = [
            BelowFloor(row[0], row[1], row[2], Earned(row[3], row[4], int(row[5])), row[6])
            for row in cursor.fetchall()
        ]
    revenue = sum((row.earned.revenue for row in rows), ZERO)
    due = sum((row.earned.revenue * row.floor for row in rows), ZERO)
    below = sorted((row for row in rows if row.missing > 0), key=lambda row: (-row.missing, row.customer_id))
    return Floors(tuple(below[:BELOW_MAX]), CONTEXT.divide(due, revenue) if revenue > 0 else None)


def currencies() -> list[str]:
    """Currencies that customers are billed in, the most used first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT currency FROM customers_customer GROUP BY currency ORDER BY count(*) DESC, currency"
        )
        return [row[0] for row in cursor.fetchall()]
