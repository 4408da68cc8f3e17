"""Moves: putting a plan's subscribers on another of its versions, each at a planned time, with a way back until then.

A move and what it plans for each subscription are rows. Each step is carried out as due work under its own customer's
lock, so a move of thousands goes on where it was killed, and one that cannot be carried out stops no other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery

from billing.ledger import lock_customer
from billing.models import PlanMove, PlanMoveStep, Subscription, SubscriptionSegment
from billing.rating import rate_pending
from billing.recounts.recounting import change_and_recount, undo_and_recount
from billing.subscriptions.lifecycle import segments_of
from core.due_work import Work, schedule
from core.ids import new_id
from core.problems import Conflict, Invalid, Problem
from customers.models import Customer
from pricing.models import PlanVersion
from pricing.plan_corrections import corrected_versions

MOVE_DUE = "plan.move"
ALL, NEW_ONLY = "all", "new_only"
State = PlanMoveStep.State


@dataclass(frozen=True)
class NewMove:
    """Who moves to the version, and when. ``at`` is ``None`` for each subscription's next period."""

    version: PlanVersion
    who: str | list[str]
    at: datetime | None


@dataclass(frozen=True)
class Candidate:
    """A subscription that the move is about, and why it cannot move, if it cannot."""

    subscription: Subscription
    segment: SubscriptionSegment
    at: datetime
    refusal: str = ""


def candidates(move: NewMove) -> list[Candidate]:
    """The subscriptions that will have another version of the plan at the time of the move, in order of customers.

    Raises ``Invalid`` naming a customer that does not exist, and ``Conflict`` for a version that is not published.
    """
    refusal = _not_published(move.version)
    if refusal:
        raise Conflict(refusal)
    running = Subscription.objects.filter(closed_at=None).select_related("customer")
    if isinstance(move.who, list):
        running = running.filter(customer_id__in=_customer_ids(move.who))
    elif move.who == NEW_ONLY:
        running = running.none()
    segments: dict[tuple[int, UUID], list[SubscriptionSegment]] = {}
    on_plan = SubscriptionSegment.objects.filter(plan_version__plan_id=move.version.plan_id)
    having = set(on_plan.values_list("customer_id", "subscription_id").distinct())
    rows = SubscriptionSegment.objects.filter(customer_id__in={pair[0] for pair in having})
    for segment in rows.select_related("plan_version__plan").order_by("starts_at", "id"):
        segments.setdefault((segment.customer_id, segment.subscription_id), []).append(segment)
    found = []
    for subscription in running.order_by("customer_id", "starts_at", "id"):
        own = segments.get((subscription.customer_id, subscription.id), [])
        candidate = _candidate(subscription, own, move)
        found += [candidate] if candidate is not None else []
    return found


def _not_published(version: PlanVersion) -> str:
    if version.status == PlanVersion.Status.PUBLISHED:
        return ""
    if version.status == PlanVersion.Status.DRAFT:
        return f"Version {version.number} is a draft: publish it first."
    return f"Version {version.number} is {version.status}: only a published one takes subscribers."


def _customer_ids(keys: list[str]) -> list[int]:
    known = dict(Customer.objects.filter(key__in=keys).values_list("key", "id"))
    for index, key in enumerate(keys):
        if key not in known:
            detail = f"There is no customer {key[:80]!r}."
            raise Invalid.one(f"who[{index}]", "unknown_customer", detail)
    return list(known.values())


def _candidate(
    subscription: Subscription, segments: list[SubscriptionSegment], move: NewMove
) -> Candidate | None:
    at = subscription.period_end if move.at is None else max(move.at, subscription.starts_at)
    held = [one for one in segments if one.starts_at <= at]
    if not held or held[-1].plan_version.plan_id != move.version.plan_id:
        return None
    if held[-1].plan_version_id == move.version.pk:
        return None
    return Candidate(subscription, held[-1], at, _refusal(subscription, held[-1], segments, at, move.version))


def _refusal(
    subscription: Subscription,
    held: SubscriptionSegment,
    segments: list[SubscriptionSegment],
    at: datetime,
    version: PlanVersion,
) -> str:
    if subscription.ends_at is not None and subscription.ends_at <= at:
        return "It ends before that time."
    if version.terms["interval"] != subscription.interval:
        return f"The version bills by the {version.terms['interval']}, the subscription by the {subscription.interval}."
    for later in segments:
        if later.starts_at > at and later.plan_version_id != held.plan_version_id:
            plan = later.plan_version.plan.key
            return f"A change to {plan}, version {later.plan_version.number}, is planned for later."
    return ""


@transaction.atomic
def move_subscribers(move: NewMove, *, now: datetime) -> PlanMove:
    """Write the move down with a step for each subscription, and make the steps due.

    With ``new_only`` it has no steps: who is there keeps the version it has, and only new subscribers get this one.
    """
    row = PlanMove.objects.create(
        id=new_id(), plan_version=move.version, who=move.who, at=move.at, created_at=now
    )
    steps = [
        PlanMoveStep(
            customer_id=one.subscription.customer_id,
            move=row,
            subscription_id=one.subscription.id,
            from_version=one.segment.plan_version.number,
            at=one.at,
            state=State.REFUSED if one.refusal else State.WAITING,
            detail=one.refusal,
            settled_at=now if one.refusal else None,
        )
        for one in candidates(move)
    ]
    PlanMoveStep.objects.bulk_create(steps, batch_size=1_000)
    for step in steps:
        if step.state == State.WAITING:
            schedule(step.customer_id, MOVE_DUE, _work_key(step), now)
    return row


@transaction.atomic
def cancel_move(move_id: UUID, *, now: datetime) -> PlanMove:
    """Take back what has not yet taken effect; who has moved stays moved. Cancelling again changes nothing."""
    move = PlanMove.objects.select_for_update().get(id=move_id)
    if move.cancelled_at is not None:
        return move
    move.cancelled_at = now
    move.save(update_fields=["cancelled_at"])
    for step in _open_steps(move, now):
        # A key of its own: the step may be at work this very moment, and would take this row with it.
        schedule(step.customer_id, MOVE_DUE, f"{_work_key(step)}:cancel", now)
    return move


def _open_steps(move: PlanMove, now: datetime) -> Iterator[PlanMoveStep]:
    for step in move.steps.filter(state__in=[State.WAITING, State.PLANNED]):
        if step.state == State.WAITING or step.at > now:
            yield step


def steps_of(move: PlanMove) -> QuerySet[PlanMoveStep]:
    """The move's steps, each with its customer and its subscription's key."""
    keys = Subscription.objects.filter(
        customer_id=OuterRef("customer_id"), id=OuterRef("subscription_id")
    ).values("key")
    return (
        PlanMoveStep.objects.filter(move=move)
        .select_related("customer")
        .annotate(subscription_key=Subquery(keys[:1]))
    )


def step_status(state: str, takes_effect: datetime, at: datetime) -> str:
    """A step's state, or ``moved`` once what was planned has taken effect."""
    return "moved" if state == PlanMoveStep.State.PLANNED and takes_effect <= at else state


def _work_key(step: PlanMoveStep) -> str:
    return f"{step.move_id.hex}:{step.subscription_id.hex}"


def step_is_due(work: Work, now: datetime) -> datetime | None:
    """Plan one subscription's change, or take it back where the move has been cancelled; again changes nothing."""
    move_id, subscription_id = (UUID(part) for part in work.key.split(":")[:2])
    rate_pending(work.customer_id, now=now)
    with transaction.atomic():
        lock_customer(work.customer_id)
        step = PlanMoveStep.objects.select_related("move__plan_version__plan").get(
            customer_id=work.customer_id, move_id=move_id, subscription_id=subscription_id
        )
        subscription = Subscription.objects.select_related("customer").get(
            customer_id=work.customer_id, id=subscription_id
        )
        if step.move.cancelled_at is not None:
            _take_back(step, subscription, now)
        elif step.state == State.WAITING:
            _plan(step, subscription, now)
    return None


def _plan(step: PlanMoveStep, subscription: Subscription, now: datetime) -> None:
    # Work that comes late finds its period closed: the move then takes effect with the one that is open.
    step.at = max(step.at, subscription.period_start)
    version = step.move.plan_version
    segments = list(
        segments_of(subscription).select_related("plan_version__plan").order_by("starts_at", "id")
    )
    move = NewMove(version, step.move.who, step.at)
    candidate = _candidate(subscription, segments, move)
    refusal = "It no longer has another version of this plan." if candidate is None else candidate.refusal
    refusal = refusal or _not_published(version)
    if not refusal:
        try:
            with transaction.atomic():
                change_and_recount(subscription, version, at=step.at, now=now)
        except Problem as problem:
            refusal = problem.detail
    _settle(step, State.REFUSED if refusal else State.PLANNED, refusal, now)


def _take_back(step: PlanMoveStep, subscription: Subscription, now: datetime) -> None:
    if step.state == State.WAITING:
        _settle(step, State.CANCELLED, "", now)
    elif step.state == State.PLANNED and step.at > now:
        undone = undo_and_recount(subscription, _planned_version(step, subscription), at=step.at, now=now)
        _settle(step, State.CANCELLED, "" if undone else "It had been changed again since.", now)


def _planned_version(step: PlanMoveStep, subscription: Subscription) -> PlanVersion:
    """The version that the step planned, or the one that has put it right since."""
    planned = segments_of(subscription).filter(starts_at=step.at).select_related("plan_version").first()
    if planned is not None and step.move.plan_version in corrected_versions(planned.plan_version):
        return planned.plan_version
    return step.move.plan_version


def _settle(step: PlanMoveStep, state: str, detail: str, now: datetime) -> None:
    step.state, step.detail, step.settled_at = state, detail[:500], now
    step.save(update_fields=["state", "detail", "at", "settled_at"])
