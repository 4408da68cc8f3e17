"""A subscription's own terms, laid over its plan's: always for whole periods, dated by the first one they hold for."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from billing.ledger import lock_customer
from billing.models import Subscription, SubscriptionOverride
from billing.subscriptions.terms import Stretch
from core.periods import Period
from core.problems import Conflict, Invalid
from pricing.cost_currency import in_another_currency
from pricing.plan_terms import PlanTerms


def overrides_in(subscription: Subscription, period: Period) -> dict[str, Any]:
    """The overrides that hold for the period, as JSON; empty where the plan's terms hold alone."""
    if subscription.basis is not None:
        known = [row for row in subscription.basis.overrides if row.starts_at <= period.start]
        return dict(known[-1].overrides) if known else {}
    rows = SubscriptionOverride.objects.filter(
        customer_id=subscription.customer_id, subscription_id=subscription.id, starts_at__lte=period.start
    )
    last = rows.order_by("-starts_at").first()
    return {} if last is None else dict(last.overrides)


def planned_overrides(subscription: Subscription) -> dict[str, Any] | None:
    """The overrides that begin with the next period; ``None`` where nothing is planned."""
    return planned_overrides_of([subscription]).get(subscription.id)


def planned_overrides_of(subscriptions: Sequence[Subscription]) -> dict[UUID, dict[str, Any]]:
    """By subscription the overrides that begin with its next period, where any are planned; one query."""
    begun = {subscription.id: subscription.period_start for subscription in subscriptions}
    rows = SubscriptionOverride.objects.filter(
        customer_id__in={subscription.customer_id for subscription in subscriptions},
        subscription_id__in=begun,
    )
    planned: dict[UUID, dict[str, Any]] = {}
    for row in rows.order_by("starts_at"):
        if row.starts_at > begun[row.subscription_id]:
            planned.setdefault(row.subscription_id, dict(row.overrides))
    return planned


def own_terms(terms: PlanTerms, subscription: Subscription, period: Period) -> PlanTerms:
    """The plan's terms with the subscription's own of that period laid over them."""
    given = PlanTerms.overrides(overrides_in(subscription, period))
    return replace(terms, **given) if given else terms


def with_own_terms(stretches: Iterable[Stretch], subscription: Subscription, period: Period) -> list[Stretch]:
    """The stretches with the subscription's own terms of that period laid over their plans'; a trial stays free."""
    given = PlanTerms.overrides(overrides_in(subscription, period))
    if not given:
        return list(stretches)
    return [
        stretch if stretch.trial else replace(stretch, terms=replace(stretch.terms, **given))
        for stretch in stretches
    ]


@transaction.atomic
def set_overrides(
    subscription: Subscription, overrides: dict[str, Any], *, next_period: bool, now: datetime
) -> None:
    """Replace all of the subscription's own terms, for the open period as a whole or from the next one on.

    A change planned before for later is replaced. Raises ``Conflict`` when the subscription has ended, or ends before a
    next period begins, and ``Invalid`` as ``note_overrides`` does.
    """
    lock_customer(subscription.customer_id)
    subscription.refresh_from_db()
    if subscription.closed_at is not None:
        raise Conflict("The subscription has ended.")
    ends = subscription.ends_at
    if next_period and ends is not None and ends <= subscription.period_end:
        raise Conflict("The subscription ends with this period: there is no next one.")
    starts_at = subscription.period_end if next_period else subscription.period_start
    rows = SubscriptionOverride.objects.filter(
        customer_id=subscription.customer_id, subscription_id=subscription.id, starts_at__gte=starts_at
    )
    rows.delete()
    note_overrides(subscription, overrides, starts_at=starts_at, now=now)
    if not next_period:
        subscription.overrides = overrides
        subscription.save(update_fields=["overrides"])


def note_overrides(
    subscription: Subscription, overrides: dict[str, Any], *, starts_at: datetime, now: datetime
) -> None:
    """Write down what holds from a period's start on. The caller holds the customer's lock.

    Raises ``Invalid`` for a margin floor where the customer does not pay in the currency of the costs.
    """
    following = ["overrides.margin_floor"] if overrides.get("margin_floor") else []
    if errors := in_another_currency(subscription.customer.currency, following):
        raise Invalid(errors[0].detail, tuple(errors))
    SubscriptionOverride.objects.create(
        customer_id=subscription.customer_id,
        subscription_id=subscription.id,
        starts_at=starts_at,
        overrides=overrides,
        created_at=now,
    )
