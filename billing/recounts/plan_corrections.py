"""A plan that was sold with a mistake: subscriptions go over to the version that corrects it, back to its start.

The published version stays, and so does each invoice; that a stretch was sold under another version is kept. What the
stretch counted is counted again under the corrected terms, its period's credits are put right and drawn anew, and where
a period is invoiced already, the next invoice has the difference.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from billing.credits.plan_credits import correct_plan_credits
from billing.drafts import CORRECTION_DUE, PERIOD
from billing.ledger import lock_customer
from billing.models import Invoice, SegmentCorrection, Subscription, SubscriptionSegment
from billing.periods import ClosedPeriods
from billing.recounts.differences import difference, moved_lines
from billing.recounts.redraws import (
    Standing,
    Tables,
    burns_of,
    compare_burns,
    redraw,
    redrawn_from,
    standing_draws,
)
from billing.recounts.replays import CountedOnce, Replay, Since, forget_usage, lose_calls
from billing.retention import refuse_before_kept
from billing.statements.late_periods import ANY_LINE, Cause, LatePlace, note_late
from billing.statements.late_usage import LateSpan, corrections_of
from billing.statements.statement import period_statement
from billing.subscriptions.lifecycle import FAR, segments_between
from core.due_work import ensure
from core.ids import new_id
from core.periods import Period
from customers.models import Customer
from metering.stored_event import StoredEvent, events_between, mark_unpriced
from pricing.models import PlanVersion
from pricing.plan_corrections import corrected_versions
from pricing.plan_terms import PlanTerms


def wrong_segments(version: PlanVersion, customer: Customer | None = None) -> QuerySet[SubscriptionSegment]:
    """The stretches, past and planned, under a version that this one corrects; of one customer or of all."""
    wrong = SubscriptionSegment.objects.filter(plan_version__in=corrected_versions(version))
    if customer is not None:
        wrong = wrong.filter(customer_id=customer.id)
    if version.effective_at is not None:
        wrong = wrong.filter(Q(ends_at=None) | Q(ends_at__gt=version.effective_at))
    return wrong.order_by("customer_id", "starts_at", "id")


def correct_plan(customer: Customer, version: PlanVersion, re_rating_id: UUID, *, now: datetime) -> int:
    """Put the customer's stretches on the version that corrects theirs; returns how many events are rated anew.

    Nobody has the wrong version afterwards, so a second call finds nothing. The caller is in a transaction, holds the
    customer's lock, and has rated what is stored. Raises ``Invalid`` where single events of that time are no longer kept.
    """
    segments = list(wrong_segments(version, customer))
    return _PlanCorrection(customer, version, re_rating_id, now).carry_out(segments) if segments else 0


class _PlanCorrection:
    """One customer's stretches, put right."""

    def __init__(self, customer: Customer, version: PlanVersion, re_rating_id: UUID, now: datetime) -> None:
        self._customer = customer
        self._version = version
        self._re_rating_id = re_rating_id
        self._now = now
        self._rated_seq = lock_customer(customer.id).rated_seq
        self._closed = ClosedPeriods(customer)
        own = Subscription.objects.filter(customer_id=customer.id).select_related("customer")
        self._subscriptions = {row.id: row for row in own}

    def carry_out(self, segments: list[SubscriptionSegment]) -> int:
        """Swap the version, put the credits right, draw and count anew; returns how many events that is."""
        start = min(self._start_of(segment) for segment in segments)
        before = Replay(self._customer, self._now)
        moved = [self._put_right(segment) for segment in segments]
        corrected = {segment.subscription_id for segment in moved}
        after = Replay(self._customer, self._now)
        credits_moved = [self._credits_moved(self._subscriptions[id], start) for id in corrected]
        since = self._since(corrected, start)
        first = self._first_to_redraw(min(since.values()), after, all_of_them=any(credits_moved))
        if first is not None:
            first = redrawn_from(self._customer.id, first, since.values())
            later = standing_draws(self._customer.id, from_seq=first)
            since = self._since(self._subscriptions, min([start, *(draw.occurred_at for draw in later)]))
        refuse_before_kept(self._customer.id, min(since.values()), "version")
        events = self._events_since(min(since.values()))
        was = self._draws_of(min(since.values()))
        if first is not None:
            self._redraw(first, events, start, after)
        before.reversals = CountedOnce(self._customer.id, since)
        before.count(events, burns_of(self._customer.id, was), since)
        for id, own_since in since.items():
            forget_usage(self._subscriptions[id], own_since)
        after.count(events, burns_of(self._customer.id, self._draws_of(min(since.values()))), since)
        self._note_moved(before, after, corrected)
        lose_calls(after, before)
        after.write()
        for id in corrected:
            self._note_invoiced(self._subscriptions[id], start)
        return sum(any(_holds(segment, event) for segment in moved) for event in events)

    def _start_of(self, segment: SubscriptionSegment) -> datetime:
        effective_at = self._version.effective_at
        return segment.starts_at if effective_at is None else max(segment.starts_at, effective_at)

    def _put_right(self, segment: SubscriptionSegment) -> SubscriptionSegment:
        """The stretch under the right version: itself, or its later part, where the correction begins on the way."""
        wrong, start = segment.plan_version, self._start_of(segment)
        own = SubscriptionSegment.objects.filter(customer_id=segment.customer_id, id=segment.id)
        if start == segment.starts_at:
            own.update(plan_version=self._version)
        else:
            own.update(ends_at=start)
            segment.id, segment.starts_at = new_id(), start
            SubscriptionSegment.objects.create(
                customer_id=segment.customer_id,
                id=segment.id,
                subscription_id=segment.subscription_id,
                plan_version=self._version,
                starts_at=start,
                ends_at=segment.ends_at,
            )
        SegmentCorrection.objects.create(
            customer_id=segment.customer_id,
            segment_id=segment.id,
            re_rating_id=self._re_rating_id,
            from_version=wrong,
            to_version=self._version,
            corrected_at=self._now,
        )
        return segment

    def _credits_moved(self, subscription: Subscription, start: datetime) -> bool:
        """Put the credits of each period right that began under the wrong version; whether any were wrong."""
        changed = False
        for n, period in _periods(subscription, start):
            for segment in segments_between(subscription, period)[:1]:
                if segment.plan_version_id == self._version.pk:
                    changed |= correct_plan_credits(
                        subscription,
                        n,
                        period,
                        PlanTerms.of(self._version),
                        cause=self._re_rating_id.hex,
                        now=self._now,
                    )
        return changed

    def _since(self, subscriptions: Iterable[UUID], at: datetime) -> Since:
        """The start of each subscription's period that holds the instant; usage is counted again from there on."""
        return {id: self._closed.period_start(self._subscriptions[id], at) for id in subscriptions}

    def _first_to_redraw(self, at: datetime, after: Replay, *, all_of_them: bool) -> int | None:
        """The ``seq`` of the first event since then that burns otherwise by now; of any event, where grants changed."""
        draws, events = self._draws_of(at), self._events_since(at)
        verdict = compare_burns(events, draws, Tables(self._customer.id, after.stretches))
        unlisted = [(one.event_id, one.source) for one in events if one.seq in verdict.unlisted]
        mark_unpriced(self._customer.id, unlisted)
        if not all_of_them:
            return verdict.first
        firsts = [draw.seq for draw in draws] + ([] if verdict.first is None else [verdict.first])
        return min(firsts, default=self._rated_seq + 1)

    def _redraw(self, first: int, events: list[StoredEvent], start: datetime, after: Replay) -> None:
        corrected = {
            event.seq: event for event in events if event.seq >= first and event.occurred_at >= start
        }
        tables = Tables(self._customer.id, after.stretches)
        redraw(self._customer.id, first, corrected, tables, cause=self._re_rating_id.hex, now=self._now)

    def _draws_of(self, at: datetime) -> list[Standing]:
        return standing_draws(self._customer.id, span=(at, FAR))

    def _events_since(self, at: datetime) -> list[StoredEvent]:
        return events_between(self._customer.id, at, FAR, up_to_seq=self._rated_seq)

    def _note_moved(self, before: Replay, after: Replay, corrected: set[UUID]) -> None:
        """Subscriptions whose plan was right may have burnt other credits all the same."""
        moved = difference(before.gains, after.gains)
        for stretch in after.stretches:
            if stretch.subscription.id in corrected:
                continue
            for key, sums in moved.items():
                if key.scope_id == stretch.segment_id:
                    after.note_moved(stretch, key.hour, moved_lines(stretch, {key: sums}, Cause.PLAN))

    def _note_invoiced(self, subscription: Subscription, start: datetime) -> None:
        """Have every difference of an invoiced period put on the next invoice."""
        invoices = _invoices(subscription, start).filter(finalized_at__isnull=False)
        for invoice in invoices:
            period = Period(invoice.period_start, invoice.period_end)
            due = period_statement(subscription, period).lines
            if not corrections_of(subscription, LateSpan(period), due):
                continue
            place = LatePlace(subscription.id, period.start, period.end)
            note_late(subscription.customer_id, place, {ANY_LINE: [Cause.PLAN]}, corrected=True)
            if subscription.closed_at is not None:  # no next invoice will come by itself
                due_at = self._now + timedelta(hours=settings.INVOICE_GRACE_HOURS)
                ensure(subscription.customer_id, CORRECTION_DUE, subscription.id.hex, due_at)


def _holds(segment: SubscriptionSegment, event: StoredEvent) -> bool:
    at = event.occurred_at
    return segment.starts_at <= at and (segment.ends_at is None or at < segment.ends_at)


def _invoices(subscription: Subscription, start: datetime) -> QuerySet[Invoice]:
    invoices = Invoice.objects.filter(
        customer_id=subscription.customer_id,
        subscription_id=subscription.id,
        kind=PERIOD,
        period_end__gt=start,
    )
    return invoices.exclude(status=Invoice.Status.VOID).order_by("period_start")


def _periods(subscription: Subscription, start: datetime) -> list[tuple[int, Period]]:
    """The subscription's periods, by number, that reach beyond the instant; the open one last."""
    closed = [
        (row.period_n, Period(row.period_start, row.period_end)) for row in _invoices(subscription, start)
    ]
    if subscription.closed_at is not None:
        return closed
    return [*closed, (subscription.period_n, Period(subscription.period_start, subscription.period_end))]
