"""The credits that a plan grants with each period, and what carries over from the last one."""

from datetime import datetime

from billing.credits import NewGrant, grant_credits, move_rollover
from billing.models import CreditGrant, Subscription
from pricing.plan_terms import PlanTerms


def grant_plan_credits(subscription: Subscription, terms: PlanTerms, *, now: datetime) -> list[CreditGrant]:
    """Give the open period's credits, once; what rolls over from the last period is moved first.

    The caller holds the customer's lock.
    """
    customer_id = subscription.customer_id
    prefix = f"plan:{subscription.id.hex}:{subscription.period_n}:"
    if CreditGrant.objects.filter(customer_id=customer_id, key__startswith=prefix).exists():
        return []
    given = []
    last = CreditGrant.objects.filter(
        customer_id=customer_id, subscription_id=subscription.id, expires_at=subscription.period_start
    )
    for grant in last.filter(remaining__gt=0, rollover__gt=0, voided_at=None, expired_at=None).order_by("id"):
        rolled = move_rollover(
            grant,
            key=f"{prefix}rollover:{grant.id.hex}",
            starts_at=subscription.period_start,
            expires_at=subscription.period_end,
            now=now,
        )
        given += [rolled] if rolled is not None else []
    for index, granted in enumerate(terms.credit_grants):
        new = NewGrant(
            key=f"{prefix}{index}",
            amount=granted.amount,
            starts_at=subscription.period_start,
            expires_at=subscription.period_end if granted.expires == "period_end" else None,
            name=f"{terms.name} credits",
            category=granted.category,
            cost_basis=granted.cost_basis,
            currency=terms.currency,
            priority=granted.priority,
            subscription_id=subscription.id,
            rollover=granted.rollover,
        )
        given.append(grant_credits(customer_id, new, now=now))
    return given
