"""``package``: units sold in packs. A started pack is charged whole (``up``) or not at all (``down``)."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.money import plain
from pricing.engine.fields import Fields
from pricing.engine.model import Billable, RatedLine
from pricing.engine.usage import EventFacts, Usage


@dataclass(frozen=True, slots=True)
class Package:
    package_size: Decimal
    package_price: Decimal
    rounding: str
    name = "package"

    @staticmethod
    def read(fields: Fields) -> "Package":
        return Package(
            fields.number("package_size", above_zero=True),
            fields.number("package_price"),
            fields.choice("rounding", ("up", "down"), "up"),
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "package_size": plain(self.package_size),
            "package_price": plain(self.package_price),
            "rounding": self.rounding,
        }

    def lines(self, billable: Billable) -> list[RatedLine]:
        packs, rest = divmod(billable.quantity, self.package_size)
        if rest and self.rounding == "up":
            packs += 1
        description = f"{plain(packs)} packs of {plain(self.package_size)}"
        return [RatedLine(description, billable.quantity, packs * self.package_price)]

    def event_price(self, facts: EventFacts, so_far: Usage) -> None:
        return None
