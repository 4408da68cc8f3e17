"""A price book for the tests of this room."""

from datetime import UTC, datetime

import pytest

from pricing.models import PriceSnapshot
from pricing.price_sources.packaged import import_packaged_prices

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def packaged_book(made_for_the_module: None) -> list[PriceSnapshot]:
    """The prices that come with Burnline, brought in once for a module."""
    return [result.snapshot for result in import_packaged_prices(now=NOW)]
