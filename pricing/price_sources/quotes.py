"""What every price source is read into: quotes (a price for one unit) and names, in one shape."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from decimal import Decimal
from typing import Any

from core.money import CONTEXT, plain, to_stored
from core.times import render_time
from pricing.price_card import EVERY_DAY, STANDARD


class SourceError(ValueError):
    """The source cannot be read: ``field`` (where one is to blame) and what would be right."""

    def __init__(self, detail: str, field: str = "") -> None:
        super().__init__(f"{field}: {detail}" if field else detail)
        self.detail = detail
        self.field = field


@dataclass(frozen=True, slots=True)
class Quote:
    """A price as a source states it: US dollars for a single unit.

    ``starts`` None means the source gives no date: the price is held to be true from the first time we see it, and
    of the past where we knew nothing. ``inherited`` marks a price that the source leaves to another unit of the
    same model (a cache read without a discount costs what input costs).
    """

    provider: str
    model: str
    unit: str
    price: Decimal
    context: str = STANDARD
    region: str = ""
    input_over: int = 0
    window: tuple[time, time] | None = None
    days: str = EVERY_DAY
    is_percent: bool = False
    starts: datetime | None = None
    ends: datetime | None = None
    inherited: bool = False

    @property
    def place(self) -> "Place":
        """What the price is for; two quotes with the same place compete."""
        return (
            self.provider,
            self.model,
            self.unit,
            self.context,
            self.region,
            self.input_over,
            self.window,
            self.days,
            self.is_percent,
        )

    def as_json(self) -> dict[str, Any]:
        """The quote without what it leaves at the default; ``quote_from_json`` reads it back."""
        told: dict[str, Any] = {
            "provider": self.provider,
            "model": self.model,
            "unit": self.unit,
            "price": plain(self.price),
        }
        if self.context != STANDARD:
            told["context"] = self.context
        if self.region:
            told["region"] = self.region
        if self.input_over:
            told["input_over"] = self.input_over
        if self.window:
            told["window"] = [edge.isoformat("minutes") for edge in self.window]
        if self.days != EVERY_DAY:
            told["days"] = self.days
        if self.is_percent:
            told["is_percent"] = True
        if self.starts:
            told["effective_from"] = render_time(self.starts)
        if self.ends:
            told["effective_to"] = render_time(self.ends)
        if self.inherited:
            told["inherited"] = True
        return told


Place = tuple[str, str, str, str, str, int, tuple[time, time] | None, str, bool]


@dataclass(frozen=True, slots=True)
class NameQuote:
    """A name for a model, as a source states it; ``kind`` as in ``ModelAlias.Kind``."""

    provider: str
    kind: str
    pattern: str
    model: str
    starts: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        told = {"provider": self.provider, "kind": self.kind, "pattern": self.pattern, "model": self.model}
        return told | ({"effective_from": render_time(self.starts)} if self.starts else {})


@dataclass(frozen=True)
class PriceList:
    """Everything one reading of a source said, and what of it we could not take (``skipped``: reason → how often).

    ``dated``: the source keeps a history, so that a quote without a date means "always"; without one it means "now".
    """

    source: str
    version: str
    quotes: list[Quote]
    names: list[NameQuote] = field(default_factory=list)
    skipped: Mapping[str, int] = field(default_factory=dict)
    dated: bool = False

    def content(self) -> dict[str, Any]:
        return {
            "prices": [quote.as_json() for quote in self.quotes],
            "names": [name.as_json() for name in self.names],
        }

    @staticmethod
    def sha256(content: Mapping[str, Any]) -> str:
        """The fingerprint of a content, the same for the same prices in the same order."""
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def single_unit_price(price: Decimal, per: Decimal = Decimal(1)) -> Decimal:
    """The price of one unit, at the 18 decimals that are stored. Raises ``SourceError`` below zero or beyond them."""
    if not price.is_finite() or price < 0:
        raise SourceError("Write zero or more.", "price")
    single = to_stored(CONTEXT.divide(price, per))
    if single >= 10**12:
        raise SourceError("A single unit cannot cost that much; check the unit.", "price")
    if price and not single:
        raise SourceError("It is below what 18 decimals can hold; check the unit.", "price")
    return single


def merge(quotes: Iterable[Quote]) -> list[Quote]:
    """The quotes without exact repetitions, in order."""
    return list(dict.fromkeys(quotes))
