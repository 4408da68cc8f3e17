"""What each charge of unfinished terms would cost, by the production engine."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from core.currencies import CurrencyError, parse_currency
from core.money import ZERO, NumberError, parse_number
from core.problems import Problem
from pricing.preview import EVENTS_NEEDED, preview_price, read_preview


@dataclass(frozen=True)
class PricedCharge:
    """One charge at the quantity asked for, or why it has no price yet. Amounts in the plan's currency."""

    key: str
    quantity: str
    amount: Decimal | None
    lines: tuple[dict[str, Any], ...]
    steps: tuple[dict[str, Any], ...]
    problem: str


@dataclass(frozen=True)
class Priced:
    """Fee and charges together, before discounts, commitment, floor and tax of the whole invoice."""

    currency: str
    fee: Decimal
    charges: tuple[PricedCharge, ...]

    @property
    def total(self) -> Decimal:
        return self.fee + sum((charge.amount or ZERO for charge in self.charges), ZERO)


def priced(terms: Mapping[str, Any], quantities: Mapping[str, str], *, now: datetime) -> Priced:
    """Every charge at the quantity of its field ``quantity[n]``, one thousand where none is written."""
    try:
        currency = parse_currency(terms.get("currency") or "USD")
    except CurrencyError:
        currency = "USD"  # the field itself says what is wrong with it
    charges = terms.get("charges")
    found = [
        _charge(charge, currency, quantities.get(f"quantity[{index}]", "1000").strip() or "0", now)
        for index, charge in enumerate(charges if isinstance(charges, list) else [])
    ]
    try:
        fee = parse_number(terms.get("fee") or "0")
    except NumberError:
        fee = ZERO
    return Priced(currency, fee, tuple(found))


def _charge(charge: Any, currency: str, quantity: str, now: datetime) -> PricedCharge:
    told = charge if isinstance(charge, dict) else {}
    key = str(told.get("key") or "charge")
    asked: dict[str, Any] = {"currency": currency, "charge": {**told, "key": key}}
    follows = EVENTS_NEEDED.get(str(told.get("model")))
    cells = told.get("cells")
    if follows:
        asked["events"] = [{follows: quantity}]
    elif told.get("model") == "matrix" and isinstance(cells, list) and cells:
        asked["events"] = [
            {"quantity": quantity, "dimensions": cell.get("match") or {}}
            for cell in cells
            if isinstance(cell, dict)
        ]
        # The rows themselves are what is priced; a meter would count events that are not there.
        asked["charge"].pop("meter", None)
    else:
        asked["quantity"] = quantity
    try:
        answer = preview_price(read_preview(asked, now=now))
    except Problem as problem:
        first = problem.errors[0] if problem.errors else None
        detail = f"{first.field.removeprefix('charge.')}: {first.detail}" if first else problem.detail
        return PricedCharge(key, quantity, None, (), (), detail)
    amount = Decimal(answer["amount"])
    return PricedCharge(key, quantity, amount, tuple(answer["lines"]), tuple(answer["explain"]), "")
