"""Re-rating: a span of the past is rated again by the prices, burn tables and terms as they are known now.

First it is looked at: for each customer the correction is carried out and taken back, so that what the dry run shows is
what applying does. Applying is one transaction a customer, under its lock, and its step moves in that transaction: killed
half way, the due work goes on with the customers that are left; started twice, nothing happens twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Max

from billing.ledger import lock_customer
from billing.models import ReRating, ReRatingStep
from billing.rating import RatingBatch, rate_pending
from billing.recounts.consequences import consequences, position_of
from billing.recounts.differences import Differences, Side
from billing.recounts.plan_corrections import correct_plan, wrong_segments
from billing.recounts.redraws import (
    Standing,
    Tables,
    burns_of,
    compare_burns,
    redraw,
    redrawn_from,
    standing_draws,
)
from billing.recounts.repricing import cost_now
from billing.recounts.taking_back import refresh_since
from billing.retention import refuse_before_kept
from billing.statements.late_periods import Cause
from core.due_work import schedule
from core.failpoints import failpoint
from core.ids import new_id
from core.money import exact
from core.periods import Period
from core.problems import Conflict, NotFound
from customers.models import Customer
from metering.stored_event import StoredEvent, answered_from_cache, event_by_id, events_between, set_costs
from pricing.models import BurnTableVersion, PlanVersion
from pricing.plan_corrections import standing_correction
from pricing.price_book import current_book, newest_book

LOOK_DUE = "rerating.look"
APPLY_DUE = "rerating.apply"
State, StepState = ReRating.State, ReRatingStep.State


@dataclass(frozen=True)
class NewReRating:
    """What to rate again: the events that happened in the span, of one customer or of all.

    With a ``plan_version`` it is what a corrected plan makes of those who had the wrong one: see ``of_plan``.
    """

    span: Period
    reason: str
    customer: Customer | None = None
    by: str = ""
    plan_version: PlanVersion | None = None


def of_plan(
    version: PlanVersion, reason: str, *, customer: Customer | None = None, by: str = "", now: datetime
) -> NewReRating:
    """A re-rating that carries a correction of a plan to those who have what it corrects, from its start up to now."""
    began = [segment.starts_at for segment in wrong_segments(version, customer)]
    start = version.effective_at or min(began, default=version.created_at)
    return NewReRating(Period(min(start, now), now), reason, customer, by, version)


@transaction.atomic
def open_re_rating(new: NewReRating, *, now: datetime) -> ReRating:
    """Note a re-rating, and have each customer with events in the span looked at: one at once, many by due work.

    Raises ``Invalid`` for a span that begins in a time whose events are no longer kept.
    """
    field = "from" if new.plan_version is None else "version"
    refuse_before_kept(None if new.customer is None else new.customer.id, new.span.start, field)
    re_rating = ReRating.objects.create(
        id=new_id(),
        customer=new.customer,
        span_start=new.span.start,
        span_end=new.span.end,
        reason=new.reason,
        plan_version=new.plan_version,
        price_book=newest_book().version,
        burn_tables=_newest_burn_table(),
        created_at=now,
        created_by=new.by,
    )
    customers = _customers_of(new)
    ReRatingStep.objects.bulk_create(
        ReRatingStep(customer_id=customer_id, re_rating=re_rating) for customer_id in customers
    )
    for customer_id in customers:
        schedule(customer_id, LOOK_DUE, re_rating.id.hex, now, soon=True)
    if not customers:
        ReRating.objects.filter(id=re_rating.id).update(state=State.READY)
    re_rating.refresh_from_db()
    return re_rating


def look_at(customer_id: int, re_rating_id: UUID, *, now: datetime) -> ReRatingStep:
    """The dry run for one customer: correct it, note what that changes, and take the correction back."""
    rate_pending(customer_id, now=now)
    re_rating = ReRating.objects.get(id=re_rating_id)
    step = ReRatingStep.objects.get(customer_id=customer_id, re_rating_id=re_rating_id)
    if step.state != StepState.WAITING:
        return step
    with transaction.atomic():
        lock_customer(customer_id)
        found = correct_customer(customer_id, re_rating, now=now)
        transaction.set_rollback(True)
    step.found, step.found_at, step.state = found, now, StepState.FOUND
    step.save(update_fields=["found", "found_at", "state"])
    _move_on(re_rating_id, StepState.WAITING, State.COUNTING, State.READY)
    return step


@transaction.atomic
def apply_re_rating(re_rating_id: UUID, *, by: str, now: datetime) -> ReRating:
    """Have every customer corrected by due work. Applying again changes nothing.

    Raises ``NotFound``; ``Conflict`` while the dry run is not done, or when prices, burn tables or the plan have moved
    since it.
    """
    re_rating = ReRating.objects.select_for_update(of=("self",)).filter(id=re_rating_id).first()
    if re_rating is None:
        raise NotFound("There is no such re-rating.")
    if re_rating.state in (State.APPLYING, State.APPLIED):
        return re_rating
    if re_rating.state == State.COUNTING:
        raise Conflict("The dry run is still counting; read the re-rating until its state is ready.")
    if is_stale(re_rating):
        raise Conflict(
            "Prices, burn tables or the plan have changed since this dry run; make a new one and look at it."
        )
    re_rating.state, re_rating.applied_by = State.APPLYING, by
    steps = list(re_rating.steps.order_by("customer_id").values_list("customer_id", flat=True))
    if not steps:
        re_rating.state, re_rating.applied_at = State.APPLIED, now
    re_rating.save(update_fields=["state", "applied_by", "applied_at"])
    for customer_id in steps:
        schedule(customer_id, APPLY_DUE, re_rating.id.hex, now, soon=True)
    return re_rating


def is_stale(re_rating: ReRating) -> bool:
    """Whether prices, burn tables or the plan have moved since the dry run began, so that it can no longer be applied."""
    if re_rating.plan_version is not None and standing_correction(re_rating.plan_version) is not None:
        return True
    return (re_rating.price_book, re_rating.burn_tables) != (newest_book().version, _newest_burn_table())


def apply_to(customer_id: int, re_rating_id: UUID, *, now: datetime) -> ReRatingStep:
    """Correct one customer, once; a second call returns the step as it is."""
    rate_pending(customer_id, now=now)
    with transaction.atomic():
        lock_customer(customer_id)
        re_rating = ReRating.objects.get(id=re_rating_id)
        step = ReRatingStep.objects.get(customer_id=customer_id, re_rating_id=re_rating_id)
        if step.state != StepState.APPLIED:
            step.applied = correct_customer(customer_id, re_rating, now=now)
            step.applied_at, step.state = now, StepState.APPLIED
            step.save(update_fields=["applied", "applied_at", "state"])
            refresh_since(customer_id, re_rating.span_start)
        failpoint("billing.rerating.before_commit")
    failpoint("billing.rerating.after_commit")
    if _move_on(re_rating_id, StepState.FOUND, State.APPLYING, State.APPLIED):
        ReRating.objects.filter(id=re_rating_id).update(applied_at=now)
    return step


@exact
def correct_customer(customer_id: int, re_rating: ReRating, *, now: datetime) -> dict[str, Any]:
    """Rate the customer's events of the span again, draws, costs and buckets; returns the change as JSON.

    The caller is in a transaction, holds the customer's lock, and has rated what is stored. Raises ``Invalid`` where
    events of the span have been removed since it was asked for.
    """
    refuse_before_kept(customer_id, re_rating.span_start, "from")
    newest_book()  # a worker may have kept an older one, and the dry run is held against the newest
    span = Period(re_rating.span_start, re_rating.span_end)
    before = position_of(customer_id, span)
    customer = Customer.objects.get(id=customer_id)
    if re_rating.plan_version is None:
        changed = _Correction(customer, span, now).carry_out(cause=re_rating.id.hex)
    else:
        changed = correct_plan(customer, re_rating.plan_version, re_rating.id, now=now)
    whole = re_rating.plan_version is not None
    return consequences(before, position_of(customer_id, span), events=changed, whole_periods=whole)


class _Correction:
    """One customer's events of a span, rated again."""

    def __init__(self, customer: Customer, span: Period, now: datetime) -> None:
        self._customer = customer
        self._span = span
        self._now = now
        rated_seq = lock_customer(customer.id).rated_seq
        self._events = events_between(customer.id, span.start, span.end, up_to_seq=rated_seq)
        self._batch = RatingBatch(customer, now, cause=Cause.PRICE)
        self._tables = Tables(customer.id, self._batch.stretches)
        self._costs: list[StoredEvent] = []
        self._cached = answered_from_cache(customer.id, span.start, span.end)

    def carry_out(self, *, cause: str) -> int:
        """Draw again, cost again, move the buckets; returns how many events changed."""
        customer_id = self._customer.id
        was = self._draws(None)
        verdict = compare_burns(self._events, was, self._tables)
        becomes = was
        if verdict.first is not None:
            moments = [event.occurred_at for event in self._events if event.seq >= verdict.first]
            first = redrawn_from(customer_id, verdict.first, moments)
            was = self._draws(first)
            corrected = {event.seq: event for event in self._events if event.seq >= first}
            redraw(customer_id, first, corrected, self._tables, cause=cause, now=self._now)
            becomes = self._draws(first)
        differences = Differences(
            Side(self._customer, burns_of(customer_id, was), self._now),
            Side(self._customer, burns_of(customer_id, becomes), self._now),
            self._batch,
        )
        changed = 0
        for event in self._events:
            changed += self._take(event, differences, waits_for_rate=event.seq in verdict.unlisted)
        for event in self._events_beyond([*was, *becomes]):
            changed += differences.take(event, event)
        self._batch.write()
        set_costs(customer_id, self._costs, book=current_book().version)
        return changed

    def _take(self, event: StoredEvent, differences: Differences, *, waits_for_rate: bool) -> bool:
        fresh = event._replace(unpriced=waits_for_rate)
        if event.usage and (event.event_id, event.source) not in self._cached:
            cost = cost_now(event)
            fresh = event._replace(
                cost=cost.amount, cost_rows=cost.rows, unpriced=waits_for_rate or bool(cost.unpriced)
            )
        moved = differences.take(event, fresh)
        if fresh != event:
            self._costs.append(fresh)
        return moved

    def _draws(self, first: int | None) -> list[Standing]:
        """The draws of the span's events, and, with ``first``, of every event from there on."""
        draws = standing_draws(self._customer.id, span=(self._span.start, self._span.end))
        if first is None:
            return draws
        return [draw for draw in draws if draw.seq < first] + standing_draws(
            self._customer.id, from_seq=first
        )

    def _events_beyond(self, draws: list[Standing]) -> Iterator[StoredEvent]:
        """The events of these draws that did not happen in the span."""
        own = {event.seq for event in self._events}
        places = {draw.seq: draw for draw in draws if draw.seq not in own}
        for seq in sorted(places):
            event = event_by_id(self._customer.id, places[seq].event_id, places[seq].source)
            if event is not None:
                yield event


def _move_on(re_rating_id: UUID, waiting: str, now_in: str, then: str) -> bool:
    """Move the whole on when no customer's step waits any more; whether this call did."""
    left = ReRatingStep.objects.filter(re_rating_id=re_rating_id, state=waiting)
    if left.exists():
        return False
    return bool(ReRating.objects.filter(id=re_rating_id, state=now_in).update(state=then))


def _newest_burn_table() -> int:
    return int(BurnTableVersion.objects.aggregate(newest=Max("id"))["newest"] or 0)


def _customers_of(new: NewReRating) -> list[int]:
    if new.customer is not None:
        return [new.customer.id]
    if new.plan_version is not None:
        return sorted({segment.customer_id for segment in wrong_segments(new.plan_version)})
    return _customers_in(new.span)


def _customers_in(span: Period) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT c.id FROM customers_customer c WHERE EXISTS (
                SELECT 1 FROM metering_event e
                WHERE e.customer_id = c.id AND e.occurred_at >= %s AND e.occurred_at < %s) ORDER BY 1
            """,
            [span.start, span.end],
        )
        return [row[0] for row in cursor.fetchall()]
