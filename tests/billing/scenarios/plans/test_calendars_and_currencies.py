"""Changes of plan against the calendar and in currencies without cents and with thousandths, each cent worked out by hand."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.billing.scenarios.diary import Diary

pytestmark = pytest.mark.django_db

TOKENS = {"key": "tokens", "meter": "output", "model": "per_unit", "unit_price": "0.01"}


def plans(book: Diary, basic: str, most: str, **terms: Any) -> None:
    """A small plan at one fee, a large one at another with tokens at half the price; acme takes the small one."""
    zone = {"timezone": terms.pop("timezone")} if "timezone" in terms else {}
    book.customer(**zone, **({"currency": terms["currency"]} if "currency" in terms else {}))
    book.meter("output", value="usage.output")
    book.plan("small", [TOKENS], fee=basic, **terms)
    book.plan("large", [TOKENS | {"unit_price": "0.005"}], fee=most, **terms)


def change(book: Diary, plan: str) -> None:
    """From the moment the diary was opened at: by now the clock stands a little later."""
    book.post("/v1/subscriptions/acme/change", {"plan": plan, "at": book.today})


def test_an_upgrade_on_a_fee_in_advance(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-04-01")
    plans(book, "30.00", "90.00")
    book.subscribe("small")
    book.use(usage={"output": 100})
    book.on("2027-04-16")
    change(book, "large")
    book.use(usage={"output": 100})

    book.on("2027-05-01T03:00:00Z")

    # 100 × 0.01, 100 × 0.005; 15 of April's 30 days on each: 15.00 and 45.00; 30.00 come back; May is 90.00.
    assert book.lines(book.invoices()[-1]) == [
        ("tokens", 100),
        ("tokens", 50),
        ("fee", 1500),
        ("fee", 4500),
        ("fee", -3000),
        ("fee", 9000),
    ]
    book.books_are_clean()


def test_a_downgrade_on_a_fee_in_advance_leaves_money_for_the_next_invoice(
    diary: Callable[[str], Diary],
) -> None:
    book = diary("2027-04-01")
    plans(book, "30.00", "90.00")
    book.subscribe("large")
    book.on("2027-04-07")
    change(book, "small")

    book.on("2027-06-01T03:00:00Z")

    _, april, may = book.invoices()
    # Six days on large are 18.00, 24 on small 24.00; 90.00 come back; May is 30.00: 18.00 too much were paid.
    assert book.lines(april) == [("fee", 1800), ("fee", 2400), ("fee", -9000), ("fee", 3000)]
    assert (april["total_minor"], april["due_minor"]) == (-1800, 0)
    # June's 30.00, of which 18.00 are there already.
    assert (may["total_minor"], may["due_minor"]) == (3000, 1200)
    book.books_are_clean()


def test_a_change_on_the_31st_of_january(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    plans(book, "31.00", "62.00", fee_timing="arrears")
    book.subscribe("small")
    book.on("2027-01-31T18:00:00Z")
    change(book, "large")

    book.on("2027-02-01T03:00:00Z")

    # 30 days of 31.00 and one, the day of the change, of 62.00.
    assert book.lines(book.invoices()[-1]) == [("fee", 3000), ("fee", 200)]
    book.books_are_clean()


def test_a_change_in_the_short_period_that_begins_on_the_31st_of_january(
    diary: Callable[[str], Diary],
) -> None:
    book = diary("2027-01-31")
    plans(book, "28.00", "56.00", fee_timing="arrears")
    book.subscribe("small")
    book.on("2027-02-14")
    change(book, "large")

    book.on("2027-03-31T03:00:00Z")

    first, second = book.invoices()
    # 31 January to 27 February are 28 days: 14 and 14. The next period is 28 February to 30 March.
    assert book.lines(first) == [("fee", 1400), ("fee", 2800)]
    assert (second["period"]["start"][:10], second["period"]["end"][:10]) == ("2027-02-28", "2027-03-31")
    assert book.lines(second) == [("fee", 5600)]
    book.books_are_clean()


@pytest.mark.parametrize(
    ("proration", "small", "large", "at", "fees"),
    [
        # The 15th at 0:00 in New York: 14 of 31 local days, whatever the clocks did on the 14th.
        ("day", "31.00", "62.00", "2027-03-15T04:00:00Z", [1400, 3400]),
        # Half an hour before, it is still the 14th there, and the day of the change is the new plan's.
        ("day", "31.00", "62.00", "2027-03-15T03:30:00Z", [1300, 3600]),
        # By time: this March has 743 hours there, of which 335 lie before the 15th.
        ("second", "743.00", "1486.00", "2027-03-15T04:00:00Z", [33500, 81600]),
        # Without proration the plan that came first has its whole fee.
        ("none", "31.00", "62.00", "2027-03-15T04:00:00Z", [3100]),
    ],
)
def test_a_change_in_the_march_in_which_new_york_sets_its_clocks_forward(
    diary: Callable[[str], Diary], proration: str, small: str, large: str, at: str, fees: list[int]
) -> None:
    book = diary("2027-03-01T05:00:00Z")
    plans(book, small, large, fee_timing="arrears", proration=proration, timezone="America/New_York")
    book.subscribe("small")
    book.on(at)
    change(book, "large")

    book.on("2027-04-01T08:00:00Z")

    assert book.lines(book.invoices()[-1]) == [("fee", fee) for fee in fees]
    book.books_are_clean()


def test_a_change_on_a_leap_day(diary: Callable[[str], Diary]) -> None:
    book = diary("2028-02-01")
    plans(book, "29.00", "58.00", fee_timing="arrears")
    book.subscribe("small")
    book.on("2028-02-29")
    change(book, "large")

    book.on("2028-03-01T03:00:00Z")

    # 28 days of 29.00 and the leap day of 58.00.
    assert book.lines(book.invoices()[-1]) == [("fee", 2800), ("fee", 200)]
    book.books_are_clean()


def test_a_year_that_begins_on_a_leap_day_ends_on_the_28th_until_the_next_one(
    diary: Callable[[str], Diary],
) -> None:
    book = diary("2028-02-29")
    plans(book, "365.00", "730.00", fee_timing="arrears", interval="year")
    book.subscribe("small")
    book.on("2028-12-31")
    change(book, "large")

    book.on("2032-03-01")

    invoices = book.invoices()
    assert [one["period"]["end"][:10] for one in invoices] == [
        "2029-02-28",
        "2030-02-28",
        "2031-02-28",
        "2032-02-29",
    ]
    # 29 February to 30 December are 306 of 365 days; 59 are left: 306.00 and 118.00.
    assert book.lines(invoices[0]) == [("fee", 30600), ("fee", 11800)]
    book.books_are_clean()


def test_a_cancellation_shares_the_commitment_too(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    plans(book, "0", "0", commitment={"amount": "31.00"})
    book.subscribe("small")
    book.use(usage={"output": 300})
    book.on("2027-01-10T12:00:00Z")
    book.post("/v1/subscriptions/acme/cancel", {"at": "now"})

    book.on("2027-02-01")

    # Ten days, the last one included, commit 10.00, of which 3.00 were used.
    assert book.lines(book.invoices()[-1]) == [("tokens", 300), ("commitment", 700)]
    book.books_are_clean()


def test_a_commitment_is_trued_up_at_the_end_and_not_where_it_is_reached(
    diary: Callable[[str], Diary],
) -> None:
    book = diary("2027-01-01")
    plans(book, "20.00", "0", fee_timing="arrears", commitment={"amount": "100.00"})
    book.subscribe("small")
    book.use(usage={"output": 3000})
    book.on("2027-02-10")
    book.use(usage={"output": 8000})

    book.on("2027-03-01T03:00:00Z")

    # January: 30.00 and 20.00 leave 50.00. February: 80.00 and 20.00 are what was promised.
    assert [book.lines(one) for one in book.invoices()] == [
        [("tokens", 3000), ("fee", 2000), ("commitment", 5000)],
        [("tokens", 8000), ("fee", 2000)],
    ]
    book.books_are_clean()


def test_yen_have_no_cents(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    plans(book, "1000", "6200", fee_timing="arrears", currency="JPY")
    book.subscribe("small")
    book.use(usage={"output": 250})
    book.on("2027-01-11")
    change(book, "large")
    book.use(usage={"output": 250})

    book.on("2027-02-01T03:00:00Z")

    invoice = book.invoices()[-1]
    # 250 × 0.01 = 2.5 → 3; 250 × 0.005 = 1.25 → 1; 1,000 × 10/31 = 322.58 → 323; 6,200 × 21/31 = 4,200.
    assert book.lines(invoice) == [("tokens", 3), ("tokens", 1), ("fee", 323), ("fee", 4200)]
    assert (invoice["currency"], invoice["total_minor"]) == ("JPY", 4527)
    book.books_are_clean()


def test_kuwaiti_dinars_have_thousandths(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    plans(book, "10.000", "0", currency="KWD", discount_percent="12.5")
    book.subscribe("small")
    book.use(usage={"output": 1})
    book.on("2027-01-10T12:00:00Z")
    book.post("/v1/subscriptions/acme/cancel", {"at": "now"})

    book.on("2027-02-01")

    start, end = book.invoices()
    # 10.000 less an eighth.
    assert start["total_minor"] == 8750
    # 0.010 less an eighth = 0.00875 → 0.009; 10.000 × 10/31 less an eighth = 2.82258 → 2.823; 8.750 come back.
    assert book.lines(end) == [("tokens", 9), ("fee", 2823), ("fee", -8750)]
    assert end["total_minor"] == -5918
    book.books_are_clean()
