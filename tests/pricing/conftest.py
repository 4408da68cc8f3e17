"""A price book for the tests of this room."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.db import transaction
from pytest_django import DjangoDbBlocker

from pricing.models import PriceSnapshot
from pricing.price_book import book_changed
from pricing.price_sources.packaged import import_packaged_prices

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


@pytest.fixture(autouse=True)
def fresh_book() -> Iterator[None]:
    book_changed()
    yield
    book_changed()


@pytest.fixture(scope="module")
def packaged_book(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[list[PriceSnapshot]]:
    """The prices that come with Burnline, brought in once for a module and gone after it."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield [result.snapshot for result in import_packaged_prices(now=NOW)]
        transaction.set_rollback(True)
