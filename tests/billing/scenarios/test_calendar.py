"""Periods on the customer's own calendar: zones, changes of the clocks, short months, leap days."""

from collections.abc import Callable

import pytest

from tests.billing.scenarios.diary import Diary

pytestmark = pytest.mark.django_db

CALLS = {"key": "calls", "meter": "calls", "model": "per_unit", "unit_price": "1"}


def world(book: Diary, **customer: str) -> None:
    book.customer(**customer)
    book.meter("calls", aggregation="count")
    book.plan("payg", [CALLS])


def test_new_yorks_month_ends_at_its_own_midnight_on_both_sides_of_the_clock_change(
    diary: Callable[[str], Diary],
) -> None:
    book = diary("2027-03-01T05:00:00Z")
    world(book, timezone="America/New_York")
    assert book.subscribe("payg")["period"] == {
        "start": "2027-03-01T05:00:00Z",
        "end": "2027-04-01T04:00:00Z",
    }
    book.on("2027-04-01T03:59:59Z")
    book.use()
    book.on("2027-04-01T04:00:00Z")
    book.use()

    book.on("2027-05-01T06:00:00Z")

    march, april = book.invoices()
    assert march["period"]["end"] == april["period"]["start"] == "2027-04-01T04:00:00Z"
    assert [book.lines(march), book.lines(april)] == [[("calls", 100)], [("calls", 100)]]
    book.books_are_clean()


def test_kolkatas_month_begins_half_an_hour_past_a_full_hour(diary: Callable[[str], Diary]) -> None:
    book = diary("2026-12-31T18:30:00Z")
    world(book, timezone="Asia/Kolkata", currency="USD")
    book.subscribe("payg")
    book.on("2027-01-31T18:29:59Z")
    book.use()
    book.on("2027-01-31T18:30:00Z")
    book.use()

    book.on("2027-03-01")

    january, february = book.invoices()
    assert january["period"] == {"start": "2026-12-31T18:30:00Z", "end": "2027-01-31T18:30:00Z"}
    assert [book.lines(january), book.lines(february)] == [[("calls", 100)], [("calls", 100)]]
    book.books_are_clean()


def test_a_change_of_zone_takes_over_at_the_next_period(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    world(book)
    book.subscribe("payg")
    book.on("2027-01-15")
    changed = book.api.patch("/v1/customers/acme", {"timezone": "Asia/Kolkata"})
    assert changed.json()["next_timezone"] == "Asia/Kolkata"
    book.on("2027-01-31T20:00:00Z")
    book.use()
    book.on("2027-02-28T18:29:00Z")
    book.use()
    book.use(time="2027-02-28T18:25:00Z")

    book.on("2027-04-01")

    periods = [one["period"] for one in book.invoices()]
    assert periods == [
        {"start": "2027-01-01T00:00:00Z", "end": "2027-02-01T00:00:00Z"},
        {"start": "2027-02-01T00:00:00Z", "end": "2027-02-28T18:30:00Z"},
        {"start": "2027-02-28T18:30:00Z", "end": "2027-03-31T18:30:00Z"},
    ]
    assert [one["total_minor"] for one in book.invoices()] == [100, 200, 0]
    book.books_are_clean()


def test_a_change_of_zone_to_the_west_leaves_no_gap(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    world(book)
    book.subscribe("payg")
    book.api.patch("/v1/customers/acme", {"timezone": "America/Los_Angeles"})
    book.on("2027-02-01T04:00:00Z")
    book.use()

    book.on("2027-03-02")

    periods = [one["period"] for one in book.invoices()]
    assert periods[1] == {"start": "2027-02-01T00:00:00Z", "end": "2027-03-01T08:00:00Z"}
    assert [one["total_minor"] for one in book.invoices()] == [0, 100]
    book.books_are_clean()


def test_an_anchor_on_the_31st_comes_back_after_short_months(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-31")
    world(book)
    book.subscribe("payg")

    book.on("2027-06-02")

    edges = [one["period"]["end"][:10] for one in book.invoices()]
    assert edges == ["2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31"]
    book.books_are_clean()


def test_february_has_a_29th_in_a_leap_year(diary: Callable[[str], Diary]) -> None:
    book = diary("2028-01-30")
    world(book)
    book.plan("fee", [], fee="29.00", fee_timing="arrears")
    book.subscribe("payg")
    book.subscribe("fee", key="fee", starts_at="2028-02-20T00:00:00Z", anchor="2028-02-01")

    book.on("2028-03-02")

    assert [one["period"]["end"][:10] for one in book.invoices() if one["subscription"] == "acme"] == [
        "2028-02-29"
    ]
    # Ten of February's 29 days.
    [first] = [one for one in book.invoices() if one["subscription"] == "fee"]
    assert first["total_minor"] == 1000
    book.books_are_clean()
