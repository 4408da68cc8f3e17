"""Reading a file of prices by the name of its source."""

import hashlib
from collections.abc import Callable, Mapping

from pricing.price_sources.bedrock import read_bedrock
from pricing.price_sources.csv_file import read_csv
from pricing.price_sources.litellm import read_litellm
from pricing.price_sources.openrouter import read_openrouter
from pricing.price_sources.quotes import PriceList, SourceError
from pricing.price_sources.reading import quote_from_json, tree_of

FORMATS: Mapping[str, Callable[[str, str], PriceList]] = {
    "litellm": lambda text, version: read_litellm(text, version=version),
    "openrouter": lambda text, version: read_openrouter(text, version=version),
    "bedrock": lambda text, version: read_bedrock(text),
    "csv": lambda text, version: read_csv(text, version=version),
    "json": lambda text, version: read_json(text, version=version),
}


def read_prices(source: str, text: str, *, version: str = "") -> PriceList:
    """The prices in a file of the named source. Without a version, the file's own fingerprint stands for it.

    Raises ``SourceError`` that says what is wrong with the file, or which sources there are.
    """
    read = FORMATS.get(source)
    if read is None:
        raise SourceError(f"Write one of {', '.join(FORMATS)}.", "source")
    return read(text, version or hashlib.sha256(text.encode()).hexdigest()[:12])


def read_json(text: str, *, version: str) -> PriceList:
    """Prices in our own shape: ``{"prices": [{provider, model, unit, price, …}]}``. Raises ``SourceError``."""
    told = tree_of(text, fraction=str, whole=str)
    prices = told.get("prices") if isinstance(told, dict) else None
    if not isinstance(prices, list) or not all(isinstance(price, dict) for price in prices):
        raise SourceError('Write {"prices": [{"provider", "model", "unit", "price"}]}.')
    quotes = []
    for index, price in enumerate(prices):
        try:
            quotes.append(quote_from_json(price))
        except SourceError as error:
            raise SourceError(error.detail, f"prices[{index}].{error.field}") from error
    return PriceList("json", version, quotes)
