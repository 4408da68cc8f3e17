"""``flat``: a fixed amount for the period, whatever was used."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.money import plain
from pricing.engine.fields import Fields
from pricing.engine.model import Billable, RatedLine
from pricing.engine.usage import EventFacts, Usage


@dataclass(frozen=True, slots=True)
class Flat:
    amount: Decimal
    name = "flat"

    @staticmethod
    def read(fields: Fields) -> "Flat":
        return Flat(fields.amount("amount"))

    def as_json(self) -> dict[str, Any]:
        return {"amount": plain(self.amount)}

    def lines(self, billable: Billable) -> list[RatedLine]:
        return [RatedLine("Fixed amount", billable.quantity, self.amount, flat=self.amount)]

    def event_price(self, facts: EventFacts, so_far: Usage) -> None:
        return None
