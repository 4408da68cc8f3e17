"""The prices that come with Burnline: the pinned ``genai-prices`` data and our own corrections of it."""

import hashlib
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from pricing.price_imports import ImportResult, import_price_list
from pricing.price_sources.csv_file import read_csv

CORRECTIONS = Path(__file__).parent / "corrections.csv"
PACKAGED = "genai-prices"
SOURCE = "burnline"
BY = "packaged with Burnline"


def packaged_versions() -> dict[str, str]:
    """By source, which version is installed: known without reading any price."""
    return {PACKAGED: version(PACKAGED), SOURCE: _corrections()[1]}


def _corrections() -> tuple[str, str]:
    text = CORRECTIONS.read_text()
    return text, hashlib.sha256(text.encode()).hexdigest()[:12]


def import_packaged_prices(*, now: datetime) -> list[ImportResult]:
    """Bring the packaged prices into the book; the same packages again change nothing.

    They were reviewed when they were pinned, so that they need no second source. Jumps against prices that already
    hold still wait for a person.
    """
    from pricing.price_sources.genai_prices import packaged_prices  # half a second, and seldom needed

    text, fingerprint = _corrections()
    lists = [packaged_prices(), read_csv(text, source=SOURCE, version=fingerprint)]
    return [import_price_list(prices, now=now, accept_single_source=True, by=BY) for prices in lists]
