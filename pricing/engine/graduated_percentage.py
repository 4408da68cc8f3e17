"""``graduated_percentage``: the quantity is money, and each part of it pays the rate of the tier it
falls in."""

from dataclasses import dataclass
from typing import Any

from pricing.engine.fields import Fields
from pricing.engine.model import Billable, RatedLine
from pricing.engine.tiers import Tiers, read_tiers
from pricing.engine.usage import EventFacts, Usage


@dataclass(frozen=True, slots=True)
class GraduatedPercentage:
    tiers: Tiers
    name = "graduated_percentage"

    @staticmethod
    def read(fields: Fields) -> "GraduatedPercentage":
        return GraduatedPercentage(read_tiers(fields, price_name="rate"))

    def as_json(self) -> dict[str, Any]:
        return self.tiers.as_json()

    def lines(self, billable: Billable) -> list[RatedLine]:
        return self.tiers.graduated(billable.quantity)

    def event_price(self, facts: EventFacts, so_far: Usage) -> None:
        return None
