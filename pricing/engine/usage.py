"""What was used, as a charge sees it: one event's facts, and sums that add up in any order."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING

from core.money import CONTEXT, ONE, ZERO, AmountTooLarge, exact, kept_amount

if TYPE_CHECKING:
    from pricing.engine.charge import Charge


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


@exact
def contribution(charge: "Charge", facts: EventFacts, so_far: Usage | None = None) -> Usage | None:
    """What one event adds to its charge's usage; ``None`` when the charge does not bill it.

    ``so_far`` is the period's usage before this event, over all dimensions. Only a charge that
    ``counts_in_order`` (a ``percentage`` with free events or a free amount) needs it; without it, such a
    charge raises ``ValueError``. Raises ``UnpricedEvent`` when the charge has no price for the event.

    >>> from pricing.engine.charge import parse_charge
    >>> tokens = parse_charge({"key": "t", "meter": "m", "model": "per_unit", "unit_price": "0.00001",
    ...                        "margin_floor": "0.50"})
    >>> contribution(tokens, EventFacts(Decimal(1000), cost=Decimal("0.008"))).lift
    Decimal('0.006000000000000000')
    """
    if facts.failed and charge.bill_failed == "never":
        return None
    model = charge.model
    if charge.counts_in_order and so_far is None:
        raise ValueError(f"The charge {charge.key} counts events in order, so it needs the usage so far.")
    quantity = facts.credits - facts.credits_covered if charge.measures_credits else facts.quantity
    price = model.event_price(facts, so_far or NOTHING)
    amount, lift = ZERO, ZERO
    if price is not None:
        try:
            amount = kept_amount(price)
            lift = max(ZERO, kept_amount(_floor_price(charge, facts), ROUND_CEILING) - amount)
        except AmountTooLarge as error:
            raise UnpricedEvent(str(error)) from error
    return Usage(
        facts.dimensions, quantity, 1, amount, facts.cost, lift, facts.credits, facts.credits_covered
    )


def contributions(charge: "Charge", events: Iterable[EventFacts], so_far: Usage = NOTHING) -> list[Usage]:
    """What each event adds, in the given order, each seeing those before it; unbilled events are left out."""
    added: list[Usage] = []
    for facts in events:
        usage = contribution(charge, facts, so_far)
        if usage is not None:
            added.append(usage)
            so_far = so_far.plus(usage)
    return added


def _floor_price(charge: "Charge", facts: EventFacts) -> Decimal:
    if charge.margin_floor is None:
        return ZERO
    cost = facts.cost
    if charge.measures_credits:
        # Credits that grants covered were sold before; only the uncovered part of the event is sold here.
        uncovered = facts.credits - facts.credits_covered
        cost = cost * uncovered / facts.credits if facts.credits else ZERO
    return cost / (ONE - charge.margin_floor)
