from collections.abc import Callable
from typing import Any

import pytest

from pricing.price_book import book_changed
from tests.billing.scenarios.diary import Diary


@pytest.fixture(autouse=True)
def a_price_book_of_its_own() -> None:
    """The book is kept in memory for a second; a test must not see the rows that the one before rolled back."""
    book_changed()


@pytest.fixture
def diary(operator_api: Any) -> Callable[[str], Diary]:
    """Opens a diary on a day: the sandbox's clock stands there, and everything goes through the API."""

    def open_on(day: str) -> Diary:
        opened = Diary(operator_api)
        opened.on(day)
        return opened

    return open_on
