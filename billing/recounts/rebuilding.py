"""Usage of a span counted again from its events: what the buckets would hold had some events never been.

Sums could be taken off, but not a largest value, a last one, one seen once, or what a charge counts in order. So the
periods that are touched are emptied and their events rated again, by the one path that rated them first; draws are not
made, but told as they stand.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q

from billing.periods import CUSTOMER_SCOPE
from billing.rating import BATCH_EVENTS, RatingBatch
from billing.recounts.differences import Burns, Recalled
from billing.statements.late_periods import ANY_LINE, Cause
from billing.subscriptions.lifecycle import segment_ids
from billing.subscriptions.terms import Stretch
from core.periods import Period
from metering.models import Event, UniqueValue, UsageBucket
from metering.stored_event import StoredEvent
from metering.usage import Sums

TICK = timedelta(microseconds=1)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Reach:
    """What is counted again: the hours of all calls, and of each subscription the whole periods that touch them."""

    hours: Period
    periods: dict[UUID, Period]

    @property
    def whole(self) -> Period:
        """The least span that holds all of it."""
        spans = [self.hours, *self.periods.values()]
        return Period(min(span.start for span in spans), max(span.end for span in spans))


class Rebuild(RatingBatch):
    """Rates events into emptied buckets. The caller holds the customer's lock.

    Each subscription's periods are its own: were the span one for all, two that begin on different days would pull in each
    other's neighbors, back to the customer's first day.
    """

    reach: Reach

    def counts(self, stretch: Stretch, at: datetime) -> bool:
        """Whether what happens at the instant counts for the stretch, and is counted again."""
        return super().counts(stretch, at) and at in self.reach.periods[stretch.subscription.id]

    def gain_calls(self, event: StoredEvent, calls: Sums) -> None:
        """Add to the statistics of all calls, where these are counted again."""
        if event.occurred_at in self.reach.hours:
            super().gain_calls(event, calls)

    def open_period_of(self, at: datetime) -> None:
        """Rating has opened the periods of every event that it has rated."""

    def note_late(self, stretch: Stretch, at: datetime, causes: Mapping[str, Cause]) -> None:
        """Counting the same again makes no period late; what has changed is noted by ``note_changed``."""

    def note_changed(self, moments: Collection[datetime]) -> None:
        """Have the invoiced periods that hold these moments compared with what was billed, on the next invoice."""
        for at in moments:
            for stretch in self.stretches:
                if stretch.holds(at):
                    super().note_late(stretch, at, {ANY_LINE: self.cause})

    def count_again(self, reach: Reach, burns: Burns, *, up_to_seq: int) -> None:
        """Empty the buckets, and rate the events that count in them, as far as they are rated."""
        self.reach, self.burner = reach, Recalled(self.customer.id, burns)
        self._empty()
        for rated, event in enumerate(self._events(up_to_seq), start=1):
            self.rate(event)
            if rated % BATCH_EVENTS == 0:
                self.write()
        self.write()

    def reach_around(self, moments: Collection[datetime]) -> Reach:
        """All between the moments, with no hour of all calls and no period of a subscription cut in two."""
        start, last = self.closed.hour(min(moments)), self.closed.hour(max(moments)) + HOUR - TICK
        periods = {}
        for subscription in {s.subscription.id: s.subscription for s in self.stretches}.values():
            first, end = (self.closed.period_of(subscription, at) for at in (start, last))
            periods[subscription.id] = Period(
                start if first is None else first.start, last + TICK if end is None else end.end
            )
        return Reach(Period(start, last + TICK), periods)

    def _empty(self) -> None:
        self._empty_scopes([CUSTOMER_SCOPE], self.reach.hours)
        for subscription_id, span in self.reach.periods.items():
            self._empty_scopes(segment_ids(self.customer.id, subscription_id), span)

    def _empty_scopes(self, scopes: list[UUID], span: Period) -> None:
        own = {"customer_id": self.customer.id, "scope_id__in": scopes}
        UsageBucket.objects.filter(hour__gte=span.start, hour__lt=span.end, **own).delete()
        UniqueValue.objects.filter(period_start__gte=span.start, period_start__lt=span.end, **own).delete()

    def _events(self, up_to_seq: int) -> Iterator[StoredEvent]:
        """The events of the whole span in the order stored, and those after it that may take one of them back."""
        span = self.reach.whole
        wanted = Q(occurred_at__gte=span.start, occurred_at__lt=span.end)
        reversing = [type for type in self.reversing if type is not None]
        if reversing:
            days = max(m.charge.reversal_days or 0 for s in self.stretches for m in s.charges)
            until = span.end + timedelta(days=days)
            wanted |= Q(type__in=reversing, occurred_at__gte=span.end, occurred_at__lte=until)
        rows = Event.objects.filter(wanted, customer_id=self.customer.id, seq__lte=up_to_seq)
        fields = rows.order_by("seq").values_list(*StoredEvent._fields)
        for row in fields.iterator(chunk_size=BATCH_EVENTS):
            yield StoredEvent(*row)
