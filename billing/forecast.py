"""What a period will come to if it goes on as it has: the usage so far, stretched over the whole period."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from billing.margins import charge_days
from billing.models import Subscription
from billing.statement import Statement, spend_statement
from core.money import ZERO, exact, round_to_minor
from core.periods import Period

FIXED = ("fee", "commitment", "margin_floor")
DAYS_LEAST = 2


@dataclass(frozen=True)
class Forecast:
    """The period's total before tax, in minor units: what is likely, and a range; ``basis`` says how it was worked out."""

    statement: Statement
    expected_minor: int
    low_minor: int
    high_minor: int
    elapsed: Decimal
    basis: str


@exact
def forecast(subscription: Subscription, *, now: datetime, statement: Statement | None = None) -> Forecast:
    """Usage grows with time; fees do not. The range is one standard deviation of the days so far, for the days to come.

    Linear on amounts: a tier still to come or an allowance not yet used up is outside it, and the basis says so.
    """
    spent = statement or spend_statement(subscription)
    period = Period(subscription.period_start, subscription.period_end)
    whole = Decimal((period.end - period.start) // timedelta(seconds=1))
    gone = Decimal(max(0, (min(now, period.end) - period.start) // timedelta(seconds=1)))
    elapsed = gone / whole if whole else Decimal(1)
    fixed = sum((line.rated.unrounded for line in spent.lines if line.rated.kind in FIXED), ZERO)
    usage = sum((line.rated.unrounded for line in spent.lines if line.rated.kind not in FIXED), ZERO)
    expected = fixed + (usage / elapsed if elapsed else usage)
    spread = _spread(spent, now, elapsed)
    least = fixed + usage
    return Forecast(
        spent,
        round_to_minor(expected, spent.exponent),
        round_to_minor(max(least, expected - spread), spent.exponent),
        round_to_minor(expected + spread, spent.exponent),
        elapsed,
        "The usage so far, at the same pace to the end of the period; tiers and allowances still ahead are not foreseen.",
    )


def _spread(spent: Statement, now: datetime, elapsed: Decimal) -> Decimal:
    """How far the rest may be off: the deviation of one day's amount, times the square root of the days left."""
    daily = daily_amounts(spent, now)
    if len(daily) < DAYS_LEAST or not elapsed:
        return ZERO
    mean = sum(daily, ZERO) / len(daily)
    variance = sum(((amount - mean) ** 2 for amount in daily), ZERO) / (len(daily) - 1)
    days_left = Decimal(len(daily)) * (1 - elapsed) / elapsed
    return (variance * max(ZERO, days_left)).sqrt()


def daily_amounts(spent: Statement, now: datetime) -> list[Decimal]:
    """What each full day so far cost: a line's amount by its day's share of the quantity."""
    subscription = spent.subscription
    days: dict[object, Decimal] = {}
    so_far = Period(spent.period.start, max(spent.period.start, min(now, spent.period.end)))
    for line in spent.lines:
        if line.segment_id is None or not line.charge:
            continue
        weights = charge_days(
            subscription.customer_id, line.segment_id, line.charge, so_far, subscription.timezone
        )
        whole = sum(weights.values(), ZERO)
        for day, weight in weights.items():
            if whole:
                days[day] = days.get(day, ZERO) + line.rated.unrounded * weight / whole
    return [days[day] for day in sorted(days, key=str)]
