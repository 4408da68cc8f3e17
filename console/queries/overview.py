"""What was earned and what it cost, over all customers of one currency, and who runs below the floor."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import connection

from core.money import CONTEXT, ZERO

BELOW_MAX = 50

# Each customer's figures beside the floor in force: its plan's, or its own contract's, which goes over the plan's.
MARGINS = """
    WITH plan_floor AS MATERIALIZED (
        SELECT id, (terms->'margin_floor'->>'rate')::numeric AS rate FROM pricing_planversion
    ), floor AS (
        SELECT g.customer_id, max(coalesce((s.overrides->'margin_floor'->>'rate')::numeric, v.rate)) AS rate
        FROM billing_subscriptionsegment g
        JOIN billing_subscription s ON s.customer_id = g.customer_id AND s.id = g.subscription_id
        JOIN plan_floor v ON v.id = g.plan_version_id
        WHERE g.starts_at <= %s AND (g.ends_at IS NULL OR g.ends_at > %s) GROUP BY g.customer_id
    ), margin AS MATERIALIZED (
        SELECT d.*, f.rate, d.cost / (1 - f.rate) - d.revenue AS missing FROM (
            SELECT customer_id, sum(revenue) AS revenue, sum(cost) AS cost, sum(events) AS events
            FROM billing_customerday WHERE day >= %s AND day <= %s AND currency = %s GROUP BY customer_id
        ) d JOIN floor f ON f.customer_id = d.customer_id WHERE f.rate < 1
    )
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
    name: str
    earned: Earned
    floor: Decimal
    missing: Decimal


@dataclass(frozen=True)
class Floors:
    """Who is below a floor, the costliest first and at most so many, how many there are, and what they miss together.

    ``weighted`` is the floor of all customers that have one, by their revenue.
    """

    below: tuple[BelowFloor, ...] = ()
    count: int = 0
    missing: Decimal = ZERO
    weighted: Decimal | None = None


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
    """How the customers stand to their floors over the days."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""{MARGINS}
            SELECT t.count, t.missing, t.floor, b.* FROM (
                SELECT count(*) FILTER (WHERE missing > 0) AS count,
                       coalesce(sum(missing) FILTER (WHERE missing > 0), 0) AS missing,
                       sum(revenue * rate) / nullif(sum(revenue), 0) AS floor
                FROM margin
            ) t
            LEFT JOIN LATERAL (
                SELECT m.customer_id, c.name, m.revenue, m.cost, m.events, m.rate, m.missing
                FROM margin m JOIN customers_customer c ON c.id = m.customer_id
                WHERE m.missing > 0 ORDER BY m.missing DESC, m.customer_id LIMIT %s
            ) b ON true
            """,
            [now, now, first, last, currency, BELOW_MAX],
        )
        rows = cursor.fetchall()
    count, missing, weighted = rows[0][:3]
    below = (
        BelowFloor(customer_id, name, Earned(revenue, cost, int(events)), rate, short)
        for _, _, _, customer_id, name, revenue, cost, events, rate, short in rows
        if customer_id is not None
    )
    return Floors(tuple(below), count, missing, weighted)


def currencies() -> list[str]:
    """Currencies that customers are billed in, the most used first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT currency FROM customers_customer GROUP BY currency ORDER BY count(*) DESC, currency"
        )
        return [row[0] for row in cursor.fetchall()]
