"""Tiers: prices that change with quantity. A tier reaches up to and including ``up_to``; the last has no
end."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.money import ZERO, plain, plain_or_none
from pricing.engine.fields import Fields
from pricing.engine.model import RatedLine


@dataclass(frozen=True, slots=True)
class Tier:
    """``price`` is per unit, or, where tiers are of money, a fraction of it; ``flat`` is due once, on
    entering."""

    up_to: Decimal | None
    price: Decimal
    flat: Decimal


@dataclass(frozen=True, slots=True)
class Tiers:
    tiers: tuple[Tier, ...]
    price_name: str  # "unit_price" or "rate", as the JSON calls a tier's price
    flat_at_zero: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "tiers": [
                {
                    "up_to": plain_or_none(tier.up_to),
                    self.price_name: plain(tier.price),
                    "flat": plain(tier.flat),
                }
                for tier in self.tiers
            ],
            "flat_at_zero": self.flat_at_zero,
        }

    def graduated(self, quantity: Decimal) -> list[RatedLine]:
        """Each unit at the price of the tier it falls in."""
        if quantity <= 0:
            return self._at_zero()
        lines = []
        lower = ZERO
        for tier in self.tiers:
            reached = quantity if tier.up_to is None else min(quantity, tier.up_to)
            lines.append(self._line(tier, lower, reached - lower))
            if tier.up_to is None or quantity <= tier.up_to:
                break
            lower = tier.up_to
        return lines

    def volume(self, quantity: Decimal) -> list[RatedLine]:
        """All units at the price of the tier that the whole quantity falls in."""
        if quantity <= 0:
            return self._at_zero()
        lower = ZERO
        for tier in self.tiers:
            if tier.up_to is None or quantity <= tier.up_to:
                return [self._line(tier, lower, quantity)]
            lower = tier.up_to
        raise AssertionError("the last tier has no end")

    def _at_zero(self) -> list[RatedLine]:
        first = self.tiers[0]
        return [self._line(first, ZERO, ZERO)] if self.flat_at_zero and first.flat else []

    def _line(self, tier: Tier, lower: Decimal, quantity: Decimal) -> RatedLine:
        bounds = f"over {plain(lower)}"
        if tier.up_to is not None:
            bounds += f" to {plain(tier.up_to)}"
        return RatedLine(
            description=f"Tier {bounds}",
            quantity=quantity,
            unrounded=quantity * tier.price + tier.flat,
            unit_price=tier.price,
            flat=tier.flat,
            tier_from=lower,
            tier_to=tier.up_to,
        )


def read_tiers(fields: Fields, price_name: str = "unit_price") -> Tiers:
    """Read ``tiers`` and ``flat_at_zero``, which may stand on the charge or on its first tier."""
    flat_at_zero, is_first = fields.flag("flat_at_zero", False), True

    def read(item: Fields) -> Tier:
        nonlocal flat_at_zero, is_first
        if is_first:
            flat_at_zero, is_first = item.flag("flat_at_zero", False) or flat_at_zero, False
        return _read_tier(item, price_name)

    tiers = fields.objects("tiers", read)
    _check_bounds(fields, tiers)
    return Tiers(tiers, price_name, flat_at_zero)


def _read_tier(item: Fields, price_name: str) -> Tier:
    up_to = item.optional_number("up_to", above_zero=True)
    flat = item.number_or_zero("flat")
    if item.has(price_name):
        return Tier(up_to, item.fraction("rate") if price_name == "rate" else item.number(price_name), flat)
    if not item.has("flat"):
        item.refuse(price_name, "required", f"A tier has a {price_name}, a flat, or both.")
    return Tier(up_to, ZERO, flat)


def _check_bounds(fields: Fields, tiers: tuple[Tier, ...]) -> None:
    lower = ZERO
    for index, tier in enumerate(tiers):
        name = f"tiers[{index}].up_to"
        is_last = index == len(tiers) - 1
        if is_last and tier.up_to is not None:
            fields.refuse(name, "must_be_open", "The last tier has no end, so its up_to is null.")
        elif not is_last and tier.up_to is None:
            fields.refuse(name, "required", "Every tier but the last says where it ends.")
        elif tier.up_to is not None:
            if tier.up_to <= lower and index > 0:
                fields.refuse(name, "not_rising", f"This tier ends above {plain(lower)}, where it begins.")
            lower = max(lower, tier.up_to)
