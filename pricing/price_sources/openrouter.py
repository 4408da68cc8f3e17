"""Prices from OpenRouter's ``GET /api/v1/models``: decimal text, US dollars for a single unit, no history."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import time
from decimal import Decimal
from typing import Any

from core.money import NumberError, parse_number
from pricing.price_card import EVERY_DAY
from pricing.price_sources.quotes import PriceList, Quote, SourceError, single_unit_price
from pricing.price_sources.reading import tree_of

SOURCE = "openrouter"

UNITS: Mapping[str, tuple[str, ...]] = {
    "prompt": ("input",),
    "completion": ("output",),
    "request": ("requests",),
    "image_token": ("input_image",),
    "audio": ("input_audio",),
    "audio_output": ("output_audio",),
    "input_audio_cache": ("cache_read_audio",),
    "web_search": ("web_search",),
    "internal_reasoning": ("reasoning",),
    "input_cache_read": ("cache_read",),
    # The default lifetime, five minutes, and what a call reports without a lifetime.
    "input_cache_write": ("cache_write_5m", "cache_write_other"),
    "input_cache_write_1h": ("cache_write_1h",),
}
# Priced by the picture, which we do not count.
UNCOUNTED = ("image", "image_output")
CONDITIONS = ("min_prompt_tokens", "utc_start", "utc_end", "utc_days")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
WHOLE_DAY = (time(), time())


def read_openrouter(text: str, *, version: str) -> PriceList:
    """Every model's prices. Raises ``SourceError`` when the text is not OpenRouter's answer."""
    told = tree_of(text)
    models = told.get("data") if isinstance(told, dict) else None
    if not isinstance(models, list):
        raise SourceError('Write OpenRouter\'s answer, {"data": [{"id", "pricing"}]}.')
    skipped: Counter[str] = Counter()
    quotes: list[Quote] = []
    for model in models:
        if not isinstance(model, dict) or not isinstance(model.get("pricing"), dict) or not model.get("id"):
            skipped["a model without id or pricing"] += 1
            continue
        quotes += _model_quotes(str(model["id"]), model["pricing"], skipped)
    return PriceList(SOURCE, version, quotes, skipped=skipped)


def _model_quotes(name: str, pricing: Mapping[str, Any], skipped: Counter[str]) -> Iterator[Quote]:
    if pricing.get("discount"):
        skipped["a discount on top of the price"] += 1
        return
    blank = Quote(provider=SOURCE, model=name.lower(), unit="", price=Decimal(0))
    yield from _quotes(blank, pricing, skipped)
    for override in pricing.get("overrides") or ():
        if not isinstance(override, Mapping):
            skipped["an override that is no object"] += 1
            continue
        try:
            place = replace(
                blank,
                input_over=int(override.get("min_prompt_tokens") or 0),
                window=_window(override),
                days=_days(override),
            )
        except (SourceError, ValueError):
            skipped["an override under a condition of another form"] += 1
            continue
        yield from _quotes(
            place, {key: value for key, value in override.items() if key not in CONDITIONS}, skipped
        )


def _quotes(blank: Quote, pricing: Mapping[str, Any], skipped: Counter[str]) -> Iterator[Quote]:
    given_away = blank.model.endswith(":free")
    for key, value in pricing.items():
        if key in UNCOUNTED or key not in UNITS:
            if key not in ("overrides", "discount"):
                skipped[f"{key}: no unit of ours"] += 1
            continue
        try:
            price = single_unit_price(parse_number(value))
        except (NumberError, SourceError):
            skipped["a price that varies or is no number"] += 1  # "-1" stands for a router that chooses
            continue
        if not price and not (given_away and key in ("prompt", "completion")):
            skipped["zero: not charged apart"] += 1
            continue
        for unit in UNITS[key]:
            yield replace(blank, unit=unit, price=price)


def _window(override: Mapping[str, Any]) -> tuple[time, time] | None:
    start, end = override.get("utc_start"), override.get("utc_end")
    if start is None and end is None:
        return WHOLE_DAY if override.get("utc_days") else None
    return _clock(start), _clock(end)


def _clock(told: object) -> time:
    """A clock number, such as 1030 for 10:30. Raises ``SourceError``."""
    try:
        number = int(str(told))
        return time(number // 100 % 24, number % 100)
    except ValueError as error:
        raise SourceError(f"{told!r} is not a clock number such as 1030.") from error


def _days(override: Mapping[str, Any]) -> str:
    days = override.get("utc_days")
    return "".join(sorted(str(DAYS.index(day) + 1) for day in days)) if days else EVERY_DAY
