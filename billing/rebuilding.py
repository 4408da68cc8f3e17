"""Usage of a span counted again from its events: what the buckets would hold had some events never been.

Sums could be taken off, but not a largest value, a last one, one seen once, or what a charge counts in order. So the
periods that are touched are emptied and their events rated again, by the one path that rated them first; draws are not
made, but told as they stand.
"""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q

from billing.differences import Burns, Recalled
from billing.periods import CUSTOMER_SCOPE
from billing.rating import BATCH_EVENTS, RatingBatch
from billing.terms import Stretch
from core.periods import Period
from customers.models import Customer
from metering.models import Event, UniqueValue, UsageBucket
from metering.stored_event import StoredEvent

TICK = timedelta(microseconds=1)
HOUR = timedelta(hours=1)


class Rebuild(RatingBatch):
    """Rates events into emptied buckets. The caller holds the customer's lock."""

    def __init__(self, customer: Customer, burns: Burns, now: datetime) -> None:
        super().__init__(customer, now)
        self.burner = Recalled(customer.id, burns)

    def open_period_of(self, at: datetime) -> None:
        """Rating has opened the periods of every event that it has rated."""

    def note_late(self, stretch: Stretch, at: datetime) -> None:
        """Counting the same again makes no period late; what has changed is noted by ``note_changed``."""

    def note_changed(self, moments: Collection[datetime]) -> None:
        """Have the invoiced periods that hold these moments compared with what was billed, on the next invoice."""
        for at in moments:
            for stretch in self.stretches:
                if stretch.holds(at):
                    super().note_late(stretch, at)

    def span_around(self, moments: Collection[datetime]) -> Period:
        """The least span that holds the moments and cuts no period and no hour of any subscription in two."""
        start, end = min(moments), max(moments) + TICK
        subscriptions = {stretch.subscription.id: stretch.subscription for stretch in self.stretches}
        while True:
            periods = [
                period
                for subscription in subscriptions.values()
                for at in (start, end - TICK)
                if (period := self.closed.period_of(subscription, at)) is not None
            ]
            hour = self.closed.hour(end - TICK)
            wider_start = min([start, self.closed.hour(start), *(period.start for period in periods)])
            wider_end = max([end, hour + HOUR, *(period.end for period in periods)])
            if (wider_start, wider_end) == (start, end):
                return Period(start, end)
            start, end = wider_start, wider_end

    def count_again(self, span: Period, *, up_to_seq: int) -> None:
        """Empty the span's buckets, and rate the events that count in it, as far as they are rated."""
        self._empty(span)
        for rated, event in enumerate(self._events(span, up_to_seq), start=1):
            if event.occurred_at in span:
                self.rate(event)
            else:
                self.take_back(event)
            if rated % BATCH_EVENTS == 0:
                self.write()
        self.write()

    def _empty(self, span: Period) -> None:
        scopes: list[UUID] = [CUSTOMER_SCOPE, *{stretch.segment_id for stretch in self.stretches}]
        own = {"customer_id": self.customer.id, "scope_id__in": scopes}
        UsageBucket.objects.filter(hour__gte=span.start, hour__lt=span.end, **own).delete()
        UniqueValue.objects.filter(period_start__gte=span.start, period_start__lt=span.end, **own).delete()

    def _events(self, span: Period, up_to_seq: int) -> Iterator[StoredEvent]:
        """The span's events in the order stored, and those after it that may take one of them back."""
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
