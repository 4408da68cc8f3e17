"""Trials: the first days of a subscription, in which its plan grants credits and charges nothing."""

from dataclasses import replace
from datetime import date, datetime, timedelta

from billing.models import Subscription, SubscriptionSegment
from core.money import ZERO
from core.periods import Period, local_date, local_midnight
from pricing.plan_terms import PlanTerms

ONE_DAY = timedelta(days=1)


def trial_end(first_day: date, terms: PlanTerms, zone: str) -> datetime | None:
    """When the plan's trial ends for a subscription that starts on this local day; ``None`` without a trial."""
    if not terms.trial_days:
        return None
    return local_midnight(first_day + terms.trial_days * ONE_DAY, zone)


def in_trial(segment: SubscriptionSegment, subscription: Subscription) -> bool:
    """Whether a stretch is free: none reaches across the trial's end."""
    return subscription.trial_ends_at is not None and segment.starts_at < subscription.trial_ends_at


def trial_terms(terms: PlanTerms) -> PlanTerms:
    """The plan's terms without anything that costs. Credits burn as they will when they are paid for."""
    tables = [charge.burn_table for charge in terms.charges if charge.burn_table]
    return replace(
        terms,
        fee=ZERO,
        charges=(),
        allowances=(),
        commitment=None,
        margin_floor=None,
        burn_table=terms.burn_table or (tables[0] if tables else None),
    )


def trial_words(subscription: Subscription) -> str:
    """What the invoice says of the free days."""
    assert subscription.trial_ends_at is not None
    last_day = local_date(subscription.trial_ends_at, subscription.timezone) - ONE_DAY
    return f"Free trial through {last_day:%-d %b %Y}"


def paid_part(subscription: Subscription, period: Period) -> Period | None:
    """The part of the period after the trial; ``None`` where all of it is free."""
    ends_at = subscription.trial_ends_at
    if ends_at is None or ends_at <= period.start:
        return period
    return Period(ends_at, period.end) if ends_at < period.end else None
