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
    assert "1 Jan 2027" in correction["description"]
    assert book.invoices()[0] == january
    events = book.get(f"/v1/invoices/{february['id']}/lines/{correction['n']}/events")["results"]
    assert [(event["id"], event["counted"]) for event in events] == [(late, "100")]
    assert in_grace in [
        event["id"] for event in book.get(f"/v1/invoices/{january['id']}/lines/1/events")["results"]
    ]
    assert book.get(f"/v1/events/{late}/receipt")["invoice_line"]["number"] == february["number"]
    book.books_are_clean()
