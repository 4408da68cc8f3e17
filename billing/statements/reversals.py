"""Outcomes taken back: an event that reverses an earlier one takes it off the period in which it was counted.

The reversing event names the other by its id, in ``properties.reverses``, and comes from the same source. It counts where
it was stored after the other, happened within the charge's days of it, and is the first to do so. Where a richer report of
the other's call has taken its place, that one is taken back.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from billing.subscriptions.terms import MeteredCharge, Stretch
from core.money import ZERO
from metering.stored_event import StoredEvent, event_that_counts
from metering.usage import count_new_values
from pricing.engine.charge import Charge
from pricing.engine.contributions import contribution
from pricing.engine.usage import EventFacts, UnpricedEvent, Usage

REVERSES = "reverses"
ADDED_UP = ("count", "sum")


def reversed_event(customer_id: int, reversal: StoredEvent) -> StoredEvent | None:
    """The event that this one says it reverses; ``None`` where there is none."""
    named = reversal.properties.get(REVERSES)
    return event_that_counts(customer_id, named, reversal.source) if isinstance(named, str) else None


def takes_back(metered: MeteredCharge, reversal: StoredEvent, original: StoredEvent) -> bool:
    """Whether the charge lets the one event reverse the other, which it names: see ``reversed_event``."""
    charge = metered.charge
    if charge.reversed_by != reversal.type or metered.meter is None or metered.aggregation not in ADDED_UP:
        return False
    within = original.occurred_at <= reversal.occurred_at <= original.occurred_at + window(charge)
    return within and original.seq < reversal.seq and metered.meter.matches(original)


def window(charge: Charge) -> timedelta:
    return timedelta(days=charge.reversal_days or 0)


def usage_taken_back(metered: MeteredCharge, original: StoredEvent) -> Iterator[Usage]:
    """What the event had added, below zero. Its cost stays: the work was done."""
    for dimensions, quantity, _ in metered.quantities(original):
        facts = EventFacts(quantity, ZERO, dict(dimensions), failed=original.failed)
        try:
            usage = contribution(metered.charge, facts)
        except UnpricedEvent:
            usage = Usage(facts.dimensions, quantity, 1)
        if usage is not None:
            yield -usage


class FirstReversals:
    """Tells the first reversal of an event from those after it, and notes that it has come."""

    def __init__(self, customer_id: int) -> None:
        self._customer_id = customer_id

    def is_first(
        self, stretch: Stretch, metered: MeteredCharge, period_start: datetime, original: StoredEvent
    ) -> bool:
        name = f"{original.source}\0{original.event_id}"
        return bool(
            count_new_values(
                self._customer_id, stretch.segment_id, metered.charge.key, period_start, [((), name)]
            )
        )


class CountedReversals(FirstReversals):
    """The reversals that had been counted for events since ``start``; it notes nothing."""

    def __init__(self, customer_id: int, start: datetime) -> None:
        super().__init__(customer_id)
        self._start = start
        self._seen: set[tuple[object, ...]] = set()

    def is_first(
        self, stretch: Stretch, metered: MeteredCharge, period_start: datetime, original: StoredEvent
    ) -> bool:
        place = (stretch.segment_id, metered.charge.key, original.source, original.event_id)
        first = original.occurred_at >= self._start and place not in self._seen
        self._seen.add(place)
        return first
