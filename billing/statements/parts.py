"""The parts a period's statement is made of, and beside each what its line will say."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from billing.subscriptions.terms import MeteredCharge, Stretch
from core.periods import Period, Share
from pricing.engine.allowance import MeasuredCharge, pool_parts
from pricing.engine.invoice import ChargeUsage, Correction, Fee
from pricing.engine.rating import PoolPart
from pricing.engine.usage import Usage

# Reads the usage of one charge of a stretch in a period; of all its calls, where no charge is named.
UsageReader = Callable[[Stretch, MeteredCharge | None, Period], list[Usage]]


@dataclass
class Parts:
    """What goes into the engine, in its order."""

    charges: list[ChargeUsage] = field(default_factory=list)
    corrections: list[Correction] = field(default_factory=list)
    fees: list[Fee] = field(default_factory=list)
    charge_lines: list[dict[str, Any]] = field(default_factory=list)
    correction_lines: list[dict[str, Any]] = field(default_factory=list)
    fee_lines: list[dict[str, Any]] = field(default_factory=list)

    def add_charge(self, item: ChargeUsage, **line: Any) -> None:
        """A charge with its usage; ``line`` holds the fields of its statement line."""
        self.charges.append(item)
        self.charge_lines.append(line)

    def add_correction(self, correction: Correction, **line: Any) -> None:
        """A difference of an earlier period; ``line`` holds the fields of its statement line."""
        self.corrections.append(correction)
        self.correction_lines.append(line)

    @property
    def described(self) -> list[dict[str, Any]]:
        """The fields of the statement lines, in the engine's order."""
        return self.charge_lines + self.correction_lines + self.fee_lines

    def add_fee(self, fee: Fee, **line: Any) -> None:
        """A fee, or a part of one; ``line`` holds the fields of its statement line."""
        self.fees.append(fee)
        self.fee_lines.append({"description": fee.description, **line})


def describe(stretch: Stretch, metered: MeteredCharge, *, several: bool = False) -> str:
    """A line's name as a customer reads it: what was counted, and the plan where the period had more than one."""
    words = metered.name or metered.charge.key.replace("-", " ").replace("_", " ")
    named = words[:1].upper() + words[1:]
    return f"{named} ({stretch.terms.name})" if several else named


def stretch_pools(
    stretch: Stretch, usages: Mapping[str, Sequence[Usage]], share: Share | None
) -> dict[str, PoolPart]:
    """By the key of the charge, what it takes of the plan's allowances, given the usage of all charges by key."""
    if not stretch.terms.allowances:
        return {}
    measured = [
        MeasuredCharge(metered.charge, usages[metered.charge.key], share) for metered in stretch.charges
    ]
    return pool_parts(stretch.terms.allowances, measured)


def within(stretch: Stretch, period: Period) -> Period:
    """The part of the period in which the stretch ran."""
    end = period.end if stretch.ends_at is None else min(period.end, stretch.ends_at)
    return Period(max(period.start, stretch.starts_at), end)
