"""The credits that a plan grants with each period, and what carries over from the last one."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from django.db.models import Q

from billing.credits.grants import NewGrant, give_credits, grant_credits, move_rollover
from billing.models import CreditGrant, Subscription
from core.money import prorate, to_stored
from core.periods import Period, Share
from pricing.plan_terms import PlanGrant, PlanTerms


def grant_plan_credits(subscription: Subscription, terms: PlanTerms, *, now: datetime) -> list[CreditGrant]:
    """Give the open period's credits, once; what rolls over from the last period is moved first.

    The caller holds the customer's lock.
    """
    customer_id = subscription.customer_id
    prefix = period_prefix(subscription, subscription.period_n)
    begins = subscription.period_start
    grants = CreditGrant.objects.filter(
        Q(key__startswith=prefix) | Q(expires_at=begins),
        customer_id=customer_id,
        subscription_id=subscription.id,
    )
    known = list(grants.order_by("id"))
    if any(grant.key.startswith(prefix) for grant in known):
        return []
    given = []
    for grant in known:
        if not (grant.remaining and grant.rollover) or grant.voided_at or grant.expired_at:
            continue
        rolled = move_rollover(
            grant,
            key=f"{prefix}rollover:{grant.id.hex}",
            starts_at=begins,
            expires_at=subscription.period_end,
            now=now,
        )
        given += [rolled] if rolled is not None else []
    period = Period(subscription.period_start, subscription.period_end)
    for index, granted in enumerate(terms.credit_grants):
        new = new_plan_grant(subscription, period, terms, granted, key=f"{prefix}{index}")
        given.append(give_credits(customer_id, new, now=now))
    return given


def new_plan_grant(
    subscription: Subscription,
    period: Period,
    terms: PlanTerms,
    granted: PlanGrant,
    *,
    key: str,
    share: Share | None = None,
) -> NewGrant:
    """What the plan grants for the period, or for its ``share`` of it."""

    def part(credits: Decimal) -> Decimal:
        return credits if share is None else to_stored(prorate(credits, share))

    return NewGrant(
        key=key,
        amount=part(granted.amount),
        starts_at=period.start,
        expires_at=period.end if granted.expires == "period_end" else None,
        name=f"{terms.name} credits",
        category=granted.category,
        cost_basis=granted.cost_basis,
        currency=terms.currency,
        priority=granted.priority,
        subscription_id=subscription.id,
        rollover=part(granted.rollover),
    )


def correct_plan_credits(
    subscription: Subscription, n: int, period: Period, terms: PlanTerms, *, cause: str, now: datetime
) -> bool:
    """Put the credits that period ``n`` brought right by the terms; whether any were wrong.

    A wrong grant is void from its start, and one as it should have been stands beside it. The caller holds the customer's
    lock, and has the draws made anew: until then what the wrong grant covered stands. One that a person took back stays
    taken back, and what has carried over stays carried over.
    """
    given = given_credits(subscription, n)
    changed = False
    for index in range(max([*(one + 1 for one in given), len(terms.credit_grants)])):
        due = (
            new_plan_grant(
                subscription,
                period,
                terms,
                terms.credit_grants[index],
                key=f"{period_prefix(subscription, n)}{index}",
            )
            if index < len(terms.credit_grants)
            else None
        )
        grant = given.get(index)
        if grant is not None and (
            grant.voided_at is not None or is_as_granted(grant, due, n == subscription.period_n)
        ):
            continue
        changed = True
        if grant is not None:
            CreditGrant.objects.filter(customer_id=grant.customer_id, id=grant.id).update(
                voided_at=grant.starts_at, reason="The plan was corrected"
            )
        if due is not None:
            key = due.key if grant is None else f"{due.key}:{cause}"
            grant_credits(subscription.customer_id, replace(due, key=key), now=now)
    return changed


def given_credits(subscription: Subscription, n: int, prefix: str | None = None) -> dict[int, CreditGrant]:
    """By its place in the plan, the grant that the period brought; where it was corrected, the last one."""
    prefix = prefix or period_prefix(subscription, n)
    grants = CreditGrant.objects.filter(customer_id=subscription.customer_id, key__startswith=prefix)
    given: dict[int, CreditGrant] = {}
    for grant in grants.order_by("id"):
        place = grant.key.removeprefix(prefix).split(":")[0]
        if place.isdecimal():
            given[int(place)] = grant
    return given


def is_as_granted(grant: CreditGrant, due: NewGrant | None, is_open: bool) -> bool:
    """Whether the grant is what it should be; what may carry over matters only while its period is open."""
    names = ("amount", "expires_at", "category", "cost_basis", "priority", *(["rollover"] if is_open else []))
    return due is not None and all(getattr(grant, name) == getattr(due, name) for name in names)


def period_prefix(subscription: Subscription, n: int) -> str:
    return f"plan:{subscription.id.hex}:{n}:"
