"""A customer's open periods: what they come to, and what they cost."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from billing.forecast import forecast
from billing.statements.statement import StatementLine
from billing.subscriptions.lifecycle import active_subscriptions
from console.queries.overview import Earned
from core.money import from_minor
from core.periods import Period
from customers.models import Customer


@dataclass(frozen=True)
class SpendLine:
    """One line of the period so far, as its invoice would say it. ``amount`` is in the major unit."""

    description: str
    quantity: Decimal | None
    unit: str
    amount: Decimal


@dataclass(frozen=True)
class OpenPeriod:
    """One subscription's period so far. Amounts are before tax, in the major unit; ``earned`` includes burnt credits."""

    subscription_key: str
    period: Period
    zone: str
    lines: tuple[SpendLine, ...]
    so_far: Decimal
    expected: Decimal
    low: Decimal
    high: Decimal
    earned: Earned


def open_periods(customer: Customer, now: datetime) -> list[OpenPeriod]:
    """Every subscription that runs, the oldest first."""
    found = []
    for subscription in active_subscriptions(customer.id):
        subscription.customer = customer
        foreseen = forecast(subscription, now=now)
        spent = foreseen.statement
        so_far = from_minor(spent.subtotal_minor, spent.exponent)
        found.append(
            OpenPeriod(
                subscription.key,
                spent.period,
                subscription.timezone,
                tuple(_line(line, spent.exponent) for line in spent.lines),
                so_far,
                from_minor(foreseen.expected_minor, spent.exponent),
                from_minor(foreseen.low_minor, spent.exponent),
                from_minor(foreseen.high_minor, spent.exponent),
                Earned(so_far + spent.credit_revenue, spent.cost),
            )
        )
    return found


def _line(line: StatementLine, exponent: int) -> SpendLine:
    quantity = line.rated.quantity if line.charge else None
    return SpendLine(line.description, quantity, line.unit, from_minor(line.rated.amount_minor, exponent))
