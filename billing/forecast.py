"""What a period will come to if it goes on as it has: the usage so far, at its pace to the end, through the plan itself."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from billing.credits.grants import credit_balance
from billing.margins import charge_days, days_of
from billing.models import Subscription
from billing.statements.buckets import BucketReader
from billing.statements.parts import UsageReader, within
from billing.statements.statement import Statement, spend_statement
from billing.subscriptions.terms import MeteredCharge, Stretch
from core.money import ONE, ZERO, exact, round_to_minor, to_stored
from core.periods import Period
from pricing.engine.usage import Usage

DAYS_LEAST = 2
MICROSECOND = timedelta(microseconds=1)
NOT_GROWING = ("max", "latest")
BASIS = (
    "The usage so far at the same pace to the end of the period, rated by the plan with its tiers and allowances. The range "
    "is one standard deviation of the days so far."
)


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
    """The period so far, stretched over its time and rated by the engine that writes the invoice.

    So a tier still ahead and an allowance not yet used up count as they will. A ``max`` or ``latest`` value stays as it
    is; credits left cover what they can. Before there are two days to compare, the range is as wide as the growth itself.
    """
    spent = statement or spend_statement(subscription)
    left = credit_balance(subscription.customer_id, as_of=now).available
    expected = spend_statement(subscription, read=_at_pace(now, left)).subtotal_minor
    grown = abs(expected - spent.subtotal_minor)
    elapsed = ONE / _growth(spent.period, now) if now > spent.period.start else ZERO
    spread = min(grown, _spread(spent, now, grown))
    return Forecast(spent, expected, expected - spread, expected + spread, elapsed, BASIS)


def _at_pace(now: datetime, credits_left: Decimal) -> UsageReader:
    """A reader of usage that goes on as each stretch has gone so far."""
    so_far = BucketReader()

    def read(stretch: Stretch, metered: MeteredCharge | None, period: Period) -> list[Usage]:
        factor = _growth(within(stretch, period), now)
        found = so_far(stretch, metered, period)
        return [_grown(usage, factor, metered, credits_left) for usage in found]

    return read


def _growth(part: Period, now: datetime) -> Decimal:
    """By how much a stretch of time will have grown at its end; 1 for one that is over or has not begun.

    >>> from datetime import UTC
    >>> january = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 31, tzinfo=UTC))
    >>> _growth(january, datetime(2026, 1, 11, tzinfo=UTC))
    Decimal('3')
    """
    if not part.start < now < part.end:
        return ONE
    return Decimal((part.end - part.start) // MICROSECOND) / Decimal((now - part.start) // MICROSECOND)


def _grown(usage: Usage, factor: Decimal, metered: MeteredCharge | None, credits_left: Decimal) -> Usage:
    if metered is not None and metered.aggregation in NOT_GROWING:
        return usage
    credits = to_stored(usage.credits * factor)
    covered = min(credits, usage.covered + credits_left)
    counts_credits = metered is not None and metered.charge.measures_credits
    return replace(
        usage,
        quantity=credits - covered if counts_credits else to_stored(usage.quantity * factor),
        events=int(usage.events * factor),
        amount=to_stored(usage.amount * factor),
        cost=to_stored(usage.cost * factor),
        lift=to_stored(usage.lift * factor),
        credits=credits,
        covered=covered,
    )


def _spread(spent: Statement, now: datetime, grown_minor: int) -> int:
    """How far the rest may be off: the deviation of one day's amount, times the square root of the days left."""
    daily = daily_amounts(spent, now)
    if len(daily) < DAYS_LEAST:
        return grown_minor
    mean = sum(daily, ZERO) / len(daily)
    variance = sum(((amount - mean) ** 2 for amount in daily), ZERO) / (len(daily) - 1)
    days_left = max(0, len(days_of(spent.period, spent.subscription.timezone)) - len(daily))
    return round_to_minor((variance * days_left).sqrt(), spent.exponent)


def daily_amounts(spent: Statement, now: datetime) -> list[Decimal]:
    """What each local day that is over cost: a line's amount by its day's share of the quantity."""
    subscription = spent.subscription
    so_far = Period(spent.period.start, max(spent.period.start, min(now, spent.period.end)))
    if so_far.start == so_far.end:
        return []
    days: dict[date, Decimal] = dict.fromkeys(days_of(so_far, subscription.timezone), ZERO)
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
    ordered = [days[day] for day in sorted(days)]
    return ordered[:-1] if now < spent.period.end else ordered  # today is not over
