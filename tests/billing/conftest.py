import pytest

from pricing.price_book import book_changed


@pytest.fixture(autouse=True)
def a_price_book_of_its_own() -> None:
    """The book is kept in memory for a second; a test must not see the rows that the one before rolled back."""
    book_changed()
