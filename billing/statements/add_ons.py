"""Add-ons: extras beside a plan, once or in every period, billed with the period in which they ran."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Q, QuerySet

from billing.ledger import lock_customer
from billing.models import AddOn, Subscription
from billing.statements.fees import share_of, whole_around
from billing.statements.parts import Parts
from billing.subscriptions.basis import basis_for
from billing.subscriptions.trials import paid_part
from core import texts
from core.ids import new_id
from core.money import CONTEXT, plain
from core.periods import Period, Share
from core.problems import Conflict, NotFound
from pricing.engine.invoice import Fee
from pricing.plan_terms import PlanTerms


@dataclass(frozen=True)
class NewAddOn:
    """An extra to add. ``amount`` is for one piece, in the currency's major unit."""

    key: str
    name: str
    amount: Decimal
    quantity: Decimal
    recurring: bool
    starts_at: datetime


@transaction.atomic
def add_add_on(subscription: Subscription, new: NewAddOn, *, now: datetime) -> AddOn:
    """Add an extra from its start on.

    Raises ``Conflict`` when one with the same key still runs at that time, or the time lies in a closed period or after
    the subscription's end.
    """
    lock_customer(subscription.customer_id)
    subscription.refresh_from_db()
    _refuse_closed(subscription, new.starts_at)
    same = add_ons_of(subscription).filter(key=new.key)
    if same.filter(Q(ends_at=None, recurring=True) | Q(ends_at__gt=new.starts_at)).exists():
        raise Conflict(f"The add-on {new.key!r} runs at that time; end it first, or take another key.")
    return AddOn.objects.create(
        customer_id=subscription.customer_id,
        id=new_id(),
        subscription_id=subscription.id,
        key=new.key,
        name=new.name,
        amount=new.amount,
        quantity=new.quantity,
        recurring=new.recurring,
        starts_at=new.starts_at,
        created_at=now,
    )


@transaction.atomic
def end_add_on(subscription: Subscription, key: str, *, at: datetime) -> AddOn:
    """End a recurring add-on; the day of its end still counts. Raises ``NotFound``, and ``Conflict`` for a closed period."""
    lock_customer(subscription.customer_id)
    subscription.refresh_from_db()
    running = add_ons_of(subscription).filter(recurring=True, ends_at=None)
    add_on = running.filter(key=key).first() if texts.KEY.fullmatch(key) else None
    if add_on is None:
        raise NotFound(f"No recurring add-on {key[:80]!r} runs on this subscription.")
    _refuse_closed(subscription, at)
    add_on.ends_at = max(at, add_on.starts_at)
    add_on.save(update_fields=["ends_at"])
    return add_on


def add_ons_of(subscription: Subscription) -> QuerySet[AddOn]:
    """The subscription's add-ons, in the order in which they begin."""
    own = AddOn.objects.filter(customer_id=subscription.customer_id, subscription_id=subscription.id)
    return own.order_by("starts_at", "id")


def add_add_on_fees(parts: Parts, subscription: Subscription, period: Period, terms: PlanTerms) -> None:
    """The fees of the add-ons that ran in the period: a recurring one for its share, by the plan's proration."""
    running = [
        one
        for one in basis_for(subscription, period.start).add_ons
        if one.starts_at < period.end and (one.ends_at is None or one.ends_at > period.start)
    ]
    for add_on in running:
        amount = CONTEXT.multiply(add_on.amount, add_on.quantity)
        if add_on.recurring:
            _add_recurring(parts, subscription, add_on, period, terms, amount)
        elif add_on.starts_at >= period.start:
            parts.add_fee(Fee(amount, None, _words(add_on)), period=period)


def _add_recurring(
    parts: Parts, subscription: Subscription, add_on: AddOn, period: Period, terms: PlanTerms, amount: Decimal
) -> None:
    ran = Period(
        max(period.start, add_on.starts_at),
        period.end if add_on.ends_at is None else min(period.end, add_on.ends_at),
    )
    used = paid_part(subscription, ran)
    if used is None or used.end <= used.start:
        return
    share = _share(subscription, used, period, terms.proration)
    parts.add_fee(Fee(amount, share, _words(add_on)), period=used)


def _share(subscription: Subscription, used: Period, period: Period, proration: str) -> Share | None:
    whole = whole_around(subscription, period)
    if proration == "none" or used == whole:
        return None
    return share_of(used, whole, subscription.timezone, proration, ends=True)


def _words(add_on: AddOn) -> str:
    return add_on.name if add_on.quantity == 1 else f"{add_on.name} × {plain(add_on.quantity)}"


def _refuse_closed(subscription: Subscription, at: datetime) -> None:
    if subscription.closed_at is not None or (
        subscription.ends_at is not None and at >= subscription.ends_at
    ):
        raise Conflict("The subscription ends before that time.")
    if at < subscription.period_start:
        raise Conflict("That time lies in a period that is already closed.")
