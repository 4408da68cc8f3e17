"""What every charge model is given, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from core.money import ZERO, shown
from pricing.engine.usage import EventFacts, Usage


@dataclass(frozen=True, slots=True)
class RatedLine:
    """One part of a charge's amount: a tier, a cell of a matrix, or the whole.

    ``tier_from`` and ``tier_to`` bound the tier, the upper bound included, ``None`` for no bound.
    ``unit_price`` is ``None`` where the part has no single price. ``unrounded`` is in the currency's
    major unit.
    """

    description: str
    quantity: Decimal
    unrounded: Decimal
    unit_price: Decimal | None = None
    flat: Decimal = ZERO
    dimensions: Mapping[str, str] = field(default_factory=dict)
    tier_from: Decimal | None = None
    tier_to: Decimal | None = None

    def as_json(self) -> dict[str, Any]:
        def written(number: Decimal | None) -> str | None:
            return None if number is None else shown(number)

        return {
            "description": self.description,
            "dimensions": dict(self.dimensions),
            "tier_from": written(self.tier_from),
            "tier_to": written(self.tier_to),
            "quantity": shown(self.quantity),
            "unit_price": written(self.unit_price),
            "flat": shown(self.flat),
            "unrounded": shown(self.unrounded),
        }


@dataclass(frozen=True, slots=True)
class Billable:
    """A period's usage of one charge, with what is included taken off.

    ``measured`` is the quantity before ``included``, ``quantity`` after it, never below zero.
    """

    usages: tuple[Usage, ...]
    total: Usage
    measured: Decimal
    included: Decimal

    @property
    def quantity(self) -> Decimal:
        return max(ZERO, self.measured - self.included)

    def portion(self, value: Decimal) -> Decimal:
        """The part of a sum over all events that is billed: included units take their part of it along."""
        if self.included == 0:
            return value
        if self.measured <= self.included:
            return ZERO
        return value * (self.measured - self.included) / self.measured


class Model(Protocol):
    """A rule from usage to money. ``name`` is its name in JSON."""

    @property
    def name(self) -> str: ...

    def as_json(self) -> dict[str, Any]:
        """The model's own fields, decimals as strings."""

    def lines(self, billable: Billable) -> list[RatedLine]:
        """The parts of the amount for a whole period's usage; the amount is their sum."""

    def event_price(self, facts: EventFacts, so_far: Usage) -> Decimal | None:
        """The event's own price before the margin floor; ``None`` where events have none of their own.

        Raises ``UnpricedEvent`` where the event should have a price and has not.
        """
