"""Add-ons: once or in every period, each for the days it ran."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.billing.scenarios.diary import Diary

pytestmark = pytest.mark.django_db

ADD_ONS = "/v1/subscriptions/acme/add-ons"
SEATS = {"key": "seats", "name": "Seat", "amount": "3.10", "quantity": 10, "recurring": True}


def subscribed(book: Diary, **terms: Any) -> None:
    book.customer()
    book.plan("basic", [], fee="0", **terms)
    book.subscribe("basic")


def fees(book: Diary) -> list[list[tuple[str, int]]]:
    return [[(line["description"], line["amount_minor"]) for line in one["lines"]] for one in book.invoices()]


def test_a_one_off_extra_is_billed_once_and_whole(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    subscribed(book)
    book.on("2027-01-20")
    book.post(ADD_ONS, {"key": "setup", "name": "Set-up", "amount": "500.00"})
    assert book.spend()["subtotal_minor"] == 50000

    book.on("2027-03-01T03:00:00Z")

    assert fees(book) == [[("Set-up", 50000)], []]
    book.books_are_clean()


def test_a_recurring_extra_is_shared_by_days_at_both_ends(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    subscribed(book)
    book.on("2027-01-22T15:00:00Z")
    added = book.post(ADD_ONS, SEATS)
    assert (added["quantity"], added["ends_at"]) == ("10", None)
    # 22 to 31 January are ten of 31 days.
    assert book.spend()["subtotal_minor"] == 1000
    book.on("2027-03-10T09:00:00Z")
    book.post(f"{ADD_ONS}/seats/end", {"at": "now"})

    book.on("2027-04-01T03:00:00Z")

    # Of March ten days again, the day of the end included.
    assert fees(book) == [[("Seat × 10", 1000)], [("Seat × 10", 3100)], [("Seat × 10", 1000)]]
    assert [one["key"] for one in book.get(ADD_ONS)["results"]] == ["seats"]
    book.books_are_clean()


@pytest.mark.parametrize(("proration", "amount"), [("none", 3100), ("second", 961)])
def test_a_recurring_extra_follows_the_plans_proration(
    diary: Callable[[str], Diary], proration: str, amount: int
) -> None:
    book = diary("2027-01-01")
    subscribed(book, proration=proration)
    book.on("2027-01-22T09:21:36Z")
    book.post(ADD_ONS, SEATS)

    book.on("2027-02-01T03:00:00Z")

    # By seconds: 9.61 of 31 days are left.
    assert fees(book) == [[("Seat × 10", amount)]]
    book.books_are_clean()


def test_extras_have_the_subscriptions_discount_count_toward_its_commitment_and_wait_for_a_trials_end(
    diary: Callable[[str], Diary],
) -> None:
    book = diary("2027-01-01")
    subscribed(book, trial_days=10, discount_percent="10", commitment={"amount": "62.00"})
    book.post(ADD_ONS, SEATS)

    book.on("2027-02-01T03:00:00Z")

    # 21 of 31 days: 21.00 of the 42.00 committed, and 10 % off both.
    assert fees(book) == [
        [("Free trial through 10 Jan 2027", 0), ("Seat × 10", 1890), ("Commitment true-up", 1890)]
    ]
    book.books_are_clean()


def test_an_extra_runs_once_at_a_time_and_only_in_open_periods(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    subscribed(book)
    book.on("2027-02-05")
    book.post(ADD_ONS, SEATS)
    assert book.api.post(ADD_ONS, SEATS).status_code == 409
    assert book.api.post(ADD_ONS, SEATS | {"key": "x", "at": "2027-01-31T00:00:00Z"}).status_code == 409
    assert book.api.post(f"{ADD_ONS}/none/end").status_code == 404
    assert book.api.post(f"{ADD_ONS}/%00/end").status_code == 404
    dear = book.api.post(ADD_ONS, SEATS | {"key": "x", "amount": "1000000000000", "quantity": "1000000"})
    assert [one["field"] for one in dear.json()["errors"]] == ["amount"]
    wrong = book.api.post(ADD_ONS, {"key": "a b", "amount": "-1", "quantity": 0, "recuring": True})
    assert {one["field"] for one in wrong.json()["errors"]} == {
        "key",
        "name",
        "amount",
        "quantity",
        "recuring",
    }
    book.post(f"{ADD_ONS}/seats/end", {"at": "2027-02-10T00:00:00Z"})
    book.on("2027-02-11")
    book.post(ADD_ONS, SEATS | {"quantity": 20})

    book.on("2027-03-01T03:00:00Z")

    # 5 to 9 February are five of 28 days, 11 to 28 are eighteen: 31.00 × 5/28 and 62.00 × 18/28.
    assert fees(book)[-1] == [("Seat × 10", 554), ("Seat × 20", 3986)]
    book.books_are_clean()
