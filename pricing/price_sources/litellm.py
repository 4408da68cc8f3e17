"""Prices from LiteLLM's ``model_prices_and_context_window.json`` (MIT): no history, one price for each model and unit.

Its field names are read as a grammar: what is priced, then a cache lifetime, a long-context step and a context, such as
``cache_creation_input_token_cost_above_1hr_above_200k_tokens_batches``. Zero is left out: it writes zero both for free
and for unknown.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from core.money import CONTEXT
from pricing.model_names import canonical_provider
from pricing.price_card import EVERY_DAY, STANDARD
from pricing.price_sources.quotes import PriceList, Quote, SourceError, merge, single_unit_price
from pricing.price_sources.reading import read_window, tree_of
from pricing.price_units import is_token

SOURCE = "litellm"

UNITS: Mapping[str, str] = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write_other",
    "input_cost_per_audio_token": "input_audio",
    "output_cost_per_audio_token": "output_audio",
    "input_cost_per_image_token": "input_image",
    "output_cost_per_image_token": "output_image",
    "input_cost_per_video_token": "input_video",
    "output_cost_per_video_token": "output_video",
    "cache_read_input_audio_token_cost": "cache_read_audio",
    "cache_read_input_image_token_cost": "cache_read_image",
    "output_cost_per_reasoning_token": "reasoning",
    "citation_cost_per_token": "citation",
    "ocr_cost_per_page": "pages",
    "annotation_cost_per_page": "annotated_pages",
    "input_cost_per_request": "requests",
    "google_maps_grounding_cost_per_query": "maps_search",
}
# What these count depends on what the model does.
UNITS_BY_MODE: Mapping[str, Mapping[str, str]] = {
    "audio_transcription": {"input_cost_per_second": "audio_seconds"},
    "audio_speech": {"input_cost_per_character": "characters"},
    "rerank": {"input_cost_per_query": "search_units"},
    "video_generation": {"output_cost_per_second": "video_seconds"},
    "image_generation": {"output_cost_per_image": "images"},
    "image_edit": {"output_cost_per_image": "images"},
}
CONTEXTS = {
    "batches": "batch",
    "priority": "priority",
    "flex": "flex",
    "balanced": "balanced",
    "ultrafast": "ultrafast",
}
LIFETIMES = {"1hr": "1h", "12hr": "12h"}

_FIELD = re.compile(
    r"(?P<base>[a-z_]+?)(_above_(?P<ttl>\d+hr))?(_above_(?P<step>\d+)k_tokens)?(_(?P<context>[a-z]+))?"
)
_SIZED = re.compile(r"\d+-x-\d+|-steps/|month-commitment|^sample_spec$")
_REGION = re.compile(r"(?:bedrock/)?(?P<region>[a-z]{2}(?:-gov)?-[a-z]+-\d)/|(?P<zone>eu|us)/")

# xAI's own boundary belongs to the dearer side: "200k or more".
INCLUSIVE = ("x-ai",)


def read_litellm(text: str, *, version: str) -> PriceList:
    """Every price in the file that one of our units counts. Raises ``SourceError`` when it is not such a file."""
    models = tree_of(text)
    if not isinstance(models, dict) or not all(isinstance(entry, dict) for entry in models.values()):
        raise SourceError("Write LiteLLM's object of models, each with its costs.")
    skipped: Counter[str] = Counter()
    quotes: list[Quote] = []
    for name, entry in models.items():
        if _SIZED.search(name) or "litellm_provider" not in entry:
            skipped["priced by size or commitment"] += 1
            continue
        quotes += _model_quotes(name, entry, skipped)
    return PriceList(SOURCE, version, merge(quotes), skipped=skipped)


def _model_quotes(name: str, entry: Mapping[str, Any], skipped: Counter[str]) -> list[Quote]:
    provider = canonical_provider(str(entry["litellm_provider"]))
    model, region = _model_and_region(name, str(entry["litellm_provider"]), provider)
    blank = Quote(provider=provider, model=model, unit="", price=Decimal(0), region=region)
    quotes = [
        *_plain(blank, entry, skipped),
        *_tiers(blank, entry, skipped),
        *_windows(blank, entry, skipped),
    ]
    search = _web_search(entry)
    if search is not None:
        quotes += _quote(blank, "web_search", search, skipped)
    return quotes + [lifted for quote in quotes for lifted in _regional(quote, entry)]


def _model_and_region(name: str, source_provider: str, provider: str) -> tuple[str, str]:
    """The model as its provider names it, and the region that the name carries."""
    head, slash, tail = name.partition("/")
    if slash and (head == source_provider or canonical_provider(head) == provider):
        name = tail
    match = _REGION.match(name)
    if match and provider in ("aws", "azure"):
        return name[match.end() :], match["region"] or match["zone"]
    return name.removeprefix("global/") if provider == "azure" else name, ""


def _plain(blank: Quote, entry: Mapping[str, Any], skipped: Counter[str]) -> Iterator[Quote]:
    by_mode = UNITS_BY_MODE.get(str(entry.get("mode")), {})
    for name, value in entry.items():
        if "cost" not in name or not isinstance(value, int | str | Decimal) or isinstance(value, bool):
            continue
        unit, context, step = _read_field(name, by_mode)
        if unit is None:
            skipped[f"{name}: no unit of ours"] += 1
            continue
        if step and blank.provider in INCLUSIVE:
            step -= 1
        yield from _quote(replace(blank, context=context, input_over=step), unit, value, skipped)


def _read_field(name: str, by_mode: Mapping[str, str]) -> tuple[str | None, str, int]:
    """The unit, context and step that a field's name says.

    >>> _read_field("cache_creation_input_token_cost_above_1hr_above_200k_tokens_batches", {})
    ('cache_write_1h', 'batch', 200000)
    """
    for base in sorted((*UNITS, *by_mode), key=len, reverse=True):
        if not name.startswith(base):
            continue
        match = _FIELD.fullmatch("x" + name[len(base) :])
        if match is None or match["base"] != "x" or (match["context"] and match["context"] not in CONTEXTS):
            continue
        unit = by_mode.get(base) or UNITS[base]
        if match["ttl"]:
            if unit != "cache_write_other" or match["ttl"] not in LIFETIMES:
                continue
            unit = f"cache_write_{LIFETIMES[match['ttl']]}"
        return unit, CONTEXTS.get(match["context"] or "", STANDARD), int(match["step"] or 0) * 1000
    return None, STANDARD, 0


def _quote(blank: Quote, unit: str, value: object, skipped: Counter[str]) -> Iterator[Quote]:
    try:
        price = single_unit_price(Decimal(str(value)))
    except (ArithmeticError, SourceError):
        skipped["not a price"] += 1
        return
    if not price:
        skipped["zero, which may mean free or unknown"] += 1
        return
    yield replace(blank, unit=unit, price=price)
    if unit == "cache_write_other" and blank.provider not in ("openai", "azure"):
        # One price for writes without a lifetime is the five minutes of Anthropic and Bedrock.
        yield replace(blank, unit="cache_write_5m", price=price)


def _tiers(blank: Quote, entry: Mapping[str, Any], skipped: Counter[str]) -> Iterator[Quote]:
    for tier in entry.get("tiered_pricing") or ():
        span = tier.get("range") if isinstance(tier, Mapping) else None
        if not isinstance(span, list) or len(span) != 2:
            skipped["a tier without a range"] += 1
            continue
        for quote in _plain(blank, {name: tier[name] for name in tier if name != "range"}, skipped):
            yield replace(quote, input_over=int(span[0]))


def _windows(blank: Quote, entry: Mapping[str, Any], skipped: Counter[str]) -> Iterator[Quote]:
    off_peak = entry.get("off_peak_pricing")
    if not isinstance(off_peak, Mapping):
        return
    if "weekday_timezone" in off_peak:
        skipped["weekdays of another zone than UTC"] += 1
        return
    for window in off_peak.get("windows") or ():
        hours = window.get("hours_utc")
        days = "".join(str(day) for day in sorted(window.get("weekdays") or ())) or EVERY_DAY
        for span in [hours] if isinstance(hours, str) else hours or ():
            costs = {name: value for name, value in off_peak.items() if name != "windows"}
            for quote in _plain(blank, costs, skipped):
                yield replace(quote, window=read_window(span), days=days)


def _web_search(entry: Mapping[str, Any]) -> object | None:
    """The price of a search, where it is the same for every size of context."""
    sizes = entry.get("search_context_cost_per_query")
    prices = set(sizes.values()) if isinstance(sizes, Mapping) else set()
    return prices.pop() if len(prices) == 1 else None


def _regional(quote: Quote, entry: Mapping[str, Any]) -> Iterator[Quote]:
    """The same price in regions that cost a factor more."""
    specific = entry.get("provider_specific_entry")
    factors = {
        "us": (specific.get("us") if isinstance(specific, Mapping) else None)
        or entry.get("regional_processing_uplift_multiplier_us"),
        "eu": entry.get("regional_processing_uplift_multiplier_eu"),
    }
    for region, factor in factors.items():
        if isinstance(factor, int | Decimal) and factor > 1 and not quote.region and is_token(quote.unit):
            price = single_unit_price(CONTEXT.multiply(quote.price, Decimal(factor)))
            yield replace(quote, region=region, price=price)
