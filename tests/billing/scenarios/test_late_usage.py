"""Usage that comes after its period's invoice."""

from collections.abc import Callable

import pytest

from tests.billing.scenarios.diary import Diary

pytestmark = pytest.mark.django_db

TIERED = {
    "key": "tokens",
    "meter": "output",
    "model": "graduated",
    "tiers": [{"up_to": "1000", "unit_price": "0.01"}, {"up_to": None, "unit_price": "0.001"}],
}


def test_late_usage_is_a_correction_on_the_next_invoice_that_names_its_period(
    diary: Callable[[str], Diary],
) -> None:
    book = diary("2027-01-01")
    book.customer()
    book.meter("output", value="usage.output")
    book.plan("pro", [TIERED])
    book.subscribe("pro")
    book.on("2027-01-20")
    book.use(usage={"output": 900})
    book.on("2027-02-01T00:30:00Z")
    in_grace = book.use(usage={"output": 50}, time="2027-01-31T23:00:00Z")
    book.on("2027-02-10")
    january = book.invoices()[0]
    assert book.lines(january) == [("tokens", 950)]
    late = book.use(usage={"output": 100}, time="2027-01-15T00:00:00Z")
    book.use(usage={"output": 10})
    assert book.get(f"/v1/events/{late}/receipt")["invoice_line"] is None

    book.on("2027-03-01T03:00:00Z")

    february = book.invoices()[1]
    # 50 more at a cent, and 50 in the next tier at a tenth of one: 50.05 cents in all, to what was billed before.
    assert book.lines(february) == [("tokens", 10), ("tokens", 55)]
    correction = february["lines"][1]
    assert correction["kind"] == "correction"
    assert correction["period"] == january["period"]
    assert [line["unit"] for line in february["lines"]] == ["token", "token"]
    assert [part["unit"] for part in book.get(f"/v1/events/{late}/receipt")["charges"]] == ["token"]
    assert "1 Jan 2027" in correction["description"]
    assert book.invoices()[0] == january
    events = book.get(f"/v1/invoices/{february['id']}/lines/{correction['n']}/events")["results"]
    assert [(event["id"], event["counted"]) for event in events] == [(late, "100")]
    assert in_grace in [
        event["id"] for event in book.get(f"/v1/invoices/{january['id']}/lines/1/events")["results"]
    ]
    assert book.get(f"/v1/events/{late}/receipt")["invoice_line"]["number"] == february["number"]
    book.books_are_clean()


def test_what_counts_in_order_never_counts_later_periods_before_late_usage(
    diary: Callable[[str], Diary],
) -> None:
    """Two payments a month are free. The late one of January is its second, whatever February and March have had."""
    book = diary("2027-01-01")
    book.customer()
    book.meter("paid", value="properties.amount", event_type="payment")
    share = {"key": "share", "meter": "paid", "model": "percentage", "rate": "0.10", "free_events": 2}
    book.plan("pro", [share])
    book.subscribe("pro")
    for month in ("01", "02", "03"):
        book.on(f"2027-{month}-10")
        book.use(type="payment", properties={"amount": "100"})
    book.use(type="payment", properties={"amount": "100"}, time="2027-01-20T00:00:00Z")
    book.on("2027-04-02")
    assert [total for _, total in book.totals()] == [0, 0, 0]
    book.books_are_clean()


def test_charges_of_one_name_may_count_differently_in_two_plans(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    book.customer()
    book.meter("peak", "max", value="usage.output")
    book.meter("output", value="usage.output")
    charge = {"key": "tokens", "model": "per_unit", "unit_price": "1"}
    book.plan("peaks", [charge | {"meter": "peak"}])
    book.plan("sums", [charge | {"meter": "output"}])
    book.subscribe("peaks", key="peaks")
    book.subscribe("sums", key="sums")
    for output in (5, 3, 4):
        book.use(usage={"output": output})
        told = {one["subscription"]: one["subtotal_minor"] for one in book.spend()["subscriptions"]}
    assert told == {"peaks": 500, "sums": 1200}
    book.books_are_clean()


@pytest.mark.parametrize("timing", ["advance", "arrears"])
@pytest.mark.parametrize("late", [500, 9000])
def test_what_comes_late_for_a_committed_period_fills_its_commitment(
    diary: Callable[[str], Diary], timing: str, late: int
) -> None:
    """Acme's usage comes late, its twin's in time: both pay what was committed, and what is used beyond."""
    book = diary("2027-01-01")
    book.meter("output", value="usage.output")
    charge = {"key": "tokens", "meter": "output", "model": "per_unit", "unit_price": "0.01"}
    terms = {
        "fee": "20.00",
        "fee_timing": timing,
        "commitment": {"amount": "60.00"},
        "discount_percent": "3.333",
    }
    book.plan("pro", [charge], **terms)
    for customer in ("acme", "twin"):
        book.customer(customer)
        book.subscribe("pro", customer)
    book.on("2027-01-10")
    book.use("acme", usage={"output": 1000})
    book.use("twin", usage={"output": 1000 + late})
    book.on("2027-02-10")
    book.use("acme", usage={"output": late}, time="2027-01-10T00:00:00Z")
    book.on("2027-03-02T03:00:00Z")
    paid = {name: sum(total for _, total in book.totals(name)) for name in ("acme", "twin")}
    assert paid["acme"] == paid["twin"]
    lines = [line for one in book.invoices() for line in one["lines"] if line["kind"] == "correction"]
    told = {line["charge"] or "": (line["amount_minor"], line["description"]) for line in lines}
    trued_up = -483 if late == 500 else -2900
    assert told[""] == (trued_up, "Commitment true-up, late usage of the period from 1 Jan 2027")
    book.books_are_clean()


def test_what_is_taken_back_from_a_committed_period_is_owed_all_the_same(
    diary: Callable[[str], Diary],
) -> None:
    book = diary("2027-01-01")
    book.customer()
    book.meter("tickets", "count", event_type="ticket.resolved")
    charge = {"key": "tickets", "meter": "tickets", "model": "per_unit", "unit_price": "10"}
    reversed_by = {"reversed_by": "ticket.reopened", "reversal_days": 30}
    book.plan("pro", [charge | reversed_by], commitment={"amount": "25.00"})
    book.subscribe("pro")
    book.on("2027-01-20")
    tickets = [book.use(type="ticket.resolved") for _ in range(3)]
    book.on("2027-02-05")
    for ticket in tickets[:2]:
        book.use(type="ticket.reopened", properties={"reverses": ticket})
    book.on("2027-03-01T03:00:00Z")
    january, february = book.invoices()
    assert january["subtotal_minor"] == 3000
    lines = [line for line in february["lines"] if line["kind"] == "correction"]
    told = {line["charge"] or "": line["amount_minor"] for line in lines}
    assert told == {"tickets": -2000, "": 1500}
    book.books_are_clean()
