"""What an event costs us, asked of the room that knows prices as the event is stored.

This room may not import that one: the function is handed over when the program starts.
"""

from collections.abc import Callable
from decimal import Decimal

import msgspec

from metering.new_event import NewEvent

# The flag of an answer that no provider was asked for.
CACHE_HIT = "cache_hit"


class EventCost(msgspec.Struct, frozen=True, gc=False):
    """The provider cost of one event in USD, as far as it could be priced.

    ``rows`` names the price row behind each bucket, ``unpriced`` the buckets that have no price yet, ``book``
    the version of the price book that was asked.
    """

    amount: Decimal = Decimal(0)
    rows: dict[str, int] = {}
    unpriced: tuple[str, ...] = ()
    book: int = 0


def _no_prices(event: NewEvent) -> EventCost:
    """Without a price book nothing is free: all that was used waits for a price."""
    return EventCost(unpriced=tuple(event.usage))


_cost_of: Callable[[NewEvent], EventCost] = _no_prices


def hand_over_costing(cost_of: Callable[[NewEvent], EventCost]) -> None:
    """Name the function that prices events. Called once, at start."""
    global _cost_of
    _cost_of = cost_of


def cost_of_event(event: NewEvent) -> EventCost:
    """The event's cost by the price book that holds at its time; what a gateway's own cache answered cost nothing."""
    return EventCost() if CACHE_HIT in event.flags else _cost_of(event)
