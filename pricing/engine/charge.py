"""A charge: a plan's rule from quantity to money, read from JSON once and never changed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.money import ZERO, plain, plain_or_none
from pricing.engine.cost_plus import CostPlus
from pricing.engine.credits import Credits
from pricing.engine.dynamic import Dynamic
from pricing.engine.fields import ChargeError, Fields
from pricing.engine.flat import Flat
from pricing.engine.graduated import Graduated
from pricing.engine.graduated_percentage import GraduatedPercentage
from pricing.engine.matrix import Matrix
from pricing.engine.model import Model
from pricing.engine.package import Package
from pricing.engine.per_unit import PerUnit
from pricing.engine.percentage import Percentage
from pricing.engine.volume import Volume

READERS: Mapping[str, Callable[[Fields], Model]] = {
    "flat": Flat.read,
    "per_unit": PerUnit.read,
    "graduated": Graduated.read,
    "graduated_percentage": GraduatedPercentage.read,
    "volume": Volume.read,
    "package": Package.read,
    "percentage": Percentage.read,
    "matrix": Matrix.read,
    "cost_plus": CostPlus.read,
    "dynamic": Dynamic.read,
    "credits": Credits.read,
}

# What each model measures comes from a meter, save a fixed amount, and credits, which a burn table measures.
WITHOUT_METER = ("flat", "credits")

HUNDRED = Decimal(100)

# What such a charge bills is worked out from its quantity, so a quantity taken back takes back exactly its price.
REVERSIBLE = ("per_unit", "graduated", "volume", "package", "matrix")
REVERSAL_DAYS_MAX = 366


@dataclass(frozen=True, slots=True)
class Charge:
    """One rule of a plan version. Amounts are in the plan's currency, in its major unit.

    An event of the type ``reversed_by`` takes back an event that the charge has counted, within ``reversal_days`` of it.
    """

    key: str
    meter: str | None
    model: Model
    included: Decimal = ZERO
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    discount_percent: Decimal | None = None
    prorate: bool = True
    bill_failed: str = "never"
    margin_floor: Decimal | None = None
    reversed_by: str | None = None
    reversal_days: int | None = None

    @property
    def measures_credits(self) -> bool:
        """Whether the quantity is credits that no grant covers, not what a meter counts."""
        return isinstance(self.model, Credits)

    @property
    def burn_table(self) -> str | None:
        """The key of the burn table whose credits the charge prices; ``None`` where it prices no credits."""
        return self.model.burn_table if isinstance(self.model, Credits) else None

    @property
    def counts_in_order(self) -> bool:
        """Whether an event's price depends on the events before it, so that ``contribution`` needs the
        usage so far."""
        return isinstance(self.model, Percentage) and self.model.counts_in_order

    @property
    def prices_events(self) -> bool:
        """Whether each event has a price of its own; the prices of the others come from the period's sums."""
        if isinstance(self.model, Credits):
            return self.model.unit_price is not None
        return isinstance(self.model, PerUnit | Matrix | Percentage | Dynamic | CostPlus)

    def as_json(self) -> dict[str, Any]:
        """The charge as JSON, decimals as strings; ``parse_charge`` reads back an equal charge."""

        reversal = {"reversed_by": self.reversed_by, "reversal_days": self.reversal_days}
        return {
            "key": self.key,
            "meter": self.meter,
            "model": self.model.name,
            **self.model.as_json(),
            "included": plain(self.included),
            "minimum": plain_or_none(self.minimum),
            "maximum": plain_or_none(self.maximum),
            "discount_percent": plain_or_none(self.discount_percent),
            "prorate": self.prorate,
            "bill_failed": self.bill_failed,
            "margin_floor": plain_or_none(self.margin_floor),
            **(reversal if self.reversed_by else {}),
        }


def parse_charge(data: object, *, named: bool = True, path: str = "") -> Charge:
    """Read and check a charge. ``path`` goes before each field's name in the issues (``charges[0].``).

    With ``named=False`` the charge may lack ``key`` and ``meter``: a price is previewed before it has a
    place. Raises ``ChargeError`` with every issue found.

    >>> parse_charge({"key": "calls", "meter": "calls", "model": "per_unit", "unit_price": "0.25"}).model
    PerUnit(unit_price=Decimal('0.25'))
    >>> try:
    ...     parse_charge({"key": "calls", "meter": "calls", "model": "per_unit", "price": 1})
    ... except ChargeError as error:
    ...     print([(issue.field, issue.code) for issue in error.issues])
    [('unit_price', 'required'), ('price', 'unknown_field')]
    """
    if not isinstance(data, Mapping):
        fields = Fields({}, path)
        fields.refuse("", "not_an_object", "A charge is a JSON object.")
        raise ChargeError(fields.issues)
    fields = Fields(data, path)
    name = fields.choice("model", tuple(READERS), "") if fields.required("model") else ""
    if not name:
        # Without a model nobody knows which fields belong.
        raise ChargeError(fields.issues)
    needs_meter = named and name not in WITHOUT_METER
    charge = Charge(
        key=fields.text("key") if named else fields.optional_text("key") or "preview",
        meter=fields.text("meter") if needs_meter else fields.optional_text("meter"),
        model=READERS[name](fields),
        included=fields.number_or_zero("included"),
        minimum=fields.optional_amount("minimum"),
        maximum=fields.optional_amount("maximum"),
        discount_percent=fields.optional_number("discount_percent", at_most=HUNDRED),
        prorate=fields.flag("prorate", True),
        bill_failed=fields.choice("bill_failed", ("never", "always"), "never"),
        margin_floor=fields.optional_number("margin_floor"),
        reversed_by=fields.optional_text("reversed_by"),
        reversal_days=fields.count("reversal_days"),
    )
    _check_reversal(fields, charge)
    if charge.minimum is not None and charge.maximum is not None and charge.minimum > charge.maximum:
        fields.refuse("maximum", "too_small", f"maximum is at least the minimum, {plain(charge.minimum)}.")
    if charge.margin_floor is not None and charge.margin_floor >= 1:
        fields.refuse("margin_floor", "too_large", "margin_floor is a fraction below 1: write 0.30 for 30 %.")
    fields.finish()
    if fields.issues:
        raise ChargeError(fields.issues)
    return charge


def _check_reversal(fields: Fields, charge: Charge) -> None:
    if charge.reversed_by is None:
        if charge.reversal_days is not None:
            fields.refuse("reversed_by", "required", "Name the event type that takes a unit back.")
        return
    if charge.model.name not in REVERSIBLE:
        fields.refuse("reversed_by", "contradiction", f"Only {', '.join(REVERSIBLE)} can be taken back.")
    if charge.margin_floor is not None:
        fields.refuse(
            "reversed_by",
            "contradiction",
            "A price that follows the cost cannot be taken back: no margin_floor.",
        )
    if charge.reversal_days is None:
        fields.refuse("reversal_days", "required", "Say for how many days a unit can be taken back.")
    elif not 1 <= charge.reversal_days <= REVERSAL_DAYS_MAX:
        fields.refuse("reversal_days", "out_of_range", f"reversal_days is 1 to {REVERSAL_DAYS_MAX}.")
