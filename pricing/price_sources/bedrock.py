"""Prices from the bulk price list of Amazon Bedrock (``…/offers/v1.0/aws/AmazonBedrock/current/index.json``).

Dated, by region, mostly per thousand tokens. Models carry display names; an alias leads from the id that calls use.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from core.money import NumberError, parse_number
from core.times import TimeError, parse_time
from pricing.price_card import STANDARD
from pricing.price_sources.quotes import PriceList, Quote, SourceError, merge, single_unit_price
from pricing.price_sources.reading import tree_of

SOURCE = "bedrock"

PER: Mapping[str, Decimal] = {
    "1k tokens": Decimal(1_000),
    "1m tokens": Decimal(1_000_000),
    "1k input tokens": Decimal(1_000),
    "1k output tokens": Decimal(1_000),
    "token": Decimal(1),
    "tokens": Decimal(1),
}
# The first that occurs in the words of the inference type decides.
UNITS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("cache read", ("cache_read",)),
    ("cache write", ("cache_write_5m", "cache_write_other")),
    ("input token", ("input",)),
    ("output token", ("output",)),
)
CONTEXTS = ("batch", "flex", "priority")
_WORDS = re.compile(r"[^a-z0-9.]+")


def read_bedrock(text: str) -> PriceList:
    """Every on-demand token price. Raises ``SourceError`` when the text is not such a list."""
    told = tree_of(text)
    if not isinstance(told, dict) or "products" not in told or "terms" not in told:
        raise SourceError("Write Amazon's price list, with products and terms.")
    skipped: Counter[str] = Counter()
    on_demand = told["terms"].get("OnDemand", {})
    quotes = [
        quote
        for sku, product in told["products"].items()
        for quote in _product_quotes(product.get("attributes", {}), on_demand.get(sku, {}), skipped)
    ]
    return PriceList(SOURCE, str(told.get("version", "")), merge(quotes), skipped=skipped)


def _product_quotes(
    attributes: Mapping[str, str], terms: Mapping[str, Any], skipped: Counter[str]
) -> Iterator[Quote]:
    model = attributes.get("model") or attributes.get("titanModel")
    words = " ".join(
        _WORDS.sub(" ", str(attributes.get(name, "")).lower()) for name in ("inferenceType", "feature")
    )
    units = next((units for phrase, units in UNITS if phrase in words), None)
    if not model or units is None or "provisioned" in words or "custom" in words:
        skipped["no token price on demand"] += 1
        return
    context = next((context for context in CONTEXTS if context in words), STANDARD)
    for term in terms.values():
        starts = _instant(term.get("effectiveDate"))
        for dimension in term.get("priceDimensions", {}).values():
            price = _price(dimension)
            if price is None:
                skipped[f"unit {dimension.get('unit')!r}"] += 1
                continue
            for unit in units:
                yield Quote(
                    provider="aws",
                    model=_WORDS.sub("-", model.lower()).strip("-"),
                    unit=unit,
                    price=price,
                    context=context,
                    region=attributes.get("regionCode", ""),
                    starts=starts,
                )


def _price(dimension: Mapping[str, Any]) -> Decimal | None:
    per = PER.get(str(dimension.get("unit", "")).lower())
    dollars = dimension.get("pricePerUnit", {}).get("USD")
    if per is None or dollars is None or dimension.get("beginRange", "0") != "0":
        return None
    try:
        # Amazon writes ten decimals and may write more; the grammar takes eighteen.
        return single_unit_price(parse_number(dollars), per)
    except (NumberError, SourceError):
        return None


def _instant(told: object) -> datetime | None:
    try:
        return parse_time(told)
    except TimeError:
        return None
