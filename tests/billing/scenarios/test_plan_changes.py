"""Plans changed and ended in the middle of a period, with fees in advance and in arrears."""

from collections.abc import Callable

import pytest

from tests.billing.scenarios.diary import Diary

pytestmark = pytest.mark.django_db

BASIC = {"key": "tokens", "meter": "output", "model": "per_unit", "unit_price": "0.01"}
CHEAPER = BASIC | {"unit_price": "0.005"}


def two_plans(diary: Diary, **terms: str) -> None:
    diary.customer()
    diary.meter("output", value="usage.output")
    diary.plan("basic", [BASIC], fee="31.00", **terms)
    diary.plan("max", [CHEAPER], fee="62.00", **terms)


def test_a_change_in_mid_period_divides_usage_by_the_instant_and_the_fee_by_days(
    diary: Callable[[str], Diary],
) -> None:
    book = diary("2027-01-01")
    two_plans(book, fee_timing="arrears")
    book.subscribe("basic")
    book.on("2027-01-05")
    book.use(usage={"output": 100})
    book.on("2027-01-11T12:00:00Z")
    changed = book.post("/v1/subscriptions/acme/change", {"plan": "max"})
    assert (changed["plan"], [one["plan"] for one in changed["stretches"]]) == ("max", ["basic", "max"])
    book.on("2027-01-11T13:00:00Z")
    book.use(usage={"output": 100})

    book.on("2027-02-01T03:00:00Z")

    [invoice] = book.invoices()
    # Ten days of 31 on basic, the day of the change and the rest on max.
    assert book.lines(invoice) == [("tokens", 100), ("tokens", 50), ("fee", 1000), ("fee", 4200)]
    assert [line["description"] for line in invoice["lines"][:2]] == ["Tokens (Basic)", "Tokens (Max)"]
    book.books_are_clean()


def test_a_change_of_a_plan_paid_in_advance_gives_back_what_was_billed(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    two_plans(book)
    book.subscribe("basic")
    assert book.totals() == [("finalized", 3100)]
    book.on("2027-01-11")
    book.post("/v1/subscriptions/acme/change", {"plan": "max", "at": "now"})

    book.on("2027-02-01T03:00:00Z")

    invoice = book.invoices()[-1]
    assert book.lines(invoice) == [("fee", 1000), ("fee", 4200), ("fee", -3100), ("fee", 6200)]
    assert invoice["total_minor"] == 8300
    book.on("2027-03-01T03:00:00Z")
    assert book.lines(book.invoices()[-1]) == [("fee", 6200)]
    book.books_are_clean()


def test_a_change_planned_for_the_periods_end_leaves_this_period_alone(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    two_plans(book)
    book.subscribe("basic")
    planned = book.post("/v1/subscriptions/acme/change", {"plan": "max", "at": "period_end"})
    assert (planned["plan"], planned["stretches"][1]["starts_at"]) == ("basic", "2027-02-01T00:00:00Z")
    book.use(usage={"output": 100})

    book.on("2027-02-01T03:00:00Z")

    assert book.lines(book.invoices()[-1]) == [("tokens", 100), ("fee", 6200)]
    assert book.get("/v1/subscriptions/acme")["plan"] == "max"
    book.books_are_clean()


def test_a_change_dated_back_moves_usage_that_was_rated_already(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    two_plans(book, fee_timing="arrears")
    book.subscribe("basic")
    for day in ("05", "15", "20"):
        book.on(f"2027-01-{day}T10:40:00Z")
        book.use(usage={"output": 100})
    assert book.spend()["lines"][0]["amount_minor"] == 300

    book.post("/v1/subscriptions/acme/change", {"plan": "max", "at": "2027-01-15T10:30:00Z"})

    assert [(line["charge"], line["amount_minor"]) for line in book.spend()["lines"]][:2] == [
        ("tokens", 100),
        ("tokens", 100),
    ]
    book.books_are_clean()
    book.on("2027-02-01T03:00:00Z")
    assert book.invoices()[-1]["lines"][0]["quantity"] == "100"
    book.books_are_clean()


@pytest.mark.parametrize(
    ("timing", "totals"),
    [
        # Billed 31.00 at the start; 11 of 31 days were used, the day of the end included.
        ("advance", [3100, -1900]),
        ("arrears", [1200]),
    ],
)
def test_a_cancellation_bills_the_days_until_it_and_the_usage(
    diary: Callable[[str], Diary], timing: str, totals: list[int]
) -> None:
    book = diary("2027-01-01")
    two_plans(book, fee_timing=timing)
    book.subscribe("basic")
    book.on("2027-01-05")
    book.use(usage={"output": 100})
    book.on("2027-01-11T12:00:00Z")
    ending = book.post("/v1/subscriptions/acme/cancel", {"at": "now"})
    assert (ending["status"], ending["ends_at"][:16]) == ("ending", "2027-01-11T12:00")

    book.on("2027-03-01")

    assert [one["total_minor"] for one in book.invoices()] == totals
    assert book.get("/v1/subscriptions/acme")["status"] == "ended"
    book.books_are_clean()


def test_a_cancellation_dated_back_drops_usage_that_came_after_it(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    two_plans(book, fee_timing="arrears")
    book.subscribe("basic")
    for minute in ("10", "50"):
        book.on(f"2027-01-10T10:{minute}:00Z")
        book.use(usage={"output": 100})
    book.spend()

    book.post("/v1/subscriptions/acme/cancel", {"at": "2027-01-10T10:30:00Z"})

    book.on("2027-02-01")
    [invoice] = book.invoices()
    assert book.lines(invoice) == [("tokens", 100), ("fee", 1000)]
    book.books_are_clean()


def test_a_subscription_that_has_not_begun_can_be_changed_and_cancelled(
    diary: Callable[[str], Diary],
) -> None:
    book = diary("2027-01-01")
    two_plans(book)
    book.subscribe("basic", starts_at="2027-02-01T00:00:00Z")
    book.post("/v1/subscriptions/acme/change", {"plan": "max"})
    assert book.get("/v1/subscriptions/acme")["plan"] == "max"
    book.post("/v1/subscriptions/acme/cancel", {"at": "now"})

    book.on("2027-04-01")

    assert sum(one["total_minor"] for one in book.invoices()) == 0
    book.books_are_clean()


def test_usage_sent_before_its_subscription_counts_from_the_first_day(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    two_plans(book, fee_timing="arrears")
    book.on("2027-01-10T09:00:00Z")
    book.use(usage={"output": 300}, time="2027-01-09T23:00:00Z")
    book.use(usage={"output": 100})
    book.spend()
    book.on("2027-01-10T15:00:00Z")
    started = book.subscribe("basic")
    assert started["starts_at"] == "2027-01-10T00:00:00Z"
    assert book.spend()["lines"][0]["quantity"] == "100"
    book.books_are_clean()
