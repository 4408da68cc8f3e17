"""This period: what it comes to so far and by its end, what is left of credits and allowances."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from billing.forecast import Forecast, forecast
from billing.models import RatingPosition, Subscription, SubscriptionSegment
from billing.rating import events_waiting
from billing.statements.statement import StatementLine
from billing.subscriptions.lifecycle import active_subscriptions
from core.money import CONTEXT, ZERO, from_minor, tax_minor
from core.pages.times import local_day
from core.periods import Period
from customers.models import Customer
from portal.queries.credits import Credits, credit_days, credits_of

PACE_DAYS = 7
PACE_MAX_DAYS = 400
WARN_FROM = Decimal("0.75")


@dataclass(frozen=True)
class SpendLine:
    """One line of the period so far, as its invoice would say it."""

    description: str
    dimensions: tuple[str, ...]
    quantity: Decimal | None
    unit: str
    amount_minor: int
    explain: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Allowance:
    """What a charge includes, and how much of it is used."""

    name: str
    used: Decimal
    included: Decimal
    unit: str

    @property
    def share(self) -> Decimal:
        return CONTEXT.divide(self.used, self.included)

    @property
    def level(self) -> str:
        return "bad" if self.share >= 1 else "warn" if self.share >= WARN_FROM else ""

    @property
    def used_percent(self) -> int:
        return int(min(self.share, Decimal(1)) * 100)


@dataclass(frozen=True)
class PlanSpend:
    """One subscription's open period. Amounts are minor units, with tax where they say so."""

    plan_name: str
    period: Period
    zone: str
    exponent: int
    lines: tuple[SpendLine, ...]
    allowances: tuple[Allowance, ...]
    subtotal_minor: int
    tax_minor: int
    total_minor: int
    expected_minor: int
    spread_minor: int
    basis: str
    next_plan: tuple[str, datetime] | None

    @property
    def expected(self) -> Decimal:
        return from_minor(self.expected_minor, self.exponent)

    @property
    def spread(self) -> Decimal:
        return from_minor(self.spread_minor, self.exponent)

    @property
    def total(self) -> Decimal:
        return from_minor(self.total_minor, self.exponent)


@dataclass(frozen=True)
class CreditPace:
    """How fast credits burn, by the last days, and when they run out if that goes on."""

    a_day: Decimal
    lasts_until: date | None


@dataclass(frozen=True)
class PeriodPage:
    plans: tuple[PlanSpend, ...]
    credits: Credits
    pace: CreditPace
    waiting: int
    rated_at: datetime | None


def period_page(customer: Customer, now: datetime) -> PeriodPage:
    """Everything on the page of the open period, but for the charts."""
    position = RatingPosition.objects.filter(customer_id=customer.id).first()
    credits = credits_of(customer.id, now)
    return PeriodPage(
        tuple(plan_spend(subscription, customer, now) for subscription in active_subscriptions(customer.id)),
        credits,
        _pace(customer, credits, now),
        events_waiting(customer.id),
        position.rated_at if position else None,
    )


def plan_spend(subscription: Subscription, customer: Customer, now: datetime) -> PlanSpend:
    """One subscription's period so far, and what it will come to, through the same statement as its invoice."""
    subscription.customer = customer
    foreseen = forecast(subscription, now=now)
    spent = foreseen.statement
    segments = SubscriptionSegment.objects.filter(customer_id=customer.id, subscription_id=subscription.id)
    stretches = list(segments.select_related("plan_version__plan").order_by("starts_at", "id"))
    return PlanSpend(
        plan_name=_plan_at(stretches, now),
        period=spent.period,
        zone=subscription.timezone,
        exponent=spent.exponent,
        lines=tuple(_line(line) for line in spent.lines),
        allowances=tuple(_allowances(spent.lines)),
        subtotal_minor=spent.subtotal_minor,
        tax_minor=spent.tax_minor,
        total_minor=spent.total_minor,
        expected_minor=_with_tax(foreseen.expected_minor, customer),
        spread_minor=_with_tax(_spread(foreseen), customer),
        basis=foreseen.basis,
        next_plan=_next_plan(stretches, now),
    )


def _line(line: StatementLine) -> SpendLine:
    rated = line.rated
    dimensions = tuple(str(value) for value in getattr(rated, "dimensions", {}).values())
    steps = tuple(step.as_json() for step in rated.explain)
    quantity = rated.quantity if line.charge else None
    return SpendLine(line.description, dimensions, quantity, line.unit, rated.amount_minor, steps)


def _allowances(lines: Sequence[StatementLine]) -> list[Allowance]:
    """What charges include, by themselves or in an allowance that several share, with what of it is used."""
    found: dict[tuple[object, ...], Allowance] = {}
    for line in lines:
        rated = line.rated.charge
        if rated is None:
            continue
        if rated.included > 0:
            place = (line.segment_id, line.charge)
            found[place] = Allowance(line.description, rated.quantity, rated.included, line.unit)
        if rated.pool is not None and rated.pool.amount > 0:
            shared = (line.segment_id, "", rated.pool.name)
            known = found.get(shared)
            used = rated.pool.taken + (ZERO if known is None else known.used)
            found[shared] = Allowance(rated.pool.name, used, rated.pool.amount, line.unit)
    return list(found.values())


def _plan_at(stretches: Sequence[SubscriptionSegment], now: datetime) -> str:
    held = [s for s in stretches if s.starts_at <= now] or list(stretches[:1])
    return held[-1].plan_version.plan.name if held else ""


def _next_plan(stretches: Sequence[SubscriptionSegment], now: datetime) -> tuple[str, datetime] | None:
    for stretch in stretches:
        if stretch.starts_at > now and stretch != stretches[0]:
            return stretch.plan_version.plan.name, stretch.starts_at
    return None


def _spread(foreseen: Forecast) -> int:
    return max(foreseen.high_minor - foreseen.expected_minor, foreseen.expected_minor - foreseen.low_minor)


def _with_tax(minor: int, customer: Customer) -> int:
    return minor + tax_minor(minor, customer.tax_rate) if customer.tax_rate else minor


def _pace(customer: Customer, credits: Credits, now: datetime) -> CreditPace:
    start = now - timedelta(days=PACE_DAYS)
    days = credit_days(customer.id, start, now, customer.timezone)
    a_day = CONTEXT.divide(sum((day.covered + day.overage for day in days), ZERO), Decimal(PACE_DAYS))
    if a_day <= 0 or credits.available <= 0:
        return CreditPace(a_day, None)
    left = CONTEXT.divide(credits.available, a_day)
    if left > PACE_MAX_DAYS:
        return CreditPace(a_day, None)
    return CreditPace(a_day, local_day(now + timedelta(days=int(left)), customer.timezone))
