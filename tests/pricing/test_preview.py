from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from pricing.burn_tables import create_table

NOW = datetime(2020, 1, 1, tzinfo=UTC)
PER_UNIT = {"model": "per_unit", "unit_price": "0.0025"}


@pytest.fixture
def preview(operator_api: Any) -> Callable[..., Any]:
    def ask(charge: dict[str, Any], currency: str = "USD", **body: Any) -> Any:
        return operator_api.post("/v1/price-preview", {"currency": currency, "charge": charge, **body})

    return ask


def test_a_quantity_is_rated_and_rounded_once(preview: Callable[..., Any]) -> None:
    answer = preview(PER_UNIT, quantity="3").json()
    assert (answer["amount"], answer["amount_minor"], answer["unrounded"]) == ("0.01", 1, "0.0075")
    assert (answer["quantity"], answer["currency"]) == ("3", "USD")
    assert answer["lines"][0]["unit_price"] == "0.0025"
    assert answer["explain"][-1]["text"] == "0.0075 → 0.01"


@pytest.mark.parametrize(
    ("currency", "amount", "minor"), [("JPY", "1235", 1235), ("BHD", "1234.500", 1_234_500)]
)
def test_amounts_have_the_digits_of_their_currency(
    preview: Callable[..., Any], currency: str, amount: str, minor: int
) -> None:
    answer = preview({"model": "flat", "amount": "1234.5"}, currency=currency, quantity="1").json()
    assert (answer["amount"], answer["amount_minor"]) == (amount, minor)


def test_a_tiered_price_shows_its_tiers(preview: Callable[..., Any]) -> None:
    tiers = [{"up_to": "1000", "unit_price": "0"}, {"up_to": None, "unit_price": "0.002"}]
    answer = preview({"model": "graduated", "tiers": tiers}, quantity=2500).json()
    assert answer["amount"] == "3.00"
    assert [(line["tier_from"], line["tier_to"], line["quantity"]) for line in answer["lines"]] == [
        ("0", "1000", "1000"),
        ("1000", None, "1500"),
    ]


def test_events_are_priced_by_their_dimensions(preview: Callable[..., Any]) -> None:
    charge = {
        "model": "matrix",
        "dimensions": ["model", "task"],
        "cells": [
            {"match": {"model": "a", "task": "hard"}, "unit_price": "2"},
            {"match": {"model": "a"}, "unit_price": "1"},
        ],
    }
    events = [
        {"model": "a", "properties": {"task": "hard"}, "quantity": "3"},
        {"model": "a"},
        {"dimensions": {"model": "a"}, "quantity": "2"},
    ]
    assert preview(charge, events=events).json()["amount"] == "9.00"
    refused = preview(charge, events=[{"model": "b"}])
    assert refused.status_code == 422
    assert refused.json()["errors"][0] == refused.json()["errors"][0] | {
        "field": "events[0]",
        "code": "unpriced",
    }


def test_cost_plus_prices_what_each_event_cost(preview: Callable[..., Any]) -> None:
    charge = {"model": "cost_plus", "markup": "0.20"}
    assert preview(charge, events=[{"cost": "1.00"}, {"cost": "0.50"}]).json()["amount"] == "1.80"
    floored = preview(charge | {"margin_floor": "0.50"}, events=[{"cost": "1.00"}]).json()
    assert floored["amount"] == "2.00"
    assert preview(charge, quantity="5").json()["errors"][0]["code"] == "events_needed"


def test_failed_events_are_free_unless_the_charge_bills_them(preview: Callable[..., Any]) -> None:
    events = [{"quantity": "4", "status": "error"}]
    assert preview(PER_UNIT | {"unit_price": "1"}, events=events).json()["amount"] == "0.00"
    billed = preview(PER_UNIT | {"unit_price": "1", "bill_failed": "always"}, events=events).json()
    assert billed["amount"] == "4.00"


def test_the_charges_own_meter_counts_events(preview: Callable[..., Any], operator_api: Any) -> None:
    meter = {"key": "out", "event_type": "llm.call", "aggregation": "sum", "value": "usage.output"}
    operator_api.post("/v1/meters", meter)
    charge = {"meter": "out", "model": "per_unit", "unit_price": "0.01"}
    events = [
        {"type": "llm.call", "usage": {"input": 5, "output": 300, "cache_write": {"5m": 2}}},
        {"usage": {"output": "100"}},
        {"type": "image", "usage": {"output": 7}},
        {"quantity": "1"},
    ]
    assert preview(charge, events=events).json()["quantity"] == "401"


def test_credits_are_burnt_by_the_table(preview: Callable[..., Any]) -> None:
    rates = [{"id": "opus", "match": {"family": "opus"}, "credits": "5"}]
    create_table("standard", "Standard", rates, now=NOW)
    charge = {"model": "credits", "burn_table": "standard", "unit_price": "0.10"}
    events = [{"model": "claude-opus-4-5", "quantity": "2"}, {"credits": "1.5"}]
    answer = preview(charge, events=events).json()
    assert (answer["quantity"], answer["amount"]) == ("11.5", "1.15")
    assert preview(charge, quantity="3").json()["amount"] == "0.30"
    assert preview(charge, events=[{"model": "gpt-5"}]).json()["errors"][0]["code"] == "unlisted"
    other = preview(charge | {"burn_table": "none"}, events=[{"model": "gpt-5"}])
    assert other.json()["errors"][0]["code"] == "unknown_burn_table"


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"charge": PER_UNIT}, "quantity"),
        ({"charge": PER_UNIT, "quantity": "1", "events": []}, "quantity"),
        ({"charge": PER_UNIT, "quantity": "-1"}, "quantity"),
        ({"charge": PER_UNIT, "quantity": "NaN"}, "quantity"),
        ({"charge": PER_UNIT, "quantity": True}, "quantity"),
        ({"quantity": "1"}, "charge"),
        ({"charge": 5, "quantity": "1"}, "charge"),
        ({"charge": {"model": "per_unit"}, "quantity": "1"}, "charge.unit_price"),
        ({"charge": PER_UNIT, "quantity": "1", "currency": "ABC"}, "currency"),
        ({"charge": PER_UNIT, "events": [{"usage": {"output": "x"}}]}, "events[0].usage.output"),
        ({"charge": PER_UNIT, "events": [{"usage": []}]}, "events[0].usage"),
        ({"charge": PER_UNIT, "events": [{"quanttiy": 1}]}, "events[0].quanttiy"),
        ({"charge": PER_UNIT, "events": [3]}, "events[0]"),
        ({"charge": PER_UNIT | {"unit_price": "9" * 20}, "quantity": "9" * 20}, "quantity"),
    ],
)
def test_a_wrong_field_is_named(operator_api: Any, body: dict[str, Any], place: str) -> None:
    response = operator_api.post("/v1/price-preview", body)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == place


def test_only_operators_preview_prices(api_with_key: Callable[..., Any], operator_api: Any) -> None:
    operator_api.post("/v1/customers", {"key": "acme", "name": "Acme"})
    from customers.models import Customer

    theirs = api_with_key(["read", "write"], customer=Customer.objects.get())
    assert theirs.post("/v1/price-preview", {"charge": PER_UNIT, "quantity": "1"}).status_code == 403
    assert (
        api_with_key(["read"]).post("/v1/price-preview", {"charge": PER_UNIT, "quantity": "1"}).status_code
        == 200
    )


class TestSeveralCharges:
    BODY: ClassVar[dict[str, Any]] = {
        "charges": [
            {
                "charge": {"key": "in", "meter": "in", "model": "per_unit", "unit_price": "0.01"},
                "quantity": "90",
            },
            {
                "charge": {"key": "out", "meter": "out", "model": "per_unit", "unit_price": "0.05"},
                "quantity": "30",
            },
        ],
        "allowances": [{"key": "tokens", "amount": "100", "charges": ["in", "out"]}],
    }

    def test_are_rated_with_the_allowance_they_share(self, operator_api):
        told = operator_api.post("/v1/price-preview", self.BODY).json()
        assert (told["amount"], told["amount_minor"], told["currency"]) == ("1.00", 100, "USD")
        assert [(one["charge"], one["amount_minor"]) for one in told["charges"]] == [("in", 0), ("out", 100)]
        assert (
            told["charges"][1]["explain"][1]["text"] == "10 of the 100 of tokens, 90 taken before, 20 to bill"
        )

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"charges": [{"quantity": "1"}]}, "charges[0].charge"),
            (
                {"charges": [BODY["charges"][0], {"charge": {"key": "x", "model": "flat", "amount": "1"}}]},
                "charges[1].quantity",
            ),
            ({"allowances": [{"key": "t", "amount": "1", "charges": ["none"]}]}, "allowances[0].charges[0]"),
            ({"allowances": [{"key": "t", "amount": "1"}]}, "allowances[0].charges"),
            ({"quantity": "1"}, "quantity"),
        ],
    )
    def test_what_is_wrong_with_them_is_named(self, operator_api, change, field):
        refused = operator_api.post("/v1/price-preview", {**self.BODY, **change})
        assert refused.status_code == 422
        assert [error["field"] for error in refused.json()["errors"]] == [field]


def test_a_price_that_follows_the_cost_is_shown_in_the_costs_currency_alone(
    preview: Callable[..., Any],
) -> None:
    floor = PER_UNIT | {"margin_floor": "0.3"}
    assert preview(floor, quantity="3").status_code == 200
    for charge, field in (
        (floor, "charge.margin_floor"),
        ({"model": "cost_plus", "markup": "0.2"}, "charge.model"),
    ):
        events = [{"id": "e", "cost": "1"}]
        answer = preview(charge, currency="EUR", events=events)
        assert answer.status_code == 422, answer.json()
        assert (field, "cost_currency") in {(one["field"], one["code"]) for one in answer.json()["errors"]}
