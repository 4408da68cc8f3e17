"""A dry run's receipt is the receipt that the event gets once it is stored."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.billing.scenarios.diary import Diary

pytestmark = pytest.mark.django_db

RATES = [
    {"id": "in", "match": {"token_kind": "input"}, "credits": "1", "per": "100"},
    {"id": "out", "match": {"token_kind": "output"}, "credits": "5", "per": "100"},
]
EVENTS: dict[str, dict[str, Any]] = {
    "covered-by-one-grant": {"usage": {"input": 200, "output": 20}},
    "from-two-grants-and-beyond": {"usage": {"output": 900}},
    "failed": {"usage": {"input": 200}, "status": "error"},
    "of-no-charge": {"usage": {"input": 200}, "type": "tool.call"},
}


@pytest.fixture
def book(diary: Callable[[str], Diary]) -> Diary:
    opened = diary("2027-01-01")
    opened.customer()
    opened.meter("output", value="usage.output")
    table = {"key": "standard", "name": "Standard", "rates": RATES, "effective_at": "2026-01-01T00:00:00Z"}
    opened.post("/v1/burn-tables", table)
    for amount in ("10", "20"):
        opened.post("/v1/credit-grants", {"customer": "acme", "amount": amount})
    return opened


def metered(**fields: Any) -> dict[str, Any]:
    return {"key": "output", "meter": "output", "model": "per_unit", "unit_price": "0.01", **fields}


def over(**fields: Any) -> dict[str, Any]:
    return {"key": "over", "model": "credits", "burn_table": "standard", "unit_price": "0.02", **fields}


PLANS: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "credits": ([over()], {}),
    "credits for failures too": ([over(bill_failed="always")], {}),
    "burns beside its charges": ([metered()], {"burn_table": "standard"}),
    "both": ([metered(), over()], {}),
}


@pytest.mark.parametrize("name", PLANS)
def test_it_is_what_storing_it_makes(book: Diary, name: str) -> None:
    charges, terms = PLANS[name]
    book.plan("plan", charges, **terms)
    book.subscribe("plan")
    book.on("2027-01-02")
    for what, fields in EVENTS.items():
        event = {"id": what, "source": "diary", "customer": "acme", "type": "llm.call", "time": book.today}
        event |= fields
        (foreseen,) = book.post("/v1/events?dry_run=true", [event])["receipts"]
        book.post("/v1/events", event)
        assert foreseen == book.get(f"/v1/events/{what}/receipt"), what


def test_each_event_finds_what_an_expired_grant_of_its_time_had_left(book: Diary) -> None:
    book.plan("plan", [over()])
    book.subscribe("plan")
    ends = {"amount": "5", "priority": 1, "expires_at": "2027-01-03T00:00:00Z"}
    book.post("/v1/credit-grants", {"customer": "acme", **ends})
    book.on("2027-01-04")
    late = {"source": "diary", "customer": "acme", "type": "llm.call", "time": "2027-01-02T00:00:00Z"}
    events = [late | {"id": name, "usage": {"output": 120}} for name in ("one", "two")]
    one, two = book.post("/v1/events?dry_run=true", events)["receipts"]
    assert one["credits"] == two["credits"]
    assert [draw["credits"] for draw in one["credits"]["draws"]] == ["5", "1"]
    book.post("/v1/events", events[0])
    assert one == book.get("/v1/events/one/receipt")


def test_many_events_of_a_customer_ask_for_its_terms_once(book: Diary) -> None:
    book.plan("plan", [metered(), over()])
    book.subscribe("plan")
    event = {"source": "diary", "customer": "acme", "type": "llm.call", "usage": {"output": 10}}

    def queries(count: int) -> int:
        events = [event | {"id": str(n), "time": book.today} for n in range(count)]
        with CaptureQueriesContext(connection) as seen:
            receipts = book.post("/v1/events?dry_run=true", events)["receipts"]
        assert len(receipts) == count
        return len(seen)

    queries(1)
    assert queries(50) <= queries(1) + 49  # the price rows of each
