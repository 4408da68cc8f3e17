"""Prices and names from the packaged ``genai-prices`` data (MIT). Its data, not its rater: we rate from our own rows.

Four of its habits are put right here, each where it is read: windows carry no date and no weekday; context prices
carry the date they were recorded on; a unit without a price of its own inherits any other's; and what image and speech
models make is priced as plain output.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib.metadata import version
from typing import Any

from genai_prices import types
from genai_prices.data import providers
from genai_prices.data_units import unit_data

from pricing.model_names import BEGINNING
from pricing.price_card import EVERY_DAY, STANDARD
from pricing.price_sources.genai_names import names_of
from pricing.price_sources.quotes import PriceList, Quote, single_unit_price

SOURCE = "genai-prices"

# Its price keys by our buckets. What is missing here has no bucket, and is counted as skipped.
UNITS: Mapping[str, str] = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write_other",
    "cache_write_5m_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "input_audio",
    "input_image_mtok": "input_image",
    "input_video_mtok": "input_video",
    "output_audio_mtok": "output_audio",
    "output_image_mtok": "output_image",
    "output_video_mtok": "output_video",
    "cache_audio_read_mtok": "cache_read_audio",
    "cache_image_read_mtok": "cache_read_image",
    "cache_video_read_mtok": "cache_read_video",
    "output_reasoning_mtok": "reasoning",
    "output_citation_mtok": "citation",
    "input_mchars": "characters",
    "audio_hours": "audio_seconds",
    "input_audio_hours": "audio_seconds",
    "input_document_kpages": "pages",
    "input_annotated_document_kpages": "annotated_pages",
    "rerank_searches_kcount": "search_units",
    "web_searches_kcount": "web_search",
    "storage_searches_kcount": "file_search",
    "code_executions_kcount": "code_execution",
    "requests_kcount": "requests",
}
PER: Mapping[str, Decimal] = {unit["price_key"]: Decimal(unit["per"]) for unit in unit_data.values()}

# It began to record service tiers and batches on these days; the discounts themselves are older. A price dated so
# holds from the start of the standard price it was recorded beside.
RECORDED = (date(2026, 10, 12), date(2026, 10, 15))

# DeepSeek's peak hours since August 2026 are on working days, by UTC; its data has no weekdays.
WORKING_DAYS_ONLY = ("deepseek-flash", "deepseek-v4-flash", "deepseek-v4-pro")
WORKING_DAYS = "12345"

# One price for cache writes means, here, a cache without a lifetime of its own choosing; elsewhere it is five minutes.
NO_FIVE_MINUTES = ("openai", "azure", "openai-decisions", "github-copilot")

Prices = dict[tuple[str, int], tuple[Decimal, bool]]
"""(unit, long-context step) → (price, whether inherited): all that held between two dates."""

Span = tuple[datetime, datetime | None, Prices]


def packaged_prices() -> PriceList:
    """Every price and name of the installed ``genai-prices``, with its history."""
    quotes: list[Quote] = []
    skipped: dict[str, int] = {}
    for provider in providers:
        for model in provider.models:
            quotes += _model_quotes(provider.id, model)
            for key in _unknown_keys(model):
                skipped[f"{key}: no bucket counts it"] = skipped.get(f"{key}: no bucket counts it", 0) + 1
    names = [name for provider in providers for name in names_of(provider)]
    return PriceList(SOURCE, version("genai-prices"), quotes, names, skipped, dated=True)


def _model_quotes(provider: str, model: types.ModelInfo) -> Iterator[Quote]:
    blank = Quote(provider=provider, model=model.id, unit="", price=Decimal(0))
    conditions = _conditions(model)
    spans = _standard_spans(provider, model, conditions)
    yield from _span_quotes(blank, spans)
    yield from _window_quotes(blank, model, conditions)
    yield from _context_quotes(blank, model, spans)


def _conditions(model: types.ModelInfo) -> list[types.ConditionalPrice]:
    if isinstance(model.prices, types.ModelPrice):
        return [types.ConditionalPrice(None, prices=model.prices)]
    return list(model.prices)


def _start(constraint: object) -> datetime | None:
    """From when a dated price holds; None for a window, which has no date."""
    if constraint is None:
        return BEGINNING
    if isinstance(constraint, types.StartDateConstraint):
        return datetime.combine(constraint.start_date, time(), UTC)
    return None


def _standard_spans(
    provider: str, model: types.ModelInfo, conditions: Iterable[types.ConditionalPrice]
) -> list[Span]:
    dated = [(start, c.prices) for c in conditions if (start := _start(c.constraint)) is not None]
    starts = sorted({start for start, _ in dated})
    spans: list[Span] = []
    for index, start in enumerate(starts):
        # The last one listed wins among those that have begun.
        prices = next(prices for begun, prices in reversed(dated) if begun <= start)
        end = starts[index + 1] if index + 1 < len(starts) else None
        spans.append((start, end, _with_inherited(provider, model, _read(prices) or _free(model))))
    return spans


def _read(prices: types.ModelPrice) -> Prices:
    read: Prices = {}
    for key, value in _priced(prices):
        unit, per = UNITS.get(key), PER.get(key)
        if unit is None or per is None:
            continue
        if isinstance(value, types.TieredPrices):
            read[unit, 0] = single_unit_price(value.base, per), False
            for tier in value.tiers:
                read[unit, tier.start] = single_unit_price(tier.price, per), False
        else:
            read[unit, 0] = single_unit_price(value, per), False
    return read


def _free(model: types.ModelInfo) -> Prices:
    """What a model costs that is given away under a name of its own, such as ``…:free``: an explicit zero."""
    return (
        {("input", 0): (Decimal(0), False), ("output", 0): (Decimal(0), False)} if ":free" in model.id else {}
    )


def _priced(prices: types.ModelPrice) -> Iterator[tuple[str, Any]]:
    return ((key, value) for key, value in vars(prices).items() if value is not None)


def _with_inherited(
    provider: str, model: types.ModelInfo, prices: Prices, published: Prices | None = None
) -> Prices:
    """The prices, and those that the source leaves to another unit.

    In a context, ``published`` are the standard prices: a unit that has a standard price of its own keeps that.
    """
    units = {unit for unit, _ in prices}
    taken = units | {unit for (unit, _), (_, inherited) in (published or {}).items() if not inherited}
    lent = {
        # No discount is published, so a token from a cache costs what any other token of the prompt costs.
        "cache_read": "input",
        # What the model makes is the only output it has.
        "output_image": "output" if model.id.startswith("gpt-image") else "",
        "output_audio": "output" if "-tts" in model.id else "",
    }
    if provider not in NO_FIVE_MINUTES or "claude" in model.id:
        lent["cache_write_5m"] = "cache_write_other"
    if provider == "aws" and "amazon.nova" in model.id:
        # Amazon bills the writing of Nova's cache as ordinary input.
        lent |= {"cache_write_5m": "input", "cache_write_other": "input"}
    inherited = {
        (unit, step): (price, True)
        for unit, lender in lent.items()
        if unit not in taken and (lender != "input" or "output" in units)
        for (lending, step), (price, _) in prices.items()
        if lending == lender
    }
    return prices | inherited


def _span_quotes(blank: Quote, spans: list[Span]) -> Iterator[Quote]:
    """One quote for each price that began or changed; one that was dropped ends."""
    before: Prices = {}
    for index, (start, _, prices) in enumerate(spans):
        for place, (price, inherited) in prices.items():
            if before.get(place) == (price, inherited):
                continue
            unit, step = place
            dropped = next((begin for begin, _, later in spans[index + 1 :] if place not in later), None)
            yield replace(
                blank,
                unit=unit,
                input_over=step,
                price=price,
                inherited=inherited,
                starts=None if start == BEGINNING else start,
                ends=dropped,
            )
        before = prices


def _window_quotes(
    blank: Quote, model: types.ModelInfo, conditions: list[types.ConditionalPrice]
) -> Iterator[Quote]:
    days = WORKING_DAYS if model.id in WORKING_DAYS_ONLY else EVERY_DAY
    since = BEGINNING
    for index, condition in enumerate(conditions):
        constraint = condition.constraint
        since = max(since, _start(constraint) or since)
        if not isinstance(constraint, types.TimeOfDateConstraint):
            continue
        # Listed after a dated price, a window is part of it: it began with it, and ends with the next one.
        until = next((start for c in conditions[index + 1 :] if (start := _start(c.constraint))), None)
        window = (constraint.start_time.replace(tzinfo=None), constraint.end_time.replace(tzinfo=None))
        for (unit, step), (price, _) in _read(condition.prices).items():
            yield replace(
                blank,
                unit=unit,
                input_over=step,
                price=price,
                window=window,
                days=days,
                starts=None if since == BEGINNING else since,
                ends=until,
            )


def _context_quotes(blank: Quote, model: types.ModelInfo, standard: list[Span]) -> Iterator[Quote]:
    by_context: dict[str, list[tuple[datetime, types.ModelPrice]]] = {}
    for variant in model.price_variants or ():
        context, start = context_name(variant.when), _start(variant.constraint)
        if context != STANDARD and start is not None:
            by_context.setdefault(context, []).append((start, variant.prices))
    for context, variants in by_context.items():
        spans: list[Span] = []
        starts = sorted({start for start, _ in variants})
        for index, start in enumerate(starts):
            prices: Prices = {}
            for begun, told in variants:
                if begun <= start:
                    prices = _first_listed(prices, _read(told))
            beside = next(prices for begin, _, prices in reversed(standard) if begin <= start)
            prices = _with_inherited(blank.provider, model, prices, beside)
            if spans == [] and RECORDED[0] <= start.date() <= RECORDED[1]:
                start = max(begin for begin, _, _ in standard if begin <= start)
            spans.append((start, starts[index + 1] if index + 1 < len(starts) else None, prices))
        yield from _span_quotes(replace(blank, context=context), spans)


def _first_listed(prices: Prices, later: Prices) -> Prices:
    """Both, unit by unit: a unit that was told before keeps all its steps."""
    told = {unit for unit, _ in prices}
    return prices | {place: price for place, price in later.items() if place[0] not in told}


def context_name(when: Mapping[str, str]) -> str:
    """Our name for the circumstances of a call.

    >>> context_name({"processing": "batch"}), context_name({"service_tier": "default"}), context_name({})
    ('batch', 'standard', 'standard')
    """
    words = [
        value if key in ("processing", "service_tier", "speed") else f"{key.removesuffix('_type')}:{value}"
        for key, value in sorted(when.items())
        if (key, value) not in (("service_tier", "default"), ("processing", "standard"))
    ]
    return "+".join(words)[:20] if words else STANDARD


def _unknown_keys(model: types.ModelInfo) -> set[str]:
    return {
        key for condition in _conditions(model) for key, _ in _priced(condition.prices) if key not in UNITS
    }
