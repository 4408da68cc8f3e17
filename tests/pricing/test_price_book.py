"""The price book in Postgres: own prices, names, freshness, and what the database refuses."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from pricing.model_names import BEGINNING
from pricing.models import ModelAlias, PriceRow, PriceSnapshot
from pricing.price_book import book_changed, cost_of_usage, current_book, known_model, price_of
from pricing.price_imports import set_operator_prices
from pricing.price_sources.quotes import Quote
from pricing.price_sources.reading import quote_from_json

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
ONE = {"input": Decimal(1)}


def own(*prices: dict[str, Any], now: datetime = NOW) -> list[PriceRow]:
    blank = {"provider": "acme", "model": "rocket", "unit": "input"}
    return set_operator_prices([quote_from_json(blank | price) for price in prices], by="test", now=now)


def test_an_own_price_holds_from_now_and_names_its_row() -> None:
    [row] = own({"price": "2"})
    cost = cost_of_usage("acme", "rocket", {"input": Decimal(3)}, at=NOW)

    assert (cost.amount, cost.rows, cost.model, cost.book) == (6, {"input": row.id}, "rocket", row.id)
    assert cost_of_usage("acme", "rocket", ONE, at=NOW - timedelta(seconds=1)).unpriced == ("input",)


def test_a_correction_is_a_new_row_and_the_old_one_stays() -> None:
    own({"price": "2"})
    own({"price": "3"}, now=NOW + timedelta(days=1))

    assert cost_of_usage("acme", "rocket", ONE, at=NOW).amount == 2
    assert cost_of_usage("acme", "rocket", ONE, at=NOW + timedelta(days=1)).amount == 3
    assert PriceRow.objects.count() == 2


def test_an_unknown_model_is_unpriced_and_known_ones_are_told_apart() -> None:
    own({"price": "2"})

    cost = cost_of_usage("acme", "ship", ONE, at=NOW)
    assert (cost.amount, cost.unpriced, cost.model) == (0, ("input",), "")
    assert known_model("acme", "rocket", NOW)
    assert not known_model("acme", "rocket", NOW - timedelta(days=1))
    assert not known_model("acme", "ship", NOW)


def test_an_overhead_for_every_provider_and_model_is_added_everywhere() -> None:
    own(
        {"price": "100"},
        {"provider": "", "model": "", "unit": "gateway", "price": "0.05", "is_percent": True},
        {"model": "", "unit": "call", "price": "1"},
    )

    assert cost_of_usage("acme", "rocket", ONE, at=NOW).amount == Decimal("106.05")
    assert cost_of_usage("acme", "ship", ONE, at=NOW).unpriced == ("input",)


def test_rows_written_elsewhere_are_seen_once_the_book_is_looked_at_again() -> None:
    own({"price": "2"})
    assert cost_of_usage("acme", "rocket", ONE, at=NOW).amount == 2
    first = current_book()
    snapshot = PriceSnapshot.objects.get()
    PriceRow.objects.create(
        provider="acme",
        model="rocket",
        unit="input",
        price="5",
        effective_from=NOW,
        layer=3,
        snapshot=snapshot,
        recorded_at=NOW,
    )
    ModelAlias.objects.create(
        provider="acme", pattern="rocket-latest", model="rocket", effective_from=BEGINNING, snapshot=snapshot
    )

    book_changed()

    assert cost_of_usage("acme", "rocket-latest", ONE, at=NOW).amount == 5
    assert current_book().version > first.version


def test_the_book_is_read_from_memory(django_assert_num_queries: Any) -> None:
    own({"price": "2"})
    cost_of_usage("acme", "rocket", ONE, at=NOW)

    with django_assert_num_queries(0):
        for _ in range(10):
            cost_of_usage("acme", "rocket", ONE, at=NOW)


@pytest.mark.parametrize("change", ["update", "delete"])
def test_the_database_refuses_to_change_a_price(change: str) -> None:
    [row] = own({"price": "2"})

    with pytest.raises(DatabaseError), transaction.atomic():
        PriceRow.objects.filter(id=row.id).update(price=1) if change == "update" else row.delete()


def test_a_price_is_never_a_float() -> None:
    [row] = own({"price": "0.000000000000000001"})

    assert price_of("acme", "rocket", "input", at=NOW) == Decimal("1E-18")
    with pytest.raises(ValueError, match="number"):
        quote_from_json({"provider": "acme", "model": "rocket", "unit": "input", "price": 0.1})
    assert isinstance(Quote("p", "m", "u", Decimal(1)).price, Decimal)
