"""What was used, as a charge sees it: one event's facts, and sums that add up in any order."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from core.money import CONTEXT, ZERO


class UnpricedEvent(ValueError):
    """The charge has no price for this event; the message says what is missing. It must not be billed as
    zero."""


@dataclass(frozen=True, slots=True)
class EventFacts:
    """One event as one charge sees it.

    ``quantity`` is what the charge's meter counts; ``cost`` is what the event cost us; ``amount`` is the
    price the event itself brings (``dynamic``); ``credits`` is what the burn table says,
    ``credits_covered`` the part that grants paid.
    """

    quantity: Decimal
    cost: Decimal = ZERO
    dimensions: Mapping[str, str] = field(default_factory=dict)
    amount: Decimal | None = None
    failed: bool = False
    credits: Decimal = ZERO
    credits_covered: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Usage:
    """Sums over events that have the same dimensions.

    ``amount`` is the sum of the events' own prices, where the model prices each event by itself;
    ``lift`` is what the charge's margin floor added on top of them. Adding two sums is exact, so any
    grouping of events gives the same sums.
    """

    dimensions: Mapping[str, str] = field(default_factory=dict)
    quantity: Decimal = ZERO
    events: int = 0
    amount: Decimal = ZERO
    cost: Decimal = ZERO
    lift: Decimal = ZERO
    credits: Decimal = ZERO
    covered: Decimal = ZERO

    def __add__(self, other: "Usage") -> "Usage":
        if self.dimensions != other.dimensions:
            raise ValueError(f"Usage of {self.dimensions} and of {other.dimensions} is kept apart.")
        return self.plus(other)

    def __neg__(self) -> "Usage":
        """The usage that takes this one back."""
        return Usage(
            self.dimensions,
            self.quantity.copy_negate(),
            -self.events,
            self.amount.copy_negate(),
            self.cost.copy_negate(),
            self.lift.copy_negate(),
            self.credits.copy_negate(),
            self.covered.copy_negate(),
        )

    def plus(self, other: "Usage") -> "Usage":
        """The sums of both, under these dimensions."""
        add = CONTEXT.add
        return Usage(
            self.dimensions,
            add(self.quantity, other.quantity),
            self.events + other.events,
            add(self.amount, other.amount),
            add(self.cost, other.cost),
            add(self.lift, other.lift),
            add(self.credits, other.credits),
            add(self.covered, other.covered),
        )


NOTHING = Usage()


def merge(usages: Iterable[Usage]) -> tuple[Usage, ...]:
    """One sum for each set of dimensions, in the order of the dimensions' names and values."""
    sums: dict[tuple[tuple[str, str], ...], Usage] = {}
    for usage in usages:
        key = tuple(sorted(usage.dimensions.items()))
        known = sums.get(key)
        sums[key] = usage if known is None else known.plus(usage)
    return tuple(sums[key] for key in sorted(sums))


def total(usages: Iterable[Usage]) -> Usage:
    """One sum over all dimensions."""
    result = NOTHING
    for usage in usages:
        result = result.plus(usage)
    return result
