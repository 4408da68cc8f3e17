"""``dynamic``: each event brings its own price."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pricing.engine.fields import Fields
from pricing.engine.model import Billable, RatedLine
from pricing.engine.usage import EventFacts, UnpricedEvent, Usage


@dataclass(frozen=True, slots=True)
class Dynamic:
    name = "dynamic"

    @staticmethod
    def read(fields: Fields) -> "Dynamic":
        return Dynamic()

    def as_json(self) -> dict[str, Any]:
        return {}

    def lines(self, billable: Billable) -> list[RatedLine]:
        amount = billable.portion(billable.total.amount)
        return [RatedLine("Prices of the events", billable.quantity, amount)]

    def event_price(self, facts: EventFacts, so_far: Usage) -> Decimal:
        if facts.amount is None:
            raise UnpricedEvent("The charge takes each event's own price, and this event brings none.")
        return facts.amount
