"""What every price source is read into: quotes (a price for one unit) and names, in one shape with one grammar."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from decimal import Decimal
from typing import Any

from core.money import CONTEXT, NumberError, parse_number, plain, to_stored
from core.texts import whole_of
from core.times import TimeError, parse_time, render_time
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


# --- Reading what people and files write -------------------------------------------------------------------

UNIT_FORM = re.compile(r"[a-z][a-z0-9_]{0,59}")
PROVIDER_FORM = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
CONTEXT_FORM = re.compile(r"[a-z][a-z0-9._:/-]{0,19}")
REGION_FORM = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
DAYS_FORM = re.compile(r"1?2?3?4?5?6?7?")
WINDOW_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
STEP_MAX = 10**12
MODEL_CHARACTERS_MAX = 200

FIELDS = frozenset(
    {
        "provider",
        "model",
        "unit",
        "price",
        "per",
        "context",
        "region",
        "input_over",
        "window",
        "days",
        "is_percent",
        "effective_from",
        "effective_to",
        "inherited",
        "currency",
    }
)


def quote_from_json(told: Mapping[str, Any]) -> Quote:
    """A quote from its JSON or CSV form; ``price`` may be for ``per`` units. Raises ``SourceError``.

    >>> told = {"provider": "openai", "model": "gpt-5", "unit": "input", "price": "1.25", "per": "1000000"}
    >>> plain(quote_from_json(told).price)
    '0.00000125'
    """
    unknown = set(told) - FIELDS
    if unknown:
        raise SourceError(
            f"There is no such field; the fields are {', '.join(sorted(FIELDS))}.", min(unknown)
        )
    if told.get("currency") not in (None, "", "USD"):
        raise SourceError("Costs are kept in US dollars; write USD, or leave it out.", "currency")
    window = told.get("window") or None
    quote = Quote(
        provider=_fits(told, "provider", PROVIDER_FORM, "a provider such as openai", empty=True),
        model=_model(told),
        unit=_fits(told, "unit", UNIT_FORM, "a unit such as input, output or web_search"),
        price=_price(told),
        context=_fits(told, "context", CONTEXT_FORM, "a context such as standard or batch", default=STANDARD),
        region=_fits(told, "region", REGION_FORM, "a region such as us or eu-west-1", default="", empty=True),
        input_over=_step(told),
        window=None if window is None else read_window(window),
        days=_fits(told, "days", DAYS_FORM, "weekdays such as 12345, Monday is 1", default=EVERY_DAY),
        is_percent=_flag(told, "is_percent"),
        starts=_instant(told, "effective_from"),
        ends=_instant(told, "effective_to"),
        inherited=_flag(told, "inherited"),
    )
    if quote.starts and quote.ends and quote.ends <= quote.starts:
        raise SourceError("Write a time after effective_from, or leave it out.", "effective_to")
    if quote.days != EVERY_DAY and quote.window is None:
        raise SourceError("Weekdays belong to a window; write the window too, such as 00:00-00:00.", "days")
    return quote


def read_window(told: object) -> tuple[time, time]:
    """A daily window in UTC: ``"01:00-04:00"`` or ``["01:00", "04:00"]``; equal edges mean the whole day."""
    edges = told.split("-") if isinstance(told, str) else told
    if not isinstance(edges, list | tuple) or len(edges) != 2:
        raise SourceError("Write two UTC times, such as 01:00-04:00.", "window")
    read = []
    for edge in edges:
        match = WINDOW_TIME.fullmatch(edge.strip()) if isinstance(edge, str) else None
        if match is None:
            raise SourceError("Write two UTC times, such as 01:00-04:00.", "window")
        read.append(time(int(match[1]), int(match[2])))
    return read[0], read[1]


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


def _fits(
    told: Mapping[str, Any],
    name: str,
    form: re.Pattern[str],
    example: str,
    *,
    default: str | None = None,
    empty: bool = False,
) -> str:
    value = told.get(name)
    if value in (None, "") and default is not None:
        return default
    if value == "" and empty:
        return ""
    if not isinstance(value, str) or not value or not form.fullmatch(value):
        raise SourceError(f"Write {example}.", name)
    return value


def _model(told: Mapping[str, Any]) -> str:
    model = told.get("model")
    if not isinstance(model, str) or len(model) > MODEL_CHARACTERS_MAX or not model.isprintable():
        raise SourceError(f'Write at most {MODEL_CHARACTERS_MAX} characters, or "" for every model.', "model")
    return model


def _price(told: Mapping[str, Any]) -> Decimal:
    price, per = _number(told, "price"), _number(told, "per", "1")
    if per <= 0:
        raise SourceError("Write how many units the price is for, such as 1000000.", "per")
    return single_unit_price(price, per)


def _number(told: Mapping[str, Any], name: str, absent: str | None = None) -> Decimal:
    value = told.get(name)
    try:
        return parse_number(absent if absent is not None and value in (None, "") else value)
    except NumberError as error:
        raise SourceError(str(error), name) from error


def _step(told: Mapping[str, Any]) -> int:
    value = told.get("input_over")
    if value is None or value == "":
        return 0
    if isinstance(value, str):
        value = whole_of(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= STEP_MAX:
        raise SourceError("Write a whole number of input tokens, such as 200000.", "input_over")
    return value


def _flag(told: Mapping[str, Any], name: str) -> bool:
    value = told.get(name)
    if value in (None, "", False, "false"):
        return False
    if value in (True, "true"):
        return True
    raise SourceError("Write true or false.", name)


def _instant(told: Mapping[str, Any], name: str) -> datetime | None:
    value = told.get(name)
    if value in (None, ""):
        return None
    try:
        return parse_time(value)
    except TimeError as error:
        raise SourceError(str(error), name) from error
