"""Events rated again for what they add to the buckets, when what they are rated by has changed.

Draws and the ledger are told, not made: what each event has burnt is read from the draws that stand.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from billing.models import Subscription
from billing.rating import RatingBatch
from billing.recounts.differences import Burns, Recalled
from billing.statements.late_periods import Cause
from billing.statements.reversals import FirstReversals
from billing.subscriptions.lifecycle import FAR, segment_ids
from billing.subscriptions.terms import MeteredCharge, Stretch
from metering.models import UniqueValue, UsageBucket
from metering.stored_event import StoredEvent
from metering.usage import Sums

# From when on each subscription's events are counted again; the others keep what they have.
Since = dict[UUID, datetime]


class Replay(RatingBatch):
    """Rates a run of events for some subscriptions, under the terms that held when it was made."""

    def count(self, events: Iterable[StoredEvent], burns: Burns, since: Since) -> None:
        """Gather what the events add, in the order they were stored."""
        self.burner = Recalled(self.customer.id, burns)
        for event in events:
            at = event.occurred_at
            self.take_back(event)
            held = [s for s in self.stretches if s.holds(at) and at >= since.get(s.subscription.id, FAR)]
            calls = Sums()
            for stretch in held:
                self.rate_under(stretch, event, calls)
            if held:
                self.gain_calls(event, calls)

    def open_period_of(self, at: datetime) -> None:
        """Rating has opened the periods of every event that it has rated."""

    def note_late(self, stretch: Stretch, at: datetime, causes: Mapping[str, Cause]) -> None:
        """What is late shows when both sides are held against each other."""

    def note_moved(self, stretch: Stretch, at: datetime, causes: Mapping[str, Cause]) -> None:
        """Have the difference of an invoiced period put on the next invoice."""
        super().note_late(stretch, at, causes)


class CountedOnce(FirstReversals):
    """The reversals that had been counted for the events replayed; it notes nothing."""

    def __init__(self, customer_id: int, since: Since) -> None:
        super().__init__(customer_id)
        self._since = since
        self._seen: set[tuple[object, ...]] = set()

    def is_first(
        self, stretch: Stretch, metered: MeteredCharge, period_start: datetime, original: StoredEvent
    ) -> bool:
        place = (stretch.segment_id, metered.charge.key, original.source, original.event_id)
        first = place not in self._seen and original.occurred_at >= self._since.get(
            stretch.subscription.id, FAR
        )
        self._seen.add(place)
        return first


def lose_calls(after: RatingBatch, before: RatingBatch) -> None:
    """Take what was counted before off the statistics of all calls: these stand, and only gain."""
    for key, sums in before.gains.items():
        if key.scope_id == before.closed.customer_scope:
            after.gain(
                key,
                Sums(
                    amount=-sums.amount, credits=-sums.credits, covered=-sums.covered, prepaid=-sums.prepaid
                ),
            )


def forget_usage(subscription: Subscription, since: datetime) -> None:
    """Remove the subscription's buckets from a period's start on, so that they can be counted anew."""
    scopes = segment_ids(subscription.customer_id, subscription.id)
    own = {"customer_id": subscription.customer_id, "scope_id__in": scopes}
    UsageBucket.objects.filter(hour__gte=since, **own).delete()
    UniqueValue.objects.filter(period_start__gte=since, **own).delete()
