from collections.abc import Callable

import pytest

from tests.billing.scenarios.diary import Diary

pytestmark = pytest.mark.django_db

CALLS = {"key": "c", "meter": "m", "model": "per_unit", "unit_price": "1"}


@pytest.fixture
def book(diary: Callable[[str], Diary]) -> Diary:
    opened = diary("2027-01-01")
    opened.customer()
    opened.meter("m", aggregation="count")
    opened.plan("payg", [CALLS])
    opened.plan("fee", [], fee="31.00", fee_timing="arrears")
    return opened


def test_spend_without_a_subscription_is_nothing(book: Diary) -> None:
    spend = book.spend()
    assert (spend["period"], spend["lines"], spend["total_minor"]) == (None, [], 0)
    assert spend["margin"] == {"revenue": "0", "cost": "0", "rate": None}
    assert book.get("/v1/customers/acme/forecast")["expected_minor"] == 0


def test_spend_adds_subscriptions_up_and_tells_them_apart(book: Diary) -> None:
    book.subscribe("payg")
    book.subscribe("fee", key="base")
    book.on("2027-01-02")
    book.use()
    spend = book.spend()
    assert spend["total_minor"] == 3200
    assert [(one["subscription"], one["total_minor"]) for one in spend["subscriptions"]] == [
        ("acme", 100),
        ("base", 3100),
    ]
    assert [line["n"] for line in spend["lines"]] == [1, 2]
    only = book.get("/v1/customers/acme/spend", subscription="base")
    assert only["total_minor"] == 3100
    assert book.api.get("/v1/customers/acme/spend", subscription="none").status_code == 404


def test_spend_shows_what_was_sent_a_moment_before(book: Diary) -> None:
    book.subscribe("payg")
    for count in range(1, 4):
        book.use(time="2027-01-01T00:00:00Z")
        assert book.spend()["subtotal_minor"] == count * 100


def test_a_forecast_goes_on_at_the_same_pace_and_leaves_fees_as_they_are(book: Diary) -> None:
    book.subscribe("payg")
    book.subscribe("fee", key="base")
    for day in range(1, 11):
        book.on(f"2027-01-{day:02d}T12:00:00Z")
        book.use()
    book.on("2027-01-11")
    forecast = book.get("/v1/customers/acme/forecast")
    # Ten calls in ten of 31 days.
    assert (forecast["so_far_minor"], forecast["expected_minor"]) == (4100, 6200)
    assert forecast["low_minor"] <= 6200 <= forecast["high_minor"]
    assert forecast["subscriptions"][0]["elapsed"].startswith("0.32258")
