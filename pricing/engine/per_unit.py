"""``per_unit``: every unit at one price."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.money import plain
from pricing.engine.fields import Fields
from pricing.engine.model import Billable, RatedLine
from pricing.engine.usage import EventFacts, Usage


@dataclass(frozen=True, slots=True)
class PerUnit:
    unit_price: Decimal
    name = "per_unit"

    @staticmethod
    def read(fields: Fields) -> "PerUnit":
        return PerUnit(fields.number("unit_price"))

    def as_json(self) -> dict[str, Any]:
        return {"unit_price": plain(self.unit_price)}

    def lines(self, billable: Billable) -> list[RatedLine]:
        quantity = billable.quantity
        return [RatedLine("Per unit", quantity, quantity * self.unit_price, self.unit_price)]

    def event_price(self, facts: EventFacts, so_far: Usage) -> Decimal:
        return facts.quantity * self.unit_price
