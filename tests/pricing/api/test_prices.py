"""Provider prices over HTTP: own prices, imports, and decisions on what waits."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from customers.customers import create_customer
from pricing.models import PriceRow
from pricing.price_book import cost_of_usage

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
GPT = {"provider": "openai", "model": "gpt-5", "unit": "input", "price": "1.25", "per": "1000000"}
FEED = "provider,model,unit,price,per\nopenai,gpt-5,input,1.25,1000000\nopenai,gpt-5,output,10,1000000\n"


def fields_of(response: Any) -> list[str]:
    return [error["field"] for error in response.json()["errors"]]


def test_an_operator_sets_a_price_and_reads_it_back(operator_api: Any) -> None:
    made = operator_api.post(
        "/v1/prices", {"prices": [GPT, GPT | {"unit": "call", "price": "0.01", "per": "1"}]}
    )

    assert made.status_code == 201
    price = made.json()["results"][0]
    assert price["price"] == "0.00000125"
    assert (price["layer"], price["source"], price["context"]) == ("operator", "operator", "standard")
    listed = operator_api.get("/v1/prices?provider=openai&unit=input").json()
    assert [row["id"] for row in listed["results"]] == [price["id"]]


def test_one_price_needs_no_list(operator_api: Any) -> None:
    assert operator_api.post("/v1/prices", GPT).status_code == 201


def test_the_list_can_be_asked_as_of_a_time(operator_api: Any) -> None:
    operator_api.post(
        "/v1/prices", GPT | {"effective_from": "2026-01-01T00:00:00Z", "effective_to": "2026-02-01T00:00:00Z"}
    )

    assert len(operator_api.get("/v1/prices?at=2026-01-15T00:00:00Z").json()["results"]) == 1
    assert operator_api.get("/v1/prices?at=2026-02-01T00:00:00Z").json()["results"] == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"price": "-1"}, "price"),
        ({"price": "1e-6"}, "price"),
        ({"price": None}, "price"),
        ({"price": "0.0000000000000000001"}, "price"),
        ({"per": "0"}, "per"),
        ({"per": 0}, "per"),
        ({"per": "a million"}, "per"),
        ({"input_over": []}, "input_over"),
        ({"unit": "Input Tokens"}, "unit"),
        ({"provider": 7}, "provider"),
        ({"model": "x" * 201}, "model"),
        ({"context": "BATCH"}, "context"),
        ({"input_over": -1}, "input_over"),
        ({"window": "25:00-01:00"}, "window"),
        ({"days": "67"}, "days"),
        ({"effective_from": "yesterday"}, "effective_from"),
        ({"currency": "EUR"}, "currency"),
        ({"colour": "red"}, "colour"),
        ({"is_percent": "maybe"}, "is_percent"),
    ],
)
def test_a_wrong_price_is_named_by_its_field(operator_api: Any, change: dict[str, Any], field: str) -> None:
    refused = operator_api.post("/v1/prices", {"prices": [GPT, GPT | change]})

    assert refused.status_code == 422
    assert fields_of(refused) == [f"prices[1].{field}"]
    assert not PriceRow.objects.exists()


@pytest.mark.parametrize("body", [{}, [], {"prices": []}, {"prices": "all"}, {"prices": [1]}, None])
def test_a_body_without_prices_is_refused(operator_api: Any, body: Any) -> None:
    assert operator_api.post("/v1/prices", body).status_code == 422


def test_a_customer_sees_no_costs(api_with_key: Any) -> None:
    acme = create_customer(key="acme", name="Acme", now=NOW)
    api = api_with_key(customer=acme)

    for path in ("/v1/prices", "/v1/prices/import", "/v1/prices/import/1"):
        assert api.get(path).status_code == 403
    assert api.post("/v1/prices", GPT).status_code == 403


def test_a_single_source_waits_until_it_is_approved(operator_api: Any) -> None:
    taken = operator_api.post("/v1/prices/import", {"source": "csv", "content": FEED, "version": "1"})
    assert taken.status_code == 201
    snapshot = taken.json()
    assert (snapshot["status"], snapshot["waiting"]) == ("staged", {"single_source": 2})
    usage = {"input": Decimal(1_000_000)}
    assert cost_of_usage("openai", "gpt-5", usage, at=NOW).unpriced == ("input",)

    path = f"/v1/prices/import/{snapshot['id']}"
    assert [item["price"] for item in operator_api.get(path).json()["staged"]] == ["0.00000125", "0.00001"]
    approved = operator_api.post(f"{path}/approve", {"items": [0]})
    assert (approved.json()["status"], approved.json()["waiting"]) == ("staged", {"single_source": 1})
    assert cost_of_usage("openai", "gpt-5", usage, at=NOW).amount == Decimal("1.25")

    refused = operator_api.post(f"{path}/refuse", {"reasons": ["single_source"]})
    assert (refused.json()["status"], refused.json()["waiting"]) == ("applied", {})
    assert operator_api.post(f"{path}/approve", {}).status_code == 409
    assert not PriceRow.objects.filter(unit="output").exists()


def test_the_same_content_again_is_the_same_import(operator_api: Any) -> None:
    body = {"source": "csv", "content": FEED, "accept_single_source": True}
    first, again = operator_api.post("/v1/prices/import", body), operator_api.post("/v1/prices/import", body)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert PriceRow.objects.count() == 2


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"source": "csv"}, "content"),
        ({"source": "genai-prices", "content": "x"}, "content"),
        ({"source": "csv", "content": {"a": 1}}, "content"),
        ({"source": "csv", "content": "provider,model\n"}, "content"),
        ({"source": "litellm", "content": "[1, 2]"}, "content"),
        ({"source": "openrouter", "content": "{"}, "content"),
        ({"source": "bedrock", "content": "{}"}, "content"),
        ({"source": "gossip", "content": "x"}, "source"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(operator_api: Any, body: dict[str, Any], field: str) -> None:
    refused = operator_api.post("/v1/prices/import", body)

    assert refused.status_code == 422
    assert field in fields_of(refused)


def test_positions_that_do_not_exist_are_refused(operator_api: Any) -> None:
    id = operator_api.post("/v1/prices/import", {"source": "csv", "content": FEED}).json()["id"]

    assert operator_api.post(f"/v1/prices/import/{id}/approve", {"items": [9]}).status_code == 422
    assert operator_api.post(f"/v1/prices/import/{id}/approve", {"items": ["a"]}).status_code == 422
    assert operator_api.post("/v1/prices/import/99999999999999999999/approve", {}).status_code == 404
    assert operator_api.get("/v1/prices/import/99999999999999999999").status_code == 404


def test_repeating_with_an_idempotency_key_writes_once(operator_api: Any) -> None:
    first = operator_api.post("/v1/prices", GPT, idempotency_key="k1")
    again = operator_api.post("/v1/prices", GPT, idempotency_key="k1")

    assert first.json() == again.json()
    assert PriceRow.objects.count() == 1
