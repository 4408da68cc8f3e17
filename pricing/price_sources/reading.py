"""Quotes as people and files write them: one grammar, whatever the source."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, time
from decimal import Decimal
from typing import Any

from core.money import NumberError, parse_number
from core.texts import whole_of
from core.times import TimeError, parse_time
from pricing.price_card import EVERY_DAY, STANDARD
from pricing.price_sources.quotes import Quote, SourceError, single_unit_price

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


def tree_of(text: str, *, fraction: Callable[[str], Any] = Decimal, whole: Callable[[str], Any] = int) -> Any:
    """The text as JSON. Raises ``SourceError``."""
    try:
        return json.loads(text, parse_float=fraction, parse_int=whole)
    except ValueError as error:
        raise SourceError(f"The file is not JSON: {error}") from error


def quote_from_json(told: Mapping[str, Any]) -> Quote:
    """A quote from its JSON or CSV form; ``price`` may be for ``per`` units. Raises ``SourceError``.

    >>> told = {"provider": "openai", "model": "gpt-5", "unit": "input", "price": "1.25", "per": "1000000"}
    >>> quote_from_json(told).price == Decimal("0.00000125")
    True
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
