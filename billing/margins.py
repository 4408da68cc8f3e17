"""Margin = (revenue − cost) / revenue, by customer and day. What the customer never sees.

A period's revenue is put on its days: a charge by the day's share of what it counted, the fee by days, a burnt credit at
the price it was granted for, on the day it burnt.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction

from billing.models import CustomerDay, Invoice, Subscription
from billing.periods import CUSTOMER_SCOPE
from billing.statement import Statement, period_statement, spend_statement
from core.due_work import ensure
from core.money import ZERO, exact, to_stored
from core.periods import Period, local_date
from customers.models import Customer
from metering.usage import CALLS
from pricing.cost_currency import COST_CURRENCY

DAYS_DUE = "margin.days"
REFRESH_AFTER = timedelta(seconds=15)


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
    """Work out the days of each subscription's open period and the ``periods_back`` before it; returns the days written."""
    days: dict[date, Totals] = defaultdict(Totals)
    spans: list[Period] = []
    for subscription in Subscription.objects.filter(customer_id=customer.id).select_related("customer"):
        for statement in _recent_statements(subscription, periods_back):
            spans.append(statement.period)
            _spread(statement, customer.timezone, days)
    if not spans:
        return 0
    first = local_date(min(span.start for span in spans), customer.timezone)
    last = local_date(max(span.end for span in spans) - timedelta(microseconds=1), customer.timezone)
    _add_calls(customer, Period(min(s.start for s in spans), max(s.end for s in spans)), days)
    rows = [
        CustomerDay(
            customer_id=customer.id,
            day=day,
            currency=customer.currency,
            events=total.events,
            revenue=to_stored(total.revenue),
            cost=total.cost,
            credits=total.credits,
        )
        for day, total in sorted(days.items())
    ]
    with transaction.atomic():
        CustomerDay.objects.filter(customer_id=customer.id, day__gte=first, day__lte=last).delete()
        CustomerDay.objects.bulk_create(rows)
    return len(rows)


@dataclass
class Totals:
    """One day's sums while they are added up."""

    events: int = 0
    revenue: Decimal = ZERO
    cost: Decimal = ZERO
    credits: Decimal = ZERO


def _recent_statements(subscription: Subscription, periods_back: int) -> list[Statement]:
    statements = [] if subscription.closed_at is not None else [spend_statement(subscription)]
    edge = subscription.period_start if subscription.closed_at is None else subscription.period_end
    for period in earlier_periods(subscription, edge, periods_back):
        statements.append(period_statement(subscription, period))
    return statements


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
    for line in statement.lines:
        amount = line.rated.unrounded
        weights: dict[date, Decimal] = {}
        if line.segment_id is not None and line.charge:
            weights = charge_days(customer_id, line.segment_id, line.charge, statement.period, zone)
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
    return {day: row[0] for day, row in _by_day(customer_id, scope_id, series, period, zone).items()}


def _add_calls(customer: Customer, span: Period, days: dict[date, Totals]) -> None:
    for day, row in _by_day(customer.id, CUSTOMER_SCOPE, CALLS, span, customer.timezone).items():
        total = days[day]
        total.events += int(row[1])
        total.cost += row[2]
        total.credits += row[3]
        total.revenue += row[4]


def _by_day(
    customer_id: int, scope_id: UUID, series: str, period: Period, zone: str
) -> dict[date, Sequence[Decimal]]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (hour AT TIME ZONE %s)::date, sum(quantity), sum(events), sum(cost), sum(credits), sum(prepaid)
            FROM metering_usagebucket
            WHERE customer_id = %s AND scope_id = %s AND series = %s AND hour >= %s AND hour < %s
            GROUP BY 1 ORDER BY 1
            """,
            [zone, customer_id, scope_id, series, period.start, period.end],
        )
        return {row[0]: row[1:] for row in cursor.fetchall()}
