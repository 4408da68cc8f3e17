"""What is sold: each way to count, each way to price that reads more than a quantity, and what it earns."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.billing.scenarios.diary import Diary

pytestmark = pytest.mark.django_db

MODEL = {"provider": "anthropic", "model": "claude-test-1"}


def world(book: Diary, meter: dict[str, Any], charge: dict[str, Any], **terms: Any) -> None:
    book.customer()
    book.meter("m", **meter)
    book.plan("payg", [{"key": "c", "meter": "m", **charge}], **terms)
    book.subscribe("payg")
    book.on("2027-01-02")


def closed(book: Diary) -> Any:
    """January's invoice, and clean books."""
    book.on("2027-02-01T03:00:00Z")
    book.books_are_clean()
    return book.invoices()[0]


@pytest.mark.parametrize(
    ("meter", "quantity"),
    [
        ({"aggregation": "sum", "value": "usage.output"}, "60"),
        ({"aggregation": "count"}, "3"),
        ({"aggregation": "max", "value": "usage.output"}, "30"),
        ({"aggregation": "latest", "value": "usage.output"}, "10"),
        ({"aggregation": "unique", "value": "properties.user"}, "2"),
    ],
)
def test_each_aggregation_counts_its_own_way(
    diary: Callable[[str], Diary], meter: dict[str, Any], quantity: str
) -> None:
    book = diary("2027-01-01")
    world(book, meter, {"model": "per_unit", "unit_price": "1"})
    book.use(usage={"output": 20}, properties={"user": "u1"})
    book.on("2027-01-03")
    book.use(usage={"output": 30}, properties={"user": "u2"})
    book.on("2027-01-20")
    book.use(usage={"output": 10}, properties={"user": "u1"})

    invoice = closed(book)

    assert [(line["quantity"], line["amount_minor"]) for line in invoice["lines"]] == [
        (quantity, int(quantity) * 100)
    ]
    counted = book.get(f"/v1/invoices/{invoice['id']}/lines/1/events", limit=2)
    assert len(counted["results"]) == 2
    rest = book.get(f"/v1/invoices/{invoice['id']}/lines/1/events", limit=2, cursor=counted["next"])
    assert (len(rest["results"]), rest["next"]) == (1, None)


def test_cost_plus_with_a_floor_earns_at_least_the_floor_on_every_event(
    diary: Callable[[str], Diary],
) -> None:
    book = diary("2027-01-01")
    book.post("/v1/prices", {**MODEL, "unit": "output", "price": "0.01"})
    world(
        book,
        {"aggregation": "sum", "value": "usage.output"},
        {"model": "cost_plus", "markup": "0.20", "margin_floor": "0.50"},
    )
    event = book.use(**MODEL, usage={"output": 100})

    spend = book.spend()
    # It cost 1.00: with the markup 1.20, by the floor of one half 2.00.
    assert spend["margin"] == {"revenue": "2", "cost": "1", "rate": "0.5"}
    receipt = book.get(f"/v1/events/{event}/receipt")
    assert (receipt["cost"]["amount"], receipt["charges"][0]["price"]) == ("1", "2")
    assert book.lines(closed(book)) == [("c", 200)]


def test_a_matrix_prices_each_kind_of_token(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    cells = [
        {"match": {"token_kind": "input"}, "unit_price": "0.01"},
        {"match": {"token_kind": "output"}, "unit_price": "0.05"},
    ]
    matrix = {"model": "matrix", "dimensions": ["token_kind"], "cells": cells, "default_unit_price": "0"}
    world(book, {"aggregation": "sum", "value": "usage.tokens"}, matrix)
    book.use(usage={"input": 100, "output": 10, "cache_read": 1000})

    invoice = closed(book)

    assert book.lines(invoice) == [("c", 150)]
    assert invoice["lines"][0]["quantity"] == "1110"


def test_a_charge_without_a_price_stops_its_invoice_and_no_other(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    matrix = {
        "model": "matrix",
        "dimensions": ["model"],
        "cells": [{"match": {"model": "known"}, "unit_price": "1"}],
    }
    world(book, {"aggregation": "count"}, matrix)
    book.customer("beta")
    book.subscribe("payg", customer="beta", starts_at="2027-01-01T00:00:00Z")
    book.use(model="unheard-of")
    book.use("beta", model="known")

    book.on("2027-02-01T03:00:00Z")

    assert book.totals("beta") == [("finalized", 100)]
    [draft] = book.invoices()
    assert draft["status"] == "draft"
    refused = book.api.post(f"/v1/invoices/{draft['id']}/finalize")
    assert refused.status_code == 409
    assert "no price" in refused.json()["detail"]


def test_a_period_floor_adds_one_plain_line(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    book.post("/v1/prices", {**MODEL, "unit": "output", "price": "0.01"})
    world(
        book,
        {"aggregation": "sum", "value": "usage.output"},
        {"model": "per_unit", "unit_price": "0.011"},
        margin_floor={"rate": "0.40", "on_breach": "bill"},
    )
    book.use(**MODEL, usage={"output": 300})

    # 3.00 of cost ask for 5.00 at a margin of 40 %; 3.30 were sold.
    assert book.lines(closed(book)) == [("c", 330), ("margin_floor", 170)]


def test_commitment_minimum_and_discount_come_in_their_order(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    book.customer()
    book.meter("m", aggregation="count")
    charge = {"key": "c", "meter": "m", "model": "per_unit", "unit_price": "1", "minimum": "10"}
    book.plan("deal", [charge], commitment={"amount": "100"})
    book.subscribe("deal", overrides={"discount_percent": 10, "commitment": {"amount": "50.00"}})
    book.on("2027-01-02")
    book.use()

    assert book.lines(closed(book)) == [("c", 900), ("commitment", 3600)]
