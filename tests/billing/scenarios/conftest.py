from collections.abc import Callable
from typing import Any

import pytest

from pricing.price_book import book_changed
from tests.billing.scenarios.diary import Diary


@pytest.fixture
def diary(operator_api: Any) -> Callable[..., Diary]:
    """Opens a diary on a local day: the sandbox's clock stands there, and everything goes through the API."""

    def open_at(day: str) -> Diary:
        book_changed()
        opened = Diary(operator_api)
        opened.on(day)
        return opened

    return open_at
