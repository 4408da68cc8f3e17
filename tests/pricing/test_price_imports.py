"""What an import changes by itself, and what it leaves to a person."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from core.problems import Conflict, Invalid, NotFound
from pricing.model_names import BEGINNING
from pricing.models import PriceRow, PriceSnapshot
from pricing.price_book import cost_of_usage, price_of
from pricing.price_imports import (
    ImportResult,
    approve_staged,
    import_price_list,
    refuse_staged,
    set_operator_prices,
)
from pricing.price_sources.quotes import NameQuote, PriceList, Quote

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def quote(price: str, unit: str = "input", **more: Any) -> Quote:
    return Quote(**({"provider": "acme", "model": "rocket", "unit": unit, "price": Decimal(price)} | more))


def take(
    *quotes: Quote, source: str = "a", at: datetime = NOW, accept: bool = True, **more: Any
) -> PriceSnapshot:
    result: ImportResult = import_price_list(
        PriceList(source, at.isoformat(), list(quotes), **more),
        now=at,
        accept_single_source=accept,
        by="test",
    )
    return result.snapshot


def reasons(snapshot: PriceSnapshot) -> list[str]:
    return [item["reason"] for item in snapshot.diff["staged"]]


def present(at: datetime = NOW, unit: str = "input") -> str | None:
    price = price_of("acme", "rocket", unit, at=at)
    return None if price is None else f"{price.normalize():f}"


def test_a_new_price_without_a_date_holds_for_the_past_too() -> None:
    take(quote("0.000002"))

    assert present(NOW - 300 * DAY) == "0.000002"
    assert PriceRow.objects.get().effective_from == BEGINNING


def test_a_single_source_waits_unless_it_is_accepted() -> None:
    snapshot = take(quote("0.000002"), accept=False)

    assert reasons(snapshot) == ["single_source"]
    assert present() is None


def test_a_second_source_within_one_percent_makes_a_price_agreed_and_keeps_its_digits() -> None:
    take(quote("0.000002"))
    snapshot = take(quote("0.00000201"), source="b", at=NOW + DAY, accept=False)

    assert snapshot.diff["counts"]["agreed"] == 1 and snapshot.status == "applied"
    newest = PriceRow.objects.latest("id")
    assert (newest.layer, newest.price, newest.approved_by) == (2, Decimal("0.000002"), "also in a")
    assert present(NOW + DAY) == "0.000002"


def test_a_second_source_that_says_otherwise_waits_and_the_price_stays() -> None:
    take(quote("0.000002"))
    snapshot = take(quote("0.0000025"), source="b", at=NOW + DAY)

    assert reasons(snapshot) == ["disagrees"]
    assert present(NOW + DAY) == "0.000002"


@pytest.mark.parametrize("factor", ["1000", "1000000", "0.001", "2.01", "0.49"])
def test_a_jump_waits_even_when_single_sources_are_accepted(factor: str) -> None:
    take(quote("0.000002"))
    snapshot = take(quote(str(Decimal("0.000002") * Decimal(factor))), at=NOW + DAY)

    assert reasons(snapshot) == ["jump"]
    assert Decimal(snapshot.diff["staged"][0]["ratio"]) == Decimal(factor)
    assert present(NOW + 2 * DAY) == "0.000002"


def test_a_price_for_a_million_entered_as_one_is_caught_where_nothing_is_known_before() -> None:
    snapshot = take(quote("2"), quote("0.25", "web_search"))

    assert reasons(snapshot) == ["implausible"]
    assert present() is None and present(unit="web_search") == "0.25"


def test_a_step_far_from_its_own_base_is_implausible() -> None:
    snapshot = take(
        quote("0.000002"), quote("0.0004", input_over=200_000), quote("0.000004", input_over=100_000)
    )

    assert [(item["reason"], item["input_over"]) for item in snapshot.diff["staged"]] == [
        ("implausible", 200_000)
    ]


def test_a_change_within_bounds_holds_from_the_day_it_was_read() -> None:
    take(quote("0.000002"))
    take(quote("0.000003"), at=NOW + DAY)

    assert present(NOW + DAY - timedelta(seconds=1)) == "0.000002"
    assert present(NOW + DAY) == "0.000003"


def test_a_dated_change_holds_from_its_date() -> None:
    take(quote("0.000002"), dated=True)
    take(quote("0.000002"), quote("0.000003", starts=NOW + 9 * DAY), at=NOW + DAY, dated=True)

    assert present(NOW + 8 * DAY) == "0.000002"
    assert present(NOW + 9 * DAY) == "0.000003"


def test_a_change_of_the_reported_past_waits() -> None:
    history = [quote("0.000002"), quote("0.000003", starts=NOW - 100 * DAY)]
    take(*history, dated=True)
    snapshot = take(quote("0.0000025"), quote("0.000003", starts=NOW - 100 * DAY), at=NOW + DAY, dated=True)

    assert reasons(snapshot) == ["changes_the_past"]
    assert present(NOW - 200 * DAY) == "0.000002" and present(NOW + DAY) == "0.000003"


def test_a_price_that_two_sources_agreed_on_changes_when_both_say_so() -> None:
    take(quote("0.000002"))
    take(quote("0.000002"), source="b", at=NOW + DAY)
    first = take(quote("0.000003"), at=NOW + 2 * DAY)
    assert reasons(first) == ["disagrees"] and present(NOW + 2 * DAY) == "0.000002"

    second = take(quote("0.000003"), source="b", at=NOW + 3 * DAY, accept=False)
    assert (reasons(second), second.diff["counts"]["agreed"]) == ([], 1)
    assert present(NOW + 2 * DAY) == "0.000002" and present(NOW + 3 * DAY) == "0.000003"


def test_a_person_can_stand_for_the_second_source() -> None:
    take(quote("0.000002"))
    take(quote("0.000002"), source="b", at=NOW + DAY)
    waiting = take(quote("0.000003"), at=NOW + 2 * DAY)
    approve_staged(waiting.id, by="ann", now=NOW + 2 * DAY)

    assert present(NOW + 2 * DAY) == "0.000003"
    assert PriceRow.objects.latest("id").layer == PriceRow.Layer.AGREED


def test_two_readings_that_both_waited_need_no_person_when_they_say_the_same() -> None:
    take(quote("0.000002"), accept=False)
    take(quote("0.00000201"), source="b", at=NOW + DAY, accept=False)

    assert PriceRow.objects.get().layer == PriceRow.Layer.AGREED


def test_a_step_or_window_that_the_source_drops_costs_the_plain_price_from_then_on() -> None:
    window = (time(1), time(4))
    take(quote("0.000002"), quote("0.000004", input_over=100), quote("0.000003", window=window))
    take(quote("0.000002"), at=NOW + DAY)
    usage = {"input": Decimal(101)}
    night = NOW.replace(hour=2)

    assert cost_of_usage("acme", "rocket", usage, at=NOW).amount == Decimal("0.000404")
    assert cost_of_usage("acme", "rocket", usage, at=NOW + DAY).amount == Decimal("0.000202")
    assert present(night) == "0.000003" and present(night + 2 * DAY) == "0.000002"


def test_an_operators_price_stands_whatever_the_sources_say() -> None:
    take(quote("0.000002"))
    set_operator_prices([quote("0.000001")], by="ann", now=NOW)
    take(quote("0.000003"), at=NOW + DAY)

    assert present(NOW + 2 * DAY) == "0.000001"
    assert PriceRow.objects.filter(layer=PriceRow.Layer.OPERATOR).get().approved_by == "ann"


def test_the_same_content_is_imported_once() -> None:
    first, again = take(quote("0.000002")), take(quote("0.000002"), at=NOW + DAY)

    assert first.id == again.id and PriceRow.objects.count() == 1


def test_approval_names_the_person_and_applies_only_what_was_chosen() -> None:
    snapshot = take(quote("0.000002"), quote("0.000008", "output"), accept=False)
    approve_staged(snapshot.id, by="ann", now=NOW, only=[1])

    assert present() is None and present(unit="output") == "0.000008"
    assert PriceRow.objects.get().approved_by == "ann"
    snapshot.refresh_from_db()
    assert (snapshot.status, snapshot.decided_by, reasons(snapshot)) == ("staged", "ann", ["single_source"])


def test_a_refused_import_leaves_the_book_as_it_was() -> None:
    snapshot = take(quote("0.000002"), accept=False)
    refused = refuse_staged(snapshot.id, by="ann", now=NOW)

    assert refused.status == "refused" and present() is None
    with pytest.raises(Conflict):
        approve_staged(snapshot.id, by="ann", now=NOW)
    with pytest.raises(NotFound):
        refuse_staged(10**9, by="ann", now=NOW)


def test_positions_must_exist() -> None:
    snapshot = take(quote("0.000002"), accept=False)

    with pytest.raises(Invalid):
        approve_staged(snapshot.id, by="ann", now=NOW, only=[1])


def test_a_name_that_moves_to_another_model_waits_for_a_person() -> None:
    named = [NameQuote("acme", "exact", "rocket-latest", "rocket")]
    moved = [NameQuote("acme", "exact", "rocket-latest", "rocket-2")]
    both = [quote("0.000002"), quote("0.000003", model="rocket-2")]
    take(*both, names=named)
    snapshot = take(*both, names=moved, at=NOW + DAY)
    assert reasons(snapshot) == ["moved"]
    assert price_of("acme", "rocket-latest", "input", at=NOW + DAY) == Decimal("0.000002")

    approve_staged(snapshot.id, by="ann", now=NOW + 2 * DAY)
    assert price_of("acme", "rocket-latest", "input", at=NOW + DAY) == Decimal("0.000002")
    assert price_of("acme", "rocket-latest", "input", at=NOW + 2 * DAY) == Decimal("0.000003")


def test_another_sources_names_are_read_as_ours() -> None:
    take(quote("0.000002"), names=[NameQuote("acme", "exact", "rocket-2026-01-01", "rocket")])
    snapshot = take(quote("0.000002", model="ROCKET-20260101"), source="b", at=NOW + DAY)

    assert snapshot.diff["counts"]["agreed"] == 1
    assert set(PriceRow.objects.values_list("model", flat=True)) == {"rocket"}


def test_thousands_of_rows_go_in_at_once(django_assert_max_num_queries: Any) -> None:
    quotes = [quote("0.000002", model=f"m{n}") for n in range(5_000)]

    with django_assert_max_num_queries(20):
        take(*quotes)
    assert PriceRow.objects.count() == 5_000
