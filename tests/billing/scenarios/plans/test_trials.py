"""Trials: nothing is charged before they end, and from that day on everything is."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.billing.scenarios.diary import Diary

pytestmark = pytest.mark.django_db

TOKENS = {"key": "tokens", "meter": "output", "model": "per_unit", "unit_price": "0.01"}


def tried(book: Diary, days: int, **terms: Any) -> Any:
    book.customer()
    book.meter("output", value="usage.output")
    book.plan("basic", [TOKENS], fee="31.00", trial_days=days, **terms)
    return book.subscribe("basic")


def described(invoice: Any) -> list[tuple[str, int]]:
    return [(line["description"], line["amount_minor"]) for line in invoice["lines"]]


def test_a_fee_in_advance_is_billed_when_the_trial_ends_for_the_days_that_are_left(
    diary: Callable[[str], Diary],
) -> None:
    book = diary("2027-01-01")
    started = tried(book, 14)
    assert started["trial_ends_at"] == "2027-01-15T00:00:00Z"
    assert [(one["plan"], one["trial"]) for one in started["stretches"]] == [
        ("basic", True),
        ("basic", False),
    ]
    book.on("2027-01-14T23:59:59Z")
    book.use(usage={"output": 500})
    assert (book.totals(), book.spend()["lines"][0]["description"]) == ([], "Free trial through 14 Jan 2027")

    book.on("2027-01-15")
    book.use(usage={"output": 100})
    # 17 of January's 31 days.
    assert book.totals() == [("finalized", 1700)]

    book.on("2027-02-01T03:00:00Z")
    assert described(book.invoices()[-1]) == [
        ("Tokens (Basic)", 100),
        ("Free trial through 14 Jan 2027", 0),
        ("Basic plan", 3100),
    ]
    book.on("2027-03-01T03:00:00Z")
    assert described(book.invoices()[-1]) == [("Basic plan", 3100)]
    book.books_are_clean()


def test_a_fee_in_arrears_counts_from_the_day_the_trial_ends(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    tried(book, 10, fee_timing="arrears", commitment={"amount": "62.00"})

    book.on("2027-02-01T03:00:00Z")

    # 21 of 31 days: a fee of 21.00, and a commitment of 42.00 of which the fee is half.
    assert described(book.invoices()[-1]) == [
        ("Free trial through 10 Jan 2027", 0),
        ("Basic plan", 2100),
        ("Commitment true-up", 2100),
    ]
    book.books_are_clean()


@pytest.mark.parametrize(
    ("timing", "invoices"),
    [
        # The trial ends with January, so February's fee in advance stands on January's invoice.
        ("advance", [[("trial", 0), ("fee", 3100)], [("tokens", 100), ("fee", 3100)]]),
        ("arrears", [[("trial", 0)], [("tokens", 100), ("fee", 3100)]]),
    ],
)
def test_a_wholly_free_period_has_an_invoice_of_nothing_that_says_so(
    diary: Callable[[str], Diary], timing: str, invoices: list[list[tuple[str, int]]]
) -> None:
    book = diary("2027-01-01")
    tried(book, 31, fee_timing=timing)
    book.use(usage={"output": 500})
    book.on("2027-02-05")
    book.use(usage={"output": 100})

    book.on("2027-03-01T03:00:00Z")

    def short(line: Any) -> str:
        trial = line["description"].startswith("Free trial through 31 Jan")
        return "trial" if trial else line["charge"] or line["kind"]

    found = [[(short(line), line["amount_minor"]) for line in one["lines"]] for one in book.invoices()]
    assert found == invoices
    assert book.invoices()[0]["status"] in ("paid", "finalized")
    book.books_are_clean()


def test_a_trial_of_45_days_ends_in_the_second_period(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    tried(book, 45)

    book.on("2027-03-01T03:00:00Z")

    # Free through 14 February: 14 of 28 days are left.
    assert [described(one) for one in book.invoices()] == [
        [("Free trial through 14 Feb 2027", 0)],
        [("Basic plan", 1550)],
        [("Free trial through 14 Feb 2027", 0), ("Basic plan", 3100)],
    ]
    book.books_are_clean()


def test_a_plan_changed_in_its_trial_stays_free_until_the_trial_ends(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    tried(book, 14, fee_timing="arrears")
    book.plan("max", [TOKENS], fee="62.00", fee_timing="arrears")
    book.on("2027-01-05")
    changed = book.post("/v1/subscriptions/acme/change", {"plan": "max"})
    assert [(one["plan"], one["trial"]) for one in changed["stretches"]] == [
        ("basic", True),
        ("max", True),
        ("max", False),
    ]
    book.use(usage={"output": 100})
    book.on("2027-01-20")
    book.use(usage={"output": 100})

    book.on("2027-02-01T03:00:00Z")

    # 17 of 31 days of 62.00.
    assert described(book.invoices()[-1]) == [
        ("Tokens (Max)", 100),
        ("Free trial through 14 Jan 2027", 0),
        ("Max plan", 3400),
    ]
    book.books_are_clean()


def test_a_subscription_ended_in_its_trial_owes_nothing(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    tried(book, 14)
    book.use(usage={"output": 500})
    book.on("2027-01-10")
    book.post("/v1/subscriptions/acme/cancel", {"at": "now"})

    book.on("2027-03-01")

    assert [one["total_minor"] for one in book.invoices()] == [0]
    book.books_are_clean()


def test_a_floor_leaves_the_cost_of_the_trial_alone(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    model = {"provider": "anthropic", "model": "claude-test-1"}
    book.post("/v1/prices", {**model, "unit": "output", "price": "0.01"})
    tried(
        book,
        14,
        fee_timing="arrears",
        margin_floor={"rate": "0.5", "on_breach": "bill"},
    )
    book.on("2027-01-02")
    book.use(**model, usage={"output": 100_000})

    # It cost us 1,000.00; the fee of 17.00 from the 15th on needs no floor.
    assert book.spend()["subtotal_minor"] == 1700
    assert book.spend()["margin"]["cost"] == "1000"
    book.on("2027-02-01T03:00:00Z")
    assert book.totals() == [("finalized", 1700)]
    book.books_are_clean()


def test_a_plan_that_does_not_prorate_bills_its_whole_fee_when_the_trial_ends(
    diary: Callable[[str], Diary],
) -> None:
    book = diary("2027-01-01")
    tried(book, 14, proration="none")
    book.on("2027-02-01T03:00:00Z")
    assert [one["total_minor"] for one in book.invoices()] == [3100, 3100]
    book.books_are_clean()


def test_credits_of_the_trial_burn_and_what_they_do_not_cover_is_free(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    book.customer()
    table = {"key": "standard", "name": "Standard", "effective_at": "2026-01-01T00:00:00Z"}
    rate = {"id": "out", "match": {"token_kind": "output"}, "credits": "1", "per": "100"}
    book.post("/v1/burn-tables", {**table, "rates": [rate]})
    overage = {"key": "overage", "model": "credits", "burn_table": "standard", "unit_price": "1.00"}
    book.plan("basic", [overage], trial_days=14, credit_grants=[{"amount": "2"}])
    book.subscribe("basic")
    for _ in range(3):
        book.use(usage={"output": 100})

    assert (book.credits()["balance"], book.spend()["subtotal_minor"]) == ("0", 0)
    book.on("2027-01-20")
    book.use(usage={"output": 100})
    # The first call that is paid for: the grant is used up.
    assert book.spend()["subtotal_minor"] == 100
    book.books_are_clean()
