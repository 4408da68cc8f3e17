"""``credits``: the price of the credits that no grant covers. The burn table turns an event into credits."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.money import plain
from pricing.engine.fields import Fields
from pricing.engine.model import Billable, RatedLine
from pricing.engine.tiers import Tiers, read_tiers
from pricing.engine.usage import EventFacts, Usage


@dataclass(frozen=True, slots=True)
class Credits:
    """The quantity is overage: credits used less credits covered. It has one price, or graduated tiers."""

    burn_table: str
    unit_price: Decimal | None
    tiers: Tiers | None
    name = "credits"

    @staticmethod
    def read(fields: Fields) -> "Credits":
        burn_table = fields.text("burn_table")
        if fields.has("tiers"):
            if fields.has("unit_price"):
                fields.refuse("unit_price", "not_both", "Overage has one unit_price, or tiers, not both.")
            return Credits(burn_table, None, read_tiers(fields))
        return Credits(burn_table, fields.number("unit_price"), None)

    def as_json(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"burn_table": self.burn_table}
        if self.unit_price is not None:
            fields["unit_price"] = plain(self.unit_price)
        if self.tiers is not None:
            fields |= self.tiers.as_json()
        return fields

    def lines(self, billable: Billable) -> list[RatedLine]:
        quantity = billable.quantity
        if self.tiers is not None:
            return self.tiers.graduated(quantity)
        assert self.unit_price is not None
        return [RatedLine("Credits over the grants", quantity, quantity * self.unit_price, self.unit_price)]

    def event_price(self, facts: EventFacts, so_far: Usage) -> Decimal | None:
        if self.unit_price is None:
            return None
        return (facts.credits - facts.credits_covered) * self.unit_price
