"""Events that count as others by now, or no more, where all that they are counted by adds up: the buckets gain the difference.

It costs what the events are, not what their period holds. A largest value, one seen once, what a charge counts in order
and what was taken back do not add up: their periods are counted again, see ``billing.recounts.rebuilding``.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from billing.rating import RatingBatch
from billing.recounts.differences import Differences, Side
from billing.recounts.redraws import Standing, burns_of
from billing.statements.late_periods import Cause
from billing.statements.reversals import ADDED_UP
from billing.subscriptions.terms import MeteredCharge, Stretch
from customers.models import Customer
from metering.stored_event import StoredEvent, event_by_id
from metering.usage import drop_empty_buckets

# An event as it was rated, and as it is now; ``None`` where it counts no more.
Swap = tuple[StoredEvent, StoredEvent | None]


def adds_up(stretches: Iterable[Stretch], swaps: Iterable[Swap]) -> bool:
    """Whether every charge that counts one of these events, as it was or as it is, adds them up one by one."""
    told = [event for swap in swaps for event in swap if event is not None]
    return all(_adds_up(stretch, metered, told) for stretch in stretches for metered in stretch.charges)


def _adds_up(stretch: Stretch, metered: MeteredCharge, told: Sequence[StoredEvent]) -> bool:
    charge, meter = metered.charge, metered.meter
    if meter is None:
        return True
    if any(event.type == charge.reversed_by for event in told):
        return False
    if metered.aggregation in ADDED_UP and not charge.counts_in_order and charge.reversed_by is None:
        return True
    return not any(stretch.holds(event.occurred_at) and meter.matches(event) for event in told)


def swap(
    customer: Customer,
    swaps: Sequence[Swap],
    stood: Sequence[Standing],
    stand: Sequence[Standing],
    *,
    why: Cause,
    now: datetime,
) -> None:
    """Have the buckets gain what the events add now, less what they added before, and what others burn differently.

    ``stood`` and ``stand`` are the draws of these events and all after them, before and now. The caller holds the
    customer's lock.
    """
    batch = RatingBatch(customer, now, cause=why)
    was, becomes = (Side(customer, burns_of(customer.id, draws), now) for draws in (stood, stand))
    differences = Differences(was, becomes, batch)
    for before, after in swaps:
        differences.take(before, after)
    swapped = {before.seq for before, _ in swaps}
    others = {draw.seq: draw for draw in [*stood, *stand] if draw.seq not in swapped}
    for seq in sorted(others):
        event = event_by_id(customer.id, others[seq].event_id, others[seq].source)
        if event is not None:
            differences.take(event, event)
    hours = {key.hour for key in batch.gains}
    batch.write()
    drop_empty_buckets(customer.id, hours)
