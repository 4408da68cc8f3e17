"""What a move would have meant for a subscriber's last period: the old usage through the new terms, by the one statement."""

from collections.abc import Sequence
from dataclasses import dataclass

from billing.margins import earlier_periods
from billing.models import SubscriptionSegment
from billing.plan_moves import Candidate
from billing.statements.buckets import BucketReader
from billing.statements.parts import UsageReader
from billing.statements.statement import period_statement, stretches_in
from billing.subscriptions.terms import MeteredCharge, Stretch, stretch_of
from core.periods import Period
from pricing.engine.charge import Charge
from pricing.engine.dynamic import Dynamic
from pricing.engine.percentage import Percentage
from pricing.engine.usage import Usage
from pricing.models import PlanVersion


@dataclass(frozen=True)
class LastPeriod:
    """A period by the terms it had and by the new version, in minor units, before tax.

    ``not_compared`` names new charges for which the old plan counted nothing comparable.
    """

    period: Period
    currency: str
    exponent: int
    cost_minor: int
    would_cost_minor: int
    not_compared: tuple[str, ...]


def last_period(candidate: Candidate, version: PlanVersion) -> LastPeriod:
    """The subscription's last closed period, or the open one so far, compared."""
    subscription = candidate.subscription
    closed = earlier_periods(subscription, subscription.period_start, 1)
    period = closed[0] if closed else Period(subscription.period_start, subscription.period_end)
    before = period_statement(subscription, period)
    held = stretches_in(subscription, period)
    paid = [stretch for stretch in held if not stretch.trial]
    if not paid:
        return LastPeriod(
            period, before.currency, before.exponent, before.subtotal_minor, before.subtotal_minor, ()
        )
    new = _in_place_of(paid, version)
    free = [stretch for stretch in held if stretch.trial]
    after = period_statement(subscription, period, read=_read_old_usage(paid), stretches=[*free, new])
    return LastPeriod(
        period,
        before.currency,
        before.exponent,
        before.subtotal_minor,
        after.subtotal_minor,
        tuple(one.charge.key for one in new.charges if _counts(one) and not _of_old(one, paid)),
    )


def _in_place_of(paid: Sequence[Stretch], version: PlanVersion) -> Stretch:
    """One stretch under the version, as long as the paid ones together."""
    first = paid[0]
    segment = SubscriptionSegment(
        customer_id=first.subscription.customer_id,
        id=first.segment_id,
        subscription_id=first.subscription.id,
        plan_version=version,
        starts_at=first.starts_at,
        ends_at=paid[-1].ends_at,
    )
    return stretch_of(segment, first.subscription)


def _read_old_usage(paid: Sequence[Stretch]) -> UsageReader:
    counted = BucketReader()

    def read(stretch: Stretch, metered: MeteredCharge | None, period: Period) -> list[Usage]:
        if stretch.trial:
            return counted(stretch, metered, period)
        if metered is None:
            return [usage for old in paid for usage in counted(old, None, period)]
        return [usage for old, charge in _of_old(metered, paid) for usage in counted(old, charge, period)]

    return read


def _of_old(metered: MeteredCharge, paid: Sequence[Stretch]) -> list[tuple[Stretch, MeteredCharge]]:
    """The old charges whose counted usage the new charge can price."""
    found = []
    for old in paid:
        same = [charge for charge in old.charges if _counts_alike(metered, charge)]
        named = [charge for charge in same if charge.charge.key == metered.charge.key]
        found += [(old, charge) for charge in (named or same)[:1]]
    return found


def _counts(metered: MeteredCharge) -> bool:
    """Whether the charge prices something counted: by a meter, or in credits."""
    return metered.meter is not None or metered.charge.measures_credits


def _counts_alike(new: MeteredCharge, old: MeteredCharge) -> bool:
    one, other = new.charge, old.charge
    if (one.meter, one.burn_table, one.bill_failed) != (other.meter, other.burn_table, other.bill_failed):
        return False
    if set(new.dimensions) != set(old.dimensions):
        return False
    priced_alike = (one.model, one.margin_floor) == (other.model, other.margin_floor)
    return priced_alike or not (_priced_as_it_comes(one) or _priced_as_it_comes(other))


def _priced_as_it_comes(charge: Charge) -> bool:
    """Whether the usage kept holds each event's own price, which another price list cannot be asked about."""
    floored = charge.margin_floor is not None and charge.prices_events
    return isinstance(charge.model, Percentage | Dynamic) or floored
