"""A change within a period: each plan's discount and commitment hold for its own days."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.billing.scenarios.diary import Diary

pytestmark = pytest.mark.django_db

TOKENS = {"key": "tokens", "meter": "output", "model": "per_unit", "unit_price": "0.01"}


def two_plans(book: Diary, old: dict[str, Any], new: dict[str, Any], **subscription: Any) -> None:
    """Ten days of January on the old plan with 1,000 tokens, 21 on the new one with 2,000."""
    book.customer()
    book.meter("output", value="usage.output")
    book.plan("old", [TOKENS], fee="31.00", **old)
    book.plan("new", [TOKENS], fee="62.00", **new)
    book.subscribe("old", **subscription)
    book.on("2027-01-05")
    book.use(usage={"output": 1000})
    book.on("2027-01-11")
    book.post("/v1/subscriptions/acme/change", {"plan": "new", "at": book.today})
    book.on("2027-01-15")
    book.use(usage={"output": 2000})


def test_each_days_have_the_discount_of_their_plan(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    two_plans(book, {"discount_percent": "20", "fee_timing": "arrears"}, {"fee_timing": "arrears"})
    book.on("2027-02-01T03:00:00Z")

    # 10.00 less 20 %, 20.00; 10/31 × 31.00 less 20 %, 21/31 × 62.00.
    assert book.lines(book.invoices()[0]) == [("tokens", 800), ("tokens", 2000), ("fee", 800), ("fee", 4200)]
    book.use(time="2027-01-05T01:00:00Z", usage={"output": 100})
    book.use(time="2027-01-20T01:00:00Z", usage={"output": 100})
    book.on("2027-03-01T03:00:00Z")
    late = [one["amount_minor"] for one in book.invoices()[1]["lines"] if one["kind"] == "correction"]
    assert late == [80, 100]
    book.books_are_clean()


def test_a_fee_in_advance_is_given_back_as_it_was_billed(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    two_plans(book, {"discount_percent": "20"}, {"discount_percent": "50"})
    book.on("2027-02-01T03:00:00Z")

    # 24.80 was billed; 8.00 and 21.00 are what January comes to; half of 62.00 is February's.
    fees = [one["amount_minor"] for one in book.invoices()[1]["lines"] if one["kind"] == "fee"]
    assert book.totals()[0][1] == 2480 and fees == [800, 2100, -2480, 3100]
    book.books_are_clean()


def test_a_discount_of_the_subscribers_own_goes_over_both(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    own = {"overrides": {"discount_percent": "10"}}
    two_plans(book, {"discount_percent": "20", "fee_timing": "arrears"}, {"fee_timing": "arrears"}, **own)
    book.on("2027-02-01T03:00:00Z")
    assert book.lines(book.invoices()[0]) == [("tokens", 900), ("tokens", 1800), ("fee", 900), ("fee", 3780)]
    book.books_are_clean()


@pytest.mark.parametrize(
    ("old", "new", "true_up"),
    [
        # 10/31 × 310.00, less 82.00 of fees and use; 21/31 of it; both; none.
        ({"commitment": {"amount": "310.00"}}, {}, 10000 - 8200),
        ({}, {"commitment": {"amount": "310.00"}}, 21000 - 8200),
        ({"commitment": {"amount": "310.00"}}, {"commitment": {"amount": "31.00"}}, 12100 - 8200),
        ({}, {}, 0),
    ],
    ids=["left", "taken", "both", "none"],
)
def test_a_commitment_is_shared_as_the_fee_is(
    diary: Callable[[str], Diary], old: dict[str, Any], new: dict[str, Any], true_up: int
) -> None:
    book = diary("2027-01-01")
    two_plans(book, {"fee_timing": "arrears", **old}, {"fee_timing": "arrears", **new})
    book.on("2027-02-01T03:00:00Z")
    lines = book.invoices()[0]["lines"]
    assert sum(one["amount_minor"] for one in lines if one["kind"] != "commitment") == 8200
    assert sum(one["amount_minor"] for one in lines if one["kind"] == "commitment") == true_up
    book.books_are_clean()
