"""Margin = (revenue − cost) / revenue, by customer and day. What the customer never sees.

A period's revenue is put on its days: a charge by the day's share of what it counted, the fee by days, a burnt credit at
the price it was granted for, on the day it burnt.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction

from billing.models import CustomerDay, Invoice, Subscription
from billing.periods import CUSTOMER_SCOPE
from billing.statements.statement import Statement, period_statement
from core.due_work import ensure
from core.money import ZERO, exact, to_stored
from core.periods import Period, local_date, local_midnight
from customers.models import Customer
from metering.usage import CALLS
from pricing.cost_currency import COST_CURRENCY

DAYS_DUE = "margin.days"
REFRESH_AFTER = timedelta(seconds=15)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Margin:
    """Revenue in ``currency`` and cost in USD over a span of time."""

    revenue: Decimal
    cost: Decimal
    currency: str = COST_CURRENCY

    @property
    def rate(self) -> Decimal | None:
        """``None`` where there is no revenue to divide by, or it is in another currency than the cost.

        >>> Margin(Decimal(200), Decimal(50)).rate
        Decimal('0.75')
        >>> Margin(Decimal(200), Decimal(50), "JPY").rate
        """
        if self.revenue <= 0 or self.currency != COST_CURRENCY:
            return None
        return (self.revenue - self.cost) / self.revenue


def margin_of(statement: Statement) -> Margin:
    """Of a period as it would be billed today: what is sold and what burnt credits were granted for, less the cost."""
    sold = sum((line.rated.unrounded for line in statement.lines), ZERO)
    return Margin(sold + statement.credit_revenue, statement.cost, statement.currency)


def together(margins: Sequence[Margin]) -> Margin:
    """Several margins as one; without a rate where they are in several currencies."""
    currencies = {margin.currency for margin in margins} or {COST_CURRENCY}
    return Margin(
        sum((margin.revenue for margin in margins), ZERO),
        sum((margin.cost for margin in margins), ZERO),
        currencies.pop() if len(currencies) == 1 else "",
    )


def days_are_stale(customer_id: int, *, now: datetime) -> None:
    """Have the customer's days worked out soon; asked often, done once."""
    ensure(customer_id, DAYS_DUE, "days", now + REFRESH_AFTER)


@exact
def refresh_days(customer: Customer, *, periods_back: int = 1) -> int:
    """Work out the days of each subscription's open period and the ``periods_back`` before it; returns the days written.

    A day is written whole: with what every subscription earned on it, also one whose own periods end elsewhere.
    """
    subscriptions = list(Subscription.objects.filter(customer_id=customer.id).select_related("customer"))
    zone = customer.timezone
    recent = [period for one in subscriptions for period in _recent_periods(one, periods_back)]
    wanted = {day for period in recent for day in days_of(period, zone)}
    days: dict[date, Totals] = defaultdict(Totals)
    if not wanted:
        return 0
    for subscription in subscriptions:
        for period in _periods_that_touch(subscription, wanted, zone):
            _spread(period_statement(subscription, period), zone, days)
    for run in _runs(wanted, zone):
        _add_calls(customer, run, days)
    told = {day: days[day] for day in sorted(wanted & days.keys())}
    with transaction.atomic():
        if wanted != told.keys():
            CustomerDay.objects.filter(customer_id=customer.id, day__in=wanted - told.keys()).delete()
        _write_days(customer, told)
    return len(told)


def _write_days(customer: Customer, days: Mapping[date, "Totals"]) -> None:
    """Write the days in one statement; those that are as they were written last stay as they are."""
    totals = days.values()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO billing_customerday AS d (customer_id, currency, day, events, revenue, cost, credits)
            SELECT %s, %s, t.* FROM unnest(%s::date[], %s::bigint[], %s::numeric[], %s::numeric[], %s::numeric[]) AS t
            ON CONFLICT (customer_id, day) DO UPDATE
                SET currency = excluded.currency, events = excluded.events, revenue = excluded.revenue,
                    cost = excluded.cost, credits = excluded.credits
                WHERE (d.currency, d.events, d.revenue, d.cost, d.credits) IS DISTINCT FROM
                    (excluded.currency, excluded.events, excluded.revenue, excluded.cost, excluded.credits)
            """,
            [
                *(customer.id, customer.currency, list(days)),
                [total.events for total in totals],
                [to_stored(total.revenue) for total in totals],
                [total.cost for total in totals],
                [total.credits for total in totals],
            ],
        )


@dataclass
class Totals:
    """One day's sums while they are added up."""

    events: int = 0
    revenue: Decimal = ZERO
    cost: Decimal = ZERO
    credits: Decimal = ZERO


def _recent_periods(subscription: Subscription, periods_back: int) -> list[Period]:
    if subscription.closed_at is not None:
        return earlier_periods(subscription, subscription.period_end, periods_back)
    current = Period(subscription.period_start, subscription.period_end)
    return [current, *earlier_periods(subscription, current.start, periods_back)]


def _periods_that_touch(subscription: Subscription, wanted: Set[date], zone: str) -> list[Period]:
    """The subscription's periods, open or invoiced, that have any of the days."""
    rows = Invoice.objects.filter(
        customer_id=subscription.customer_id,
        subscription_id=subscription.id,
        kind="period",
        period_start__lt=local_midnight(max(wanted) + DAY, zone),
        period_end__gt=local_midnight(min(wanted), zone),
    ).exclude(status=Invoice.Status.VOID)
    periods = [Period(start, end) for start, end in rows.values_list("period_start", "period_end")]
    if subscription.closed_at is None:
        periods.append(Period(subscription.period_start, subscription.period_end))
    return [period for period in sorted(periods) if not wanted.isdisjoint(days_of(period, zone))]


def _runs(days: Collection[date], zone: str) -> list[Period]:
    """The same days as spans of time, as few as they are."""
    runs: list[tuple[date, date]] = []
    for day in sorted(days):
        if runs and runs[-1][1] + DAY == day:
            runs[-1] = runs[-1][0], day
        else:
            runs.append((day, day))
    return [Period(local_midnight(first, zone), local_midnight(last + DAY, zone)) for first, last in runs]


def earlier_periods(subscription: Subscription, before: datetime, count: int) -> list[Period]:
    """The last ``count`` closed periods that ended by ``before``, newest first."""
    invoices = Invoice.objects.filter(
        customer_id=subscription.customer_id,
        subscription_id=subscription.id,
        kind="period",
        period_end__lte=before,
    ).exclude(status=Invoice.Status.VOID)
    rows = invoices.order_by("-period_start").values_list("period_start", "period_end")[:count]
    return [Period(start, end) for start, end in rows]


def _spread(statement: Statement, zone: str, days: dict[date, Totals]) -> None:
    """Put each line's amount on the days it came from."""
    customer_id = statement.subscription.customer_id
    charges: dict[UUID, list[str]] = defaultdict(list)
    for line in statement.lines:
        if line.segment_id is not None and line.charge:
            charges[line.segment_id].append(line.charge)
    counted = {
        scope_id: _by_day(customer_id, scope_id, series, statement.period, zone)
        for scope_id, series in charges.items()
    }
    for line in statement.lines:
        amount = line.rated.unrounded
        weights: dict[date, Decimal] = {}
        if line.segment_id is not None and line.charge:
            weights = {day: row[0] for day, row in counted[line.segment_id][line.charge].items()}
        if not any(weights.values()):
            weights = {day: Decimal(1) for day in days_of(line.period, zone)}
        whole = sum(weights.values(), ZERO)
        for day, weight in weights.items():
            days[day].revenue += amount * weight / whole


def days_of(period: Period, zone: str) -> list[date]:
    """The local days of a period."""
    day, last = local_date(period.start, zone), local_date(period.end - timedelta(microseconds=1), zone)
    return [day + timedelta(days=n) for n in range((last - day).days + 1)]


def charge_days(
    customer_id: int, scope_id: UUID, series: str, period: Period, zone: str
) -> dict[date, Decimal]:
    """How much a charge counted on each local day of the period: credits where it counts credits."""
    counted = _by_day(customer_id, scope_id, [series], period, zone)
    return {day: row[0] for day, row in counted[series].items()}


def _add_calls(customer: Customer, span: Period, days: dict[date, Totals]) -> None:
    counted = _by_day(customer.id, CUSTOMER_SCOPE, [CALLS], span, customer.timezone)
    for day, row in counted[CALLS].items():
        total = days[day]
        total.events += int(row[1])
        total.cost += row[2]
        total.credits += row[3]
        total.revenue += row[4]


def _by_day(
    customer_id: int, scope_id: UUID, series: Sequence[str], period: Period, zone: str
) -> dict[str, dict[date, Sequence[Decimal]]]:
    """By series and local day: quantity, events, cost, credits and the money of prepaid ones."""
    days: dict[str, dict[date, Sequence[Decimal]]] = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT series, (hour AT TIME ZONE %s)::date, sum(quantity), sum(events), sum(cost), sum(credits),
                sum(prepaid)
            FROM metering_usagebucket
            WHERE customer_id = %s AND scope_id = %s AND series = ANY(%s) AND hour >= %s AND hour < %s
            GROUP BY 1, 2 ORDER BY 1, 2
            """,
            [zone, customer_id, scope_id, list(series), period.start, period.end],
        )
        for row in cursor.fetchall():
            days[row[0]][row[1]] = row[2:]
    return days
