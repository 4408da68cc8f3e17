"""Burn tables over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.clock import now
from core.times import render_time
from customers.customers import create_customer

RATES = [{"id": "out", "match": {"token_kind": "output"}, "credits": "1", "per": "1000"}]
TABLE = {"key": "standard", "name": "Standard", "rates": RATES}


def test_a_table_is_created_announced_ahead_and_read_with_its_history(operator_api: Any) -> None:
    made = operator_api.post("/v1/burn-tables", TABLE)
    assert made.status_code == 201
    assert made.json()["current"]["rates"] == RATES

    later = render_time(now() + timedelta(days=30))
    body = {"rates": [RATES[0] | {"credits": "2"}], "effective_at": later, "note": "Opus costs more"}
    announced = operator_api.post("/v1/burn-tables/standard/versions", body)
    assert (announced.status_code, announced.json()["number"]) == (201, 2)

    table = operator_api.get("/v1/burn-tables/standard").json()
    assert table["current"]["number"] == 1
    assert [version["note"] for version in table["upcoming"]] == ["Opus costs more"]
    history = operator_api.get("/v1/burn-tables/standard/versions").json()["results"]
    assert [version["number"] for version in history] == [2, 1]
    page = operator_api.get("/v1/burn-tables/standard/versions?limit=1").json()
    following = operator_api.get(f"/v1/burn-tables/standard/versions?limit=1&cursor={page['next']}").json()
    assert (page["results"], following) == (history[:1], {"results": history[1:], "next": None})
    assert operator_api.get("/v1/burn-tables").json()["results"] == [table]


def test_a_customer_reads_tables_and_changes_none(operator_api: Any, api_with_key: Any) -> None:
    operator_api.post("/v1/burn-tables", TABLE)
    acme = api_with_key(customer=create_customer(key="acme", name="Acme", now=datetime.now(UTC)))

    assert acme.get("/v1/burn-tables/standard").status_code == 200
    assert acme.post("/v1/burn-tables", TABLE | {"key": "own"}).status_code == 403
    assert acme.post("/v1/burn-tables/standard/versions", {"rates": RATES}).status_code == 403


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"key": "a b"}, "key"),
        ({"name": ""}, "name"),
        ({"rates": []}, "rates"),
        ({"rates": [{"id": "x", "match": {}, "credits": "1e3"}]}, "rates[0].credits"),
        ({"unlisted": "maybe"}, "unlisted"),
        ({"effective_at": "soon"}, "effective_at"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_wrong_input_is_named_by_its_field(operator_api: Any, change: dict[str, Any], field: str) -> None:
    refused = operator_api.post("/v1/burn-tables", TABLE | change)

    assert refused.status_code == 422
    assert field in [error["field"] for error in refused.json()["errors"]]


def test_a_version_in_the_past_is_refused(operator_api: Any) -> None:
    operator_api.post("/v1/burn-tables", TABLE)

    body = {"rates": RATES, "effective_at": "2020-01-01T00:00:00Z"}
    assert operator_api.post("/v1/burn-tables/standard/versions", body).status_code == 422


def test_what_does_not_exist_is_not_found(operator_api: Any) -> None:
    assert operator_api.get("/v1/burn-tables/none").status_code == 404
    assert operator_api.get("/v1/burn-tables/a%00b").status_code == 404
    assert operator_api.post("/v1/burn-tables/none/versions", {"rates": RATES}).status_code == 404


def test_a_taken_key_is_a_conflict(operator_api: Any) -> None:
    operator_api.post("/v1/burn-tables", TABLE)

    assert operator_api.post("/v1/burn-tables", TABLE).status_code == 409
