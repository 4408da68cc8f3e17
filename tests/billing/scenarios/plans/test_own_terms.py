"""A subscriber's own terms: dated by whole periods, in spend, in invoices, and never in what is issued already."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.billing.scenarios.diary import Diary

pytestmark = pytest.mark.django_db

TOKENS = {"key": "tokens", "meter": "output", "model": "per_unit", "unit_price": "0.01"}


def subscribed(book: Diary, overrides: dict[str, Any] | None = None, **terms: Any) -> None:
    book.customer()
    book.meter("output", value="usage.output")
    book.plan("basic", [TOKENS], **terms)
    book.subscribe("basic", **({"overrides": overrides} if overrides else {}))


def own(book: Diary, overrides: dict[str, Any], **more: str) -> Any:
    return book.post("/v1/subscriptions/acme/overrides", {"overrides": overrides, **more})


def test_a_discount_from_the_next_period_on_leaves_this_one_alone(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    subscribed(book, fee="100.00", fee_timing="arrears")
    book.on("2027-01-20")
    changed = own(book, {"discount_percent": "50"}, at="period_end")
    assert (changed["overrides"], changed["next_overrides"]) == ({}, {"discount_percent": "50"})
    assert book.spend()["subtotal_minor"] == 10000

    book.on("2027-02-01T03:00:00Z")
    assert book.get("/v1/subscriptions/acme")["overrides"] == {"discount_percent": "50"}
    book.use(usage={"output": 200})

    # February: half of 100.00, and half of 200 × 0.01.
    assert book.spend()["subtotal_minor"] == 5000 + 100
    book.on("2027-03-01T03:00:00Z")
    assert [one["total_minor"] for one in book.invoices()] == [10000, 5100]
    book.books_are_clean()


def test_a_discount_given_now_holds_for_the_open_period_as_a_whole_and_no_issued_one(
    diary: Callable[[str], Diary],
) -> None:
    book = diary("2027-01-01")
    subscribed(book, fee="0", overrides={"discount_percent": "10"})
    book.use(usage={"output": 1000})
    book.on("2027-02-10")
    book.use(usage={"output": 1000})

    own(book, {"discount_percent": "20"})

    # 10.00 less 20 %; January's 10.00 less 10 % are issued.
    assert book.spend()["subtotal_minor"] == 800
    book.on("2027-02-20")
    own(book, {})
    assert book.spend()["subtotal_minor"] == 1000
    # An event of January that comes now is billed at January's discount: 1.00 less 10 %.
    book.use(usage={"output": 100}, time="2027-01-15T00:00:00Z")
    book.on("2027-03-01T03:00:00Z")
    assert [book.lines(one) for one in book.invoices()] == [
        [("tokens", 900)],
        [("tokens", 1000), ("tokens", 90)],
    ]
    book.books_are_clean()


def test_a_discounted_fee_in_advance_is_given_back_as_it_was_billed(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    subscribed(book, fee="31.00", overrides={"discount_percent": "10"})
    book.plan("max", [], fee="62.00")
    assert book.totals() == [("finalized", 2790)]
    book.on("2027-01-11")
    book.post("/v1/subscriptions/acme/change", {"plan": "max"})

    book.on("2027-02-01T03:00:00Z")

    # Ten of 31 days on basic: 10.00 − 10 %; 21 on max: 42.00 − 10 %; what was paid comes back whole; February 62.00 − 10 %.
    assert book.lines(book.invoices()[-1]) == [("fee", 900), ("fee", 3780), ("fee", -2790), ("fee", 5580)]
    book.books_are_clean()


def test_a_discount_given_now_reaches_a_fee_that_was_billed_in_advance(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    subscribed(book, fee="31.00")
    book.on("2027-01-11")
    own(book, {"discount_percent": "100"})

    book.on("2027-02-01T03:00:00Z")

    # January is free after all, and so is February in advance.
    assert book.lines(book.invoices()[-1]) == [("fee", 0), ("fee", -3100), ("fee", 0)]
    book.books_are_clean()


def test_a_commitment_of_its_own_is_trued_up(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    subscribed(
        book, fee="5.00", commitment={"amount": "10.00"}, overrides={"commitment": {"amount": "50.00"}}
    )
    book.use(usage={"output": 1000})

    # 10.00 of use and the fee of 5.00 leave 35.00 of the 50.00, shown before and billed after the period's end.
    assert ("commitment", 3500) in [(one["kind"], one["amount_minor"]) for one in book.spend()["lines"]]
    book.on("2027-02-01T03:00:00Z")
    # On the invoice stands February's fee; January's own, billed at the start, still counts toward January.
    assert book.lines(book.invoices()[-1]) == [("tokens", 1000), ("fee", 500), ("commitment", 3500)]
    book.books_are_clean()


def test_the_commitment_of_a_first_part_of_a_month_counts_the_fee_that_was_billed_for_it(
    diary: Callable[[str], Diary],
) -> None:
    book = diary("2027-01-01")
    book.customer()
    book.plan("deal", [], fee="31.00", commitment={"amount": "62.00"})
    book.on("2027-01-22")
    book.subscribe("deal", anchor="2027-01-01")
    # Ten of 31 days: 10.00.
    assert book.totals() == [("finalized", 1000)]

    book.on("2027-02-01T03:00:00Z")

    # Committed 62.00 × 10/31 = 20.00, of which 10.00 are the fee.
    assert book.lines(book.invoices()[-1]) == [("fee", 3100), ("commitment", 1000)]
    book.books_are_clean()


@pytest.mark.parametrize(
    ("overrides", "lines"),
    [
        # It cost 10.00 and was sold for 4.00: a floor of one half asks for 20.00.
        ({"margin_floor": {"rate": "0.5", "on_breach": "bill"}}, [("tokens", 400), ("margin_floor", 1600)]),
        # The customer's cap of 12.00 leaves room for 8.00 of it.
        (
            {"margin_floor": {"rate": "0.5", "on_breach": "bill"}, "cap": "12.00"},
            [("tokens", 400), ("margin_floor", 800)],
        ),
        ({"margin_floor": {"rate": "0.5", "on_breach": "absorb"}}, [("tokens", 400)]),
    ],
)
def test_a_floor_and_a_cap_of_its_own(
    diary: Callable[[str], Diary], overrides: dict[str, Any], lines: list[tuple[str, int]]
) -> None:
    book = diary("2027-01-01")
    model = {"provider": "anthropic", "model": "claude-test-1"}
    book.post("/v1/prices", {**model, "unit": "output", "price": "0.025"})
    subscribed(book, fee="0")
    book.on("2027-01-02")
    own(book, overrides)
    book.use(**model, usage={"output": 400})

    assert [(one["charge"] or one["kind"], one["amount_minor"]) for one in book.spend()["lines"]] == lines
    book.on("2027-02-01T03:00:00Z")
    assert book.lines(book.invoices()[0]) == lines
    book.books_are_clean()


def test_a_customers_own_key_does_not_see_its_floor(
    diary: Callable[[str], Diary], api_with_key: Callable[..., Any]
) -> None:
    from customers.models import Customer

    book = diary("2027-01-01")
    subscribed(book)
    own(book, {"margin_floor": {"rate": "0.5", "on_breach": "alert"}, "cap": "9"})

    seen = api_with_key(["read"], customer=Customer.objects.get(key="acme")).get("/v1/subscriptions/acme")

    assert seen.json()["overrides"] == {"cap": "9"}


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"overrides": "required"}),
        ({"overrides": {"fee": "0"}}, {"overrides.fee": "unknown_field"}),
        ({"overrides": {"discount_percent": "101"}}, {"overrides.discount_percent": "number"}),
        ({"overrides": {}, "at": "2027-01-01T00:00:00Z"}, {"at": "choice"}),
    ],
)
def test_wrong_terms_are_named(
    diary: Callable[[str], Diary], body: dict[str, Any], errors: dict[str, str]
) -> None:
    book = diary("2027-01-01")
    subscribed(book)
    response = book.api.post("/v1/subscriptions/acme/overrides", body)
    assert response.status_code == 422
    assert {one["field"]: one["code"] for one in response.json()["errors"]} == errors


def test_an_end_can_be_moved_to_a_later_day(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    subscribed(book, fee="0")
    book.post("/v1/subscriptions/acme/cancel", {"at": "period_end"})
    book.post("/v1/subscriptions/acme/cancel", {"at": "2027-03-01T00:00:00Z"})
    book.on("2027-02-10")
    book.use(usage={"output": 100})

    book.on("2027-03-02")

    assert [one["total_minor"] for one in book.invoices()] == [0, 100]
    book.books_are_clean()


def test_a_floor_in_another_currency_than_the_costs_is_refused_by_name(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    book.customer(currency="EUR")
    book.meter("output", value="usage.output")
    book.plan("basic", [TOKENS], currency="EUR")
    floor = {"margin_floor": {"rate": "0.30", "on_breach": "bill"}}
    asked = {"customer": "acme", "plan": "basic", "overrides": floor}
    refused = [book.api.post("/v1/subscriptions", asked)]
    book.subscribe("basic")
    for at in ("now", "period_end"):
        refused.append(
            book.api.post("/v1/subscriptions/acme/overrides", {"overrides": {"cap": "5", **floor}, "at": at})
        )
    for answer in refused:
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert (error["field"], error["code"]) == ("overrides.margin_floor", "cost_currency")
        assert "USD" in error["detail"] and "EUR" in error["detail"]
    subscription = book.get("/v1/subscriptions/acme")
    assert (subscription["overrides"], subscription["next_overrides"]) == ({}, None)
    assert own(book, {"cap": "5", "margin_floor": None})["overrides"] == {"cap": "5"}
