"""An allowance: units of a period that several charges share, or that each unit of another charge brings.

A charge's own ``included`` goes first. What is left takes from the allowance, charge by charge in the order that it
lists, until it is used up. Only the period's sums count, so the order of events is no matter.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from core.money import ZERO, exact, plain, prorate
from core.periods import Share
from pricing.engine.charge import Charge
from pricing.engine.fields import ChargeError, Fields
from pricing.engine.rating import PoolPart, included_of, measured_of
from pricing.engine.usage import Usage

# Their quantity is nothing (a fixed amount), money (a percentage of it), or covered by grants already (credits).
NOT_SHARED = ("flat", "percentage", "graduated_percentage", "credits")
CHARGES_MAX = 50


@dataclass(frozen=True, slots=True)
class Allowance:
    """``amount`` units for the charges, in their order of use; with ``per``, for each unit that charge measures."""

    key: str
    name: str
    amount: Decimal
    charges: tuple[str, ...]
    per: str | None = None
    prorate: bool = True

    def as_json(self) -> dict[str, Any]:
        """The allowance as JSON; ``parse_allowance`` reads back an equal one."""
        return {
            "key": self.key,
            "name": self.name,
            "amount": plain(self.amount),
            "charges": list(self.charges),
            "per": self.per,
            "prorate": self.prorate,
        }


class MeasuredCharge(NamedTuple):
    """A charge and its usage of a period. ``share`` is the part of the whole period that was used."""

    charge: Charge
    usage: Sequence[Usage]
    share: Share | None = None


def parse_allowance(data: object, *, path: str = "") -> Allowance:
    """Read and check an allowance by itself. Raises ``ChargeError`` with every issue found.

    >>> parse_allowance({"key": "tokens", "amount": "1000000", "charges": ["input", "output"]}).charges
    ('input', 'output')
    """
    if not isinstance(data, Mapping):
        fields = Fields({}, path)
        fields.refuse("", "not_an_object", "An allowance is a JSON object.")
        raise ChargeError(fields.issues)
    fields = Fields(data, path)
    key = fields.text("key")
    allowance = Allowance(
        key=key,
        name=fields.optional_text("name") or key,
        amount=fields.number("amount", above_zero=True),
        charges=_keys(fields),
        per=fields.optional_text("per"),
        prorate=fields.flag("prorate", True),
    )
    fields.finish()
    if fields.issues:
        raise ChargeError(fields.issues)
    return allowance


def _keys(fields: Fields) -> tuple[str, ...]:
    if not fields.required("charges"):
        return ()
    keys = fields.get("charges")
    if not isinstance(keys, list) or not 1 <= len(keys) <= CHARGES_MAX:
        fields.refuse(
            "charges", "not_a_list", f"List the keys of 1 to {CHARGES_MAX} charges, in their order of use."
        )
        return ()
    for index, key in enumerate(keys):
        if not isinstance(key, str):
            fields.refuse(f"charges[{index}]", "not_text", "Write the key of a charge.")
        elif key in keys[:index]:
            fields.refuse(f"charges[{index}]", "duplicate", f"{key!r} is in the list already.")
    return tuple(key for key in keys if isinstance(key, str))


def check_allowances(allowances: Sequence[Allowance], charges: Iterable[Charge], *, path: str = "") -> None:
    """Hold the allowances against the charges of their plan. Raises ``ChargeError`` with every issue found."""
    known = {charge.key: charge for charge in charges}
    fields = Fields({}, path)
    keys: set[str] = set()
    shared: dict[str, str] = {}
    for index, one in enumerate(allowances):
        place = f"allowances[{index}]"
        if one.key in keys:
            fields.refuse(f"{place}.key", "duplicate", f"Another allowance has the key {one.key!r}.")
        keys.add(one.key)
        for n, key in enumerate(one.charges):
            where = f"{place}.charges[{n}]"
            if key not in known:
                fields.refuse(where, "unknown_charge", f"The plan has no charge with the key {key[:80]!r}.")
            elif known[key].model.name in NOT_SHARED:
                fields.refuse(
                    where, "contradiction", f"A {known[key].model.name} charge has no units to share."
                )
            elif key in shared:
                fields.refuse(
                    where, "duplicate", f"{key!r} takes from the allowance {shared[key]!r} already."
                )
            shared.setdefault(key, one.key)
        if one.per is not None and (one.per not in known or known[one.per].meter is None):
            fields.refuse(
                f"{place}.per",
                "unknown_charge",
                f"The plan has no metered charge with the key {one.per[:80]!r}.",
            )
        elif one.per in one.charges:
            fields.refuse(f"{place}.per", "contradiction", "A charge cannot bring what it uses itself.")
    if fields.issues:
        raise ChargeError(fields.issues)


@exact
def pool_parts(allowances: Iterable[Allowance], charges: Iterable[MeasuredCharge]) -> dict[str, PoolPart]:
    """By the key of the charge, what it takes of the allowance that it shares.

    >>> from pricing.engine.charge import parse_charge
    >>> tokens = parse_allowance({"key": "tokens", "amount": "100", "charges": ["output", "input"]})
    >>> sold = [parse_charge({"key": key, "meter": key, "model": "per_unit", "unit_price": "1"})
    ...         for key in ("input", "output")]
    >>> used = zip(sold, (Decimal(80), Decimal(70)))
    >>> parts = pool_parts([tokens], [MeasuredCharge(one, [Usage(quantity=q)]) for one, q in used])
    >>> str(parts["output"].taken), str(parts["input"].taken)
    ('70', '30')
    """
    by_key = {item.charge.key: item for item in charges}
    parts: dict[str, PoolPart] = {}
    for allowance in allowances:
        own = [by_key[key] for key in allowance.charges if key in by_key]
        amount, taken = _amount(allowance, by_key, own), ZERO
        for item in own:
            rest = max(ZERO, measured_of(item.charge, item.usage) - included_of(item.charge, item.share))
            part = min(rest, amount - taken)
            parts[item.charge.key] = PoolPart(allowance.name, amount, taken, part)
            taken += part
    return parts


def _amount(
    allowance: Allowance, by_key: Mapping[str, MeasuredCharge], own: Sequence[MeasuredCharge]
) -> Decimal:
    amount = allowance.amount
    if allowance.per is not None:
        bringing = by_key.get(allowance.per)
        units = ZERO if bringing is None else max(ZERO, measured_of(bringing.charge, bringing.usage))
        amount = amount * units
    share = own[0].share if own else None
    return amount if share is None or not allowance.prorate else prorate(amount, share)
