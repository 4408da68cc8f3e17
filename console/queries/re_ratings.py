"""Re-ratings as the console shows them: how far each is, what it comes to, and what it changes for whom."""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Count, Q, QuerySet

from billing.models import ReRating
from billing.recounts.rerating import APPLY_DUE, LOOK_DUE
from console.queries.overview import Earned
from core.models import DueWork
from core.money import ZERO
from core.periods import Period
from pricing.cost_currency import COST_CURRENCY

# Where a period stands, in the words of whoever gets the invoice.
PERIOD_STATES = {
    "open": "periods still open",
    "draft": "drafts, worked out anew",
    "finalized": "invoices already sent, as a line on the next one",
}
# What applying changed, else what the dry run found. Its JSON is that of ``billing.recounts.consequences``.
TOLD = """
    WITH told AS (
        SELECT s.customer_id, s.state, c.key, c.name, c.currency, c.timezone, coalesce(s.applied, s.found) AS t
        FROM billing_reratingstep s JOIN customers_customer c ON c.id = s.customer_id WHERE s.re_rating_id = %(id)s
    ), line AS (
        SELECT customer_id, key, name, currency, timezone, state, t, (t->>'events')::bigint AS events,
               (t #>> '{cost,before}')::numeric AS cost_before, (t #>> '{cost,after}')::numeric AS cost_after,
               (t #>> '{credits,before}')::numeric AS credits_before, (t #>> '{credits,after}')::numeric AS credits_after,
               CASE WHEN currency = %(usd)s THEN (t #>> '{margin,before,rate}')::numeric END AS margin_before,
               CASE WHEN currency = %(usd)s THEN (t #>> '{margin,after,rate}')::numeric END AS margin_after,
               (SELECT sum((p->>'subtotal_after_minor')::bigint - (p->>'subtotal_before_minor')::bigint)
                FROM jsonb_array_elements(t->'periods') p) AS charges
        FROM told
    )
"""
SORTS = {
    "name": "name",
    "events": "events",
    "cost": "cost_after - cost_before",
    "credits": "credits_after - credits_before",
    "charges": "charges",
    "margin": "margin_after - margin_before",
}


@dataclass(frozen=True)
class Progress:
    """How many customers' parts are done, of how many, and how many wait for a person."""

    done: int
    all: int
    parked: int


@dataclass(frozen=True)
class ChargesMoved:
    """What periods in one state come to before and after, in minor units of the currency."""

    currency: str
    state: str
    before_minor: int
    after_minor: int

    @property
    def where(self) -> str:
        return PERIOD_STATES.get(self.state, self.state)

    @property
    def change_minor(self) -> int:
        return self.after_minor - self.before_minor


@dataclass(frozen=True)
class Change:
    before: Decimal
    after: Decimal

    @property
    def change(self) -> Decimal:
        return self.after - self.before


@dataclass(frozen=True)
class Totals:
    """Everything added up. ``was`` and ``becomes`` are of the customers who pay in US dollars, as providers charge."""

    customers: int
    events: int
    cost: Change
    credits: Change
    charges: tuple[ChargesMoved, ...]
    was: Earned
    becomes: Earned


@dataclass(frozen=True)
class CustomerLine:
    """One customer's part; margins only of those who pay in the currency of the costs.

    ``charges`` is the change over all periods, in minor units; ``periods`` has each.
    """

    customer_id: int
    key: str
    name: str
    currency: str
    state: str
    events: int
    cost: Change
    credits: Change
    charges: int
    margin_before: Decimal | None
    margin_after: Decimal | None
    periods: tuple[dict[str, Any], ...]
    zone: str


@dataclass(frozen=True)
class LineSearch:
    words: str
    sort: str
    downward: bool
    changed: bool


def re_ratings() -> QuerySet[ReRating]:
    """All of them, each with how many customers it is about."""
    return ReRating.objects.select_related("customer", "plan_version__plan").annotate(
        customers=Count("steps")
    )


def progress_of(row: ReRating) -> Progress:
    looking = row.state == ReRating.State.COUNTING
    waits = "waiting" if looking else "found"
    counts = row.steps.aggregate(all=Count("customer_id"), left=Count("customer_id", filter=Q(state=waits)))
    parked = DueWork.objects.filter(
        kind=LOOK_DUE if looking else APPLY_DUE, key=row.id.hex, parked_at__isnull=False
    ).count()
    return Progress(counts["all"] - counts["left"], counts["all"], parked)


def totals_of(row: ReRating) -> Totals:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""{TOLD}
            SELECT count(*) FILTER (WHERE events > 0), sum(events), sum(cost_before), sum(cost_after),
                   sum(credits_before), sum(credits_after),
                   sum((t #>> '{{margin,before,revenue}}')::numeric) FILTER (WHERE currency = %(usd)s),
                   sum((t #>> '{{margin,before,cost}}')::numeric) FILTER (WHERE currency = %(usd)s),
                   sum((t #>> '{{margin,after,revenue}}')::numeric) FILTER (WHERE currency = %(usd)s),
                   sum((t #>> '{{margin,after,cost}}')::numeric) FILTER (WHERE currency = %(usd)s)
            FROM line
            """,
            _given(row),
        )
        customers, events, *sums = cursor.fetchone()
        cursor.execute(
            f"""{TOLD}
            SELECT p->>'currency', p->>'state', sum((p->>'subtotal_before_minor')::bigint)::bigint,
                   sum((p->>'subtotal_after_minor')::bigint)::bigint
            FROM told, jsonb_array_elements(t->'periods') p GROUP BY 1, 2 ORDER BY 1, 2
            """,
            _given(row),
        )
        charges = tuple(ChargesMoved(*found) for found in cursor.fetchall())
    cost_was, cost_is, credits_was, credits_is, *margin = (value or ZERO for value in sums)
    return Totals(
        int(customers),
        int(events or 0),
        Change(cost_was, cost_is),
        Change(credits_was, credits_is),
        charges,
        Earned(margin[0], margin[1]),
        Earned(margin[2], margin[3]),
    )


def count_lines(row: ReRating, search: LineSearch) -> int:
    where, values = _where(search)
    with connection.cursor() as cursor:
        cursor.execute(f"{TOLD} SELECT count(*) FROM line {where}", {**_given(row), **values})
        return int(cursor.fetchone()[0])


def customer_lines(
    row: ReRating, search: LineSearch, *, offset: int = 0, limit: int | None = None
) -> list[CustomerLine]:
    """One page of what it changes, customer by customer."""
    where, values = _where(search)
    way = "DESC" if search.downward else "ASC"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""{TOLD} SELECT customer_id, key, name, currency, state, events, cost_before, cost_after, credits_before,
                credits_after, charges, margin_before, margin_after, t->'periods', timezone FROM line {where}
            ORDER BY {SORTS[search.sort]} {way} NULLS LAST, customer_id LIMIT %(limit)s OFFSET %(offset)s
            """,
            {**_given(row), "limit": limit, "offset": offset, **values},
        )
        return [_line(found) for found in cursor.fetchall()]


def span_of(row: ReRating) -> Period:
    return Period(row.span_start, row.span_end)


def _given(row: ReRating) -> dict[str, Any]:
    return {"id": row.id, "usd": COST_CURRENCY}


def _where(search: LineSearch) -> tuple[str, dict[str, str]]:
    parts, values = ["t IS NOT NULL"], {}
    if search.changed:
        parts.append("events > 0")
    if search.words:
        parts.append("(key ILIKE %(like)s OR name ILIKE %(like)s)")
        escaped = search.words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        values["like"] = f"%{escaped}%"
    return f"WHERE {' AND '.join(parts)}", values


def _line(found: tuple[Any, ...]) -> CustomerLine:
    (
        customer_id,
        key,
        name,
        currency,
        state,
        events,
        cost_was,
        cost_is,
        credits_was,
        credits_is,
        charges,
        was,
        becomes,
        periods,
        zone,
    ) = found
    return CustomerLine(
        customer_id,
        key,
        name,
        currency,
        state,
        int(events),
        Change(cost_was, cost_is),
        Change(credits_was, credits_is),
        int(charges or 0),
        was,
        becomes,
        tuple(json.loads(periods) if isinstance(periods, str) else periods or ()),
        zone,
    )
