"""``cost_plus``: what the events cost us, and a markup on it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.money import ONE, plain
from pricing.engine.fields import Fields
from pricing.engine.model import Billable, RatedLine
from pricing.engine.usage import EventFacts, Usage


@dataclass(frozen=True, slots=True)
class CostPlus:
    """``markup`` is a fraction of the cost: 0.20 sells at cost × 1.20."""

    markup: Decimal
    name = "cost_plus"

    @staticmethod
    def read(fields: Fields) -> "CostPlus":
        return CostPlus(fields.number("markup"))

    def as_json(self) -> dict[str, Any]:
        return {"markup": plain(self.markup)}

    def lines(self, billable: Billable) -> list[RatedLine]:
        amount = billable.portion(billable.total.cost) * (ONE + self.markup)
        return [RatedLine("Use of the models", billable.quantity, amount)]

    def event_price(self, facts: EventFacts, so_far: Usage) -> Decimal:
        return facts.cost * (ONE + self.markup)
