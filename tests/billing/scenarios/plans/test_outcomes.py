"""Outcome pricing: a resolved ticket is billed, and taken back where it is reopened in time."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.billing.scenarios.diary import Diary

pytestmark = pytest.mark.django_db

RESOLVED = {
    "key": "resolved",
    "meter": "resolved",
    "model": "per_unit",
    "unit_price": "0.99",
    "reversed_by": "ticket.reopened",
    "reversal_days": 14,
}


@pytest.fixture
def book(diary: Callable[[str], Diary]) -> Diary:
    opened = diary("2027-01-01")
    opened.customer()
    opened.meter("resolved", aggregation="count", event_type="ticket.resolved")
    opened.plan("support", [RESOLVED])
    opened.subscribe("support")
    return opened


def resolve(book: Diary, **fields: Any) -> str:
    return book.use(type="ticket.resolved", **fields)


def reopen(book: Diary, ticket: str, **fields: Any) -> str:
    return book.use(type="ticket.reopened", properties={"reverses": ticket}, **fields)


def test_a_ticket_reopened_in_time_is_not_billed(book: Diary) -> None:
    book.on("2027-01-10")
    kept, lost = resolve(book), resolve(book)
    assert book.spend()["subtotal_minor"] == 198
    book.on("2027-01-20")
    reopen(book, lost)
    reopen(book, lost)  # once more changes nothing
    book.use(type="ticket.reopened", properties={"reverses": "never-seen"})
    book.use(type="ticket.reopened")
    book.on("2027-01-24T00:00:01Z")
    reopen(book, kept)  # one second too late

    assert [(one["quantity"], one["amount_minor"]) for one in book.spend()["lines"]] == [("1", 99)]
    book.books_are_clean()
    book.on("2027-02-01T03:00:00Z")
    invoice = book.invoices()[0]
    assert book.lines(invoice) == [("resolved", 99)]
    counted = book.get(f"/v1/invoices/{invoice['id']}/lines/1/events")["results"]
    assert sorted(one["counted"] for one in counted) == ["-1", "1", "1"]
    book.books_are_clean()


def test_a_ticket_reopened_after_its_invoice_is_taken_back_on_the_next(book: Diary) -> None:
    book.on("2027-01-30")
    ticket = resolve(book)
    book.on("2027-02-05")
    assert book.lines(book.invoices()[0]) == [("resolved", 99)]
    resolve(book)
    reopen(book, ticket)
    assert book.spend()["subtotal_minor"] == 99

    book.on("2027-03-01T03:00:00Z")

    january, february = book.invoices()
    assert (january["total_minor"], book.lines(february)) == (99, [("resolved", 99), ("resolved", -99)])
    correction = february["lines"][1]
    assert correction["kind"] == "correction"
    counted = book.get(f"/v1/invoices/{february['id']}/lines/2/events")["results"]
    assert [(one["type"], one["counted"]) for one in counted] == [("ticket.reopened", "-1")]
    assert correction["description"].endswith("reversed usage of the period from 1 Jan 2027")
    book.books_are_clean()


def test_a_change_of_plan_dated_back_keeps_what_was_taken_back(book: Diary) -> None:
    book.plan("dearer", [RESOLVED | {"unit_price": "2.00"}])
    book.on("2027-01-10")
    before = resolve(book)
    book.on("2027-01-12")
    after, stays = resolve(book), resolve(book)
    book.on("2027-01-15")
    reopen(book, before)
    reopen(book, after)
    assert book.spend()["subtotal_minor"] == 99

    book.post("/v1/subscriptions/acme/change", {"plan": "dearer", "at": "2027-01-11T00:00:00Z"})

    assert stays
    assert book.spend()["subtotal_minor"] == 200
    book.books_are_clean()


def test_a_reversal_of_a_closed_period_is_counted_once_through_a_change_dated_back(book: Diary) -> None:
    book.plan("dearer", [RESOLVED | {"unit_price": "2.00"}])
    book.on("2027-01-30")
    ticket = resolve(book)
    book.on("2027-02-05")
    reopen(book, ticket)
    resolve(book)
    book.post("/v1/subscriptions/acme/change", {"plan": "dearer", "at": "2027-02-02T00:00:00Z"})

    book.on("2027-03-01T03:00:00Z")

    assert sorted(book.lines(book.invoices()[-1])) == [("resolved", -99), ("resolved", 200)]
    book.books_are_clean()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"reversal_days": None}, "charges[0].reversal_days"),
        ({"reversal_days": 0}, "charges[0].reversal_days"),
        ({"reversed_by": None}, "charges[0].reversed_by"),
        ({"margin_floor": "0.2"}, "charges[0].reversed_by"),
        ({"model": "dynamic"}, "charges[0].reversed_by"),
    ],
)
def test_a_wrong_reversal_is_named(book: Diary, change: dict[str, Any], field: str) -> None:
    charge = RESOLVED | change
    if charge["model"] == "dynamic":
        del charge["unit_price"]
    response = book.api.post("/v1/plans", {"key": "x", "name": "X", "charges": [charge]})
    assert response.status_code == 422
    assert [one["field"] for one in response.json()["errors"]] == [field]
