"""Who has which plan, from when to when: starting, changing and ending subscriptions, and rolling their periods."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from billing.credits.plan_credits import grant_plan_credits
from billing.ledger import lock_customer
from billing.models import Subscription, SubscriptionSegment
from billing.subscriptions.overrides import note_overrides, overrides_in
from billing.subscriptions.trials import trial_end
from core import texts
from core.due_work import schedule
from core.ids import new_id, public_id
from core.periods import Period, local_date, local_midnight, period_containing, period_number
from core.problems import Conflict, Invalid, NotFound
from customers.models import Customer
from pricing.models import Plan, PlanVersion
from pricing.plan_terms import PlanTerms

PERIOD_ENDS = "subscription.period"
STARTS = "subscription.start"
FAR = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class NewSubscription:
    """What starts a subscription. ``anchor`` is the local day that periods count from; the start's own day by default."""

    customer: Customer
    plan_version: PlanVersion
    key: str
    starts_at: datetime
    anchor: date | None = None
    ends_at: datetime | None = None
    overrides: dict[str, Any] | None = None


def plan_version_to_sell(plan_key: str, number: int | None = None) -> PlanVersion:
    """The version a new subscriber gets: the one asked for, or the newest that is published.

    Raises ``Invalid`` naming the field, with what could be asked for instead.
    """
    plan = Plan.objects.filter(key=plan_key).first() if texts.KEY.fullmatch(plan_key) else None
    if plan is None:
        raise Invalid.one("plan", "unknown_plan", f"There is no plan with the key {plan_key[:80]!r}.")
    versions = plan.versions.filter(status=PlanVersion.Status.PUBLISHED).order_by("-number")
    version = versions.filter(number=number).first() if number is not None else versions.first()
    if version is None:
        if number is None:
            detail = f"The plan {plan_key!r} has no published version: publish one first."
            raise Invalid.one("plan", "not_published", detail)
        on_sale = ", ".join(str(known) for known in versions.values_list("number", flat=True)[:5]) or "none"
        detail = f"Version {number} of the plan {plan_key!r} is not published. Published: {on_sale}."
        raise Invalid.one("version", "not_published", detail)
    return version


@transaction.atomic
def start_uncounted(new: NewSubscription, *, now: datetime) -> Subscription:
    """Start a subscription and open its first period, without looking at usage.

    ``billing.recounts.recounting`` starts one for good.

    The first period starts at local midnight of the start's day (the first day counts), or within the period of the
    ``anchor`` that holds it. Raises ``Conflict`` when the customer already has a subscription with this key, and
    ``Invalid`` when the anchor lies after the start or the plan's currency is not the customer's.
    """
    customer = new.customer
    lock_customer(customer.id)
    terms = PlanTerms.of(new.plan_version)
    if terms.currency != customer.currency:
        detail = f"The plan is priced in {terms.currency}; {customer.key} is billed in {customer.currency}."
        raise Invalid.one("plan", "currency_differs", detail)
    if Subscription.objects.filter(customer=customer, key=new.key).exists():
        raise Conflict(f"{customer.key} already has a subscription with the key {new.key!r}.")
    zone = customer.next_timezone or customer.timezone
    first_day = local_date(new.starts_at, zone)
    anchor = new.anchor or first_day
    if anchor > first_day:
        raise Invalid.one(
            "anchor", "after_start", f"The anchor {anchor} must not lie after the start {first_day}."
        )
    starts_at = local_midnight(first_day, zone)
    n, period = period_containing(anchor, terms.interval, zone, starts_at)
    free_until = trial_end(first_day, terms, zone)
    subscription = Subscription.objects.create(
        customer=customer,
        id=new_id(),
        key=new.key,
        anchor=anchor,
        interval=terms.interval,
        timezone=zone,
        starts_at=starts_at,
        ends_at=new.ends_at,
        overrides=new.overrides or {},
        trial_ends_at=free_until,
        created_at=now,
        period_n=n,
        period_start=starts_at,
        period_end=_clipped_end(period.end, new.ends_at),
    )
    _add_stretches(subscription, new.plan_version, starts_at)
    if subscription.overrides:
        note_overrides(subscription, subscription.overrides, starts_at=starts_at, now=now)
    grant_plan_credits(subscription, terms, now=now)
    schedule(customer.id, PERIOD_ENDS, subscription.id.hex, subscription.period_end)
    if free_until is not None:
        schedule(customer.id, STARTS, subscription.id.hex, free_until)
    elif terms.fee and terms.fee_timing == "advance":
        schedule(customer.id, STARTS, subscription.id.hex, max(starts_at, now), soon=starts_at <= now)
    return subscription


@transaction.atomic
def change_uncounted(
    subscription: Subscription, version: PlanVersion, *, at: datetime, now: datetime
) -> None:
    """The stretches alone: ``billing.recounts.recounting`` changes a plan for good.

    Put the subscription on another plan version from ``at`` on: usage by the instant, the fee by the plan's proration.

    A change planned earlier for a later time is replaced. Raises ``Conflict`` when ``at`` lies in a period that is
    already closed or after the subscription's end, and ``Invalid`` when interval or currency differ.
    """
    lock_customer(subscription.customer_id)
    subscription.refresh_from_db()
    terms = PlanTerms.of(version)
    if terms.interval != subscription.interval:
        detail = f"The plan bills by the {terms.interval}, the subscription by the {subscription.interval}."
        raise Invalid.one("plan", "interval_differs", detail)
    if terms.currency != subscription.customer.currency:
        detail = (
            f"The plan is priced in {terms.currency}, the customer pays in {subscription.customer.currency}."
        )
        raise Invalid.one("plan", "currency_differs", detail)
    at = _not_before_start(subscription, at, now)
    if at < subscription.period_start:
        raise Conflict(
            "That time lies in a period that is already closed; change the plan from the open period on."
        )
    if subscription.ends_at is not None and at >= subscription.ends_at:
        raise Conflict("The subscription ends before that time.")
    segments = segments_of(subscription)
    segments.filter(starts_at__gte=at, starts_at__gt=subscription.starts_at).delete()
    first = segments.filter(starts_at__gte=at).first()
    if first is None:
        segments.filter(Q(ends_at=None) | Q(ends_at__gt=at)).update(ends_at=at)
        _add_stretches(subscription, version, at)
    else:  # a change from the very start replaces the first stretch, which keeps its id
        first.plan_version = version
        _run_until_end(subscription, first)


@transaction.atomic
def undo_planned_change(subscription: Subscription, version: PlanVersion, *, at: datetime) -> bool:
    """Let the plan before ``at`` run on instead of the version planned from then; ``False`` where none is planned."""
    lock_customer(subscription.customer_id)
    subscription.refresh_from_db()
    segments = segments_of(subscription).select_related("plan_version").order_by("starts_at")
    planned = segments.filter(starts_at=at, plan_version=version).exists()
    before = segments.filter(starts_at__lt=at).last()
    if not planned or before is None or segments.filter(starts_at__gt=at).exclude(plan_version=version):
        return False
    segments_of(subscription).filter(starts_at__gte=at).delete()
    _run_until_end(subscription, before)
    return True


def _run_until_end(subscription: Subscription, last: SubscriptionSegment) -> None:
    """Let the last stretch reach to the subscription's end; where the trial ends on the way, another follows it."""
    free_until, ends_at = subscription.trial_ends_at, subscription.ends_at
    divided = (
        free_until is not None and last.starts_at < free_until and (ends_at is None or free_until < ends_at)
    )
    segments_of(subscription).filter(id=last.id).update(
        plan_version=last.plan_version, ends_at=free_until if divided else ends_at
    )
    if divided and free_until is not None:
        _add_stretches(subscription, last.plan_version, free_until)


def _add_stretches(subscription: Subscription, version: PlanVersion, at: datetime) -> None:
    """A stretch under the version from ``at`` to the end; where the trial ends on the way, one on either side."""
    free_until, ends_at = subscription.trial_ends_at, subscription.ends_at
    edges = [at]
    if free_until is not None and at < free_until and (ends_at is None or free_until < ends_at):
        edges.append(free_until)
    for start, end in zip(edges, [*edges[1:], ends_at], strict=True):
        SubscriptionSegment.objects.create(
            customer_id=subscription.customer_id,
            id=new_id(),
            subscription_id=subscription.id,
            plan_version=version,
            starts_at=start,
            ends_at=end,
        )


@transaction.atomic
def cancel_uncounted(subscription: Subscription, *, at: datetime, now: datetime) -> None:
    """The stretches alone: ``billing.recounts.recounting`` ends one for good.

    End the subscription at ``at``; its last period ends then and is invoiced as any other."""
    lock_customer(subscription.customer_id)
    subscription.refresh_from_db()
    if subscription.closed_at is not None:
        raise Conflict("The subscription has already ended.")
    at = _not_before_start(subscription, at, now)
    if at < subscription.period_start:
        raise Conflict("That time lies in a period that is already closed.")
    subscription.ends_at = at
    period = period_number(
        subscription.anchor, subscription.period_n, subscription.interval, subscription.timezone
    )
    subscription.period_end = _clipped_end(period.end, at)
    subscription.save(update_fields=["ends_at", "period_end"])
    segments = segments_of(subscription)
    segments.filter(starts_at__gte=at, starts_at__gt=subscription.starts_at).delete()
    last = segments.select_related("plan_version").order_by("-starts_at").first()
    if last is not None:  # an end planned before may have been earlier
        _run_until_end(subscription, last)
    schedule(subscription.customer_id, PERIOD_ENDS, subscription.id.hex, max(subscription.period_end, now))


def _not_before_start(subscription: Subscription, at: datetime, now: datetime) -> datetime:
    """The instant, or the start of a subscription that has not begun: what is done to it before holds from then on."""
    return max(at, subscription.starts_at) if now < subscription.starts_at else at


def segments_of(subscription: Subscription) -> QuerySet[SubscriptionSegment]:
    """All stretches of the subscription, past and planned."""
    return SubscriptionSegment.objects.filter(
        customer_id=subscription.customer_id, subscription_id=subscription.id
    )


def whole_period(subscription: Subscription, n: int) -> Period:
    """The full period n by the calendar, of which a first or last period may be a part."""
    return period_number(subscription.anchor, n, subscription.interval, subscription.timezone)


def segments_between(subscription: Subscription, period: Period) -> list[SubscriptionSegment]:
    """The stretches under one plan version that overlap the period, in order of time."""
    if subscription.basis is not None:
        return [one for one in subscription.basis.segments if _overlaps(one, period)]
    return list(
        segments_of(subscription)
        .filter(Q(ends_at=None) | Q(ends_at__gt=period.start), starts_at__lt=period.end)
        .select_related("plan_version__plan")
        .order_by("starts_at", "id")
    )


def _overlaps(segment: SubscriptionSegment, period: Period) -> bool:
    return segment.starts_at < period.end and (segment.ends_at is None or segment.ends_at > period.start)


def advance_period(subscription: Subscription, customer: Customer, *, now: datetime) -> bool:
    """Move on to the next period; ``False`` when the subscription has ended instead. The caller holds the lock.

    A change of the customer's zone takes effect here: the new period starts where the old one ended and ends at the new
    zone's midnight.
    """
    if subscription.ends_at is not None and subscription.period_end >= subscription.ends_at:
        subscription.closed_at = now
        subscription.save(update_fields=["closed_at"])
        return False
    if customer.next_timezone and customer.next_timezone != customer.timezone:
        Customer.objects.filter(id=customer.id).update(timezone=customer.next_timezone, next_timezone="")
        customer.timezone, customer.next_timezone = customer.next_timezone, ""
    subscription.timezone = customer.timezone
    subscription.period_start = subscription.period_end
    subscription.period_n += 1
    following = whole_period(subscription, subscription.period_n)
    if following.end <= subscription.period_start:  # a zone far to the east swallowed a period of a day
        subscription.period_n += 1
        following = whole_period(subscription, subscription.period_n)
    subscription.period_end = _clipped_end(following.end, subscription.ends_at)
    subscription.overrides = overrides_in(
        subscription, Period(subscription.period_start, subscription.period_end)
    )
    subscription.save(update_fields=["timezone", "period_start", "period_n", "period_end", "overrides"])
    schedule(customer.id, PERIOD_ENDS, subscription.id.hex, subscription.period_end)
    return True


def subscription_by_key(customer_id: int, key: str) -> Subscription:
    """The customer's subscription with this key or public id; ``NotFound`` otherwise."""
    mine = Subscription.objects.filter(customer_id=customer_id)
    for subscription in mine.filter(key=key):
        return subscription
    for subscription in mine:
        if public_id("sub", subscription.id) == key:
            return subscription
    raise NotFound(f"There is no subscription {key!r}.")


def active_subscriptions(customer_id: int) -> list[Subscription]:
    """Subscriptions whose periods still run, oldest first."""
    return list(_active(customer_id))


def subscriptions_over(customer_id: int, until: datetime) -> list[Subscription]:
    """Subscriptions whose open period ends by then, oldest first; all with the same object for their customer."""
    over = list(_active(customer_id).filter(period_end__lte=until))
    for subscription in over:
        subscription.customer = over[0].customer
    return over


def _active(customer_id: int) -> QuerySet[Subscription]:
    mine = Subscription.objects.filter(customer_id=customer_id, closed_at=None)
    return mine.select_related("customer").order_by("starts_at", "id")


def segment_ids(customer_id: int, subscription_id: UUID) -> list[UUID]:
    return list(
        SubscriptionSegment.objects.filter(
            customer_id=customer_id, subscription_id=subscription_id
        ).values_list("id", flat=True)
    )


def _clipped_end(end: datetime, ends_at: datetime | None) -> datetime:
    return end if ends_at is None else min(end, ends_at)


def customers_by_subscription(keys: set[str]) -> dict[str, int]:
    """Which customer each subscription key belongs to; keys that several customers use are left out."""
    found: dict[str, int | None] = {}
    for key, customer_id in Subscription.objects.filter(key__in=keys).values_list("key", "customer_id"):
        found[key] = customer_id if found.setdefault(key, customer_id) == customer_id else None
    return {key: customer_id for key, customer_id in found.items() if customer_id is not None}
