"""``graduated``: each unit at the price of the tier it falls in."""

from dataclasses import dataclass
from typing import Any

from pricing.engine.fields import Fields
from pricing.engine.model import Billable, RatedLine
from pricing.engine.tiers import Tiers, read_tiers
from pricing.engine.usage import EventFacts, Usage


@dataclass(frozen=True, slots=True)
class Graduated:
    tiers: Tiers
    name = "graduated"

    @staticmethod
    def read(fields: Fields) -> "Graduated":
        return Graduated(read_tiers(fields))

    def as_json(self) -> dict[str, Any]:
        return self.tiers.as_json()

    def lines(self, billable: Billable) -> list[RatedLine]:
        return self.tiers.graduated(billable.quantity)

    def event_price(self, facts: EventFacts, so_far: Usage) -> None:
        return None
