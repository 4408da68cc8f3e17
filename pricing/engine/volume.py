"""``volume``: all units at the price of the tier that the period's whole quantity falls in.

The total may fall where a cheaper tier begins; that is what a volume price means.
"""

from dataclasses import dataclass
from typing import Any

from pricing.engine.fields import Fields
from pricing.engine.model import Billable, RatedLine
from pricing.engine.tiers import Tiers, read_tiers
from pricing.engine.usage import EventFacts, Usage


@dataclass(frozen=True, slots=True)
class Volume:
    tiers: Tiers
    name = "volume"

    @staticmethod
    def read(fields: Fields) -> "Volume":
        return Volume(read_tiers(fields))

    def as_json(self) -> dict[str, Any]:
        return self.tiers.as_json()

    def lines(self, billable: Billable) -> list[RatedLine]:
        return self.tiers.volume(billable.quantity)

    def event_price(self, facts: EventFacts, so_far: Usage) -> None:
        return None
