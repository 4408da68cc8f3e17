from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from customers.customers import create_customer
from customers.models import Customer

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
ACME = {
    "key": "acme",
    "name": "Acme Ltd",
    "email": "billing@acme.example",
    "currency": "EUR",
    "timezone": "Europe/Berlin",
    "tax_rate": "0.19",
    "tax_name": "VAT",
    "address": "1 Main Street\nSpringfield",
}


def fields_of(response: Any) -> dict[str, str]:
    return {error["field"]: error["code"] for error in response.json()["errors"]}


def test_a_customer_is_created_and_read_back(operator_api: Any) -> None:
    created = operator_api.post("/v1/customers", ACME)
    assert created.status_code == 201
    body = created.json()
    assert {name: body[name] for name in ACME} == ACME
    assert body["next_timezone"] is None
    assert operator_api.get("/v1/customers/acme").json() == body


def test_only_key_and_name_are_required(operator_api: Any) -> None:
    body = operator_api.post("/v1/customers", {"key": "acme", "name": "Acme"}).json()
    assert (body["currency"], body["timezone"], body["tax_rate"], body["email"]) == ("USD", "UTC", "0", "")


def test_a_taken_key_is_a_conflict_and_changes_nothing(operator_api: Any) -> None:
    operator_api.post("/v1/customers", ACME)
    again = operator_api.post("/v1/customers", ACME | {"name": "Another"})
    assert again.status_code == 409
    assert again.json()["code"] == "conflict"
    assert Customer.objects.get(key="acme").name == "Acme Ltd"


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"key": "a b"}, "key", "id"),
        ({"key": "a/b"}, "key", "id"),
        ({"key": "é"}, "key", "id"),
        ({"key": "x" * 256}, "key", "id"),
        ({"key": 7}, "key", "id"),
        ({"name": ""}, "name", "empty"),
        ({"name": "x" * 201}, "name", "text"),
        ({"name": "a\u202eb"}, "name", "text"),
        ({"email": "not an address"}, "email", "email"),
        ({"email": ["a@b.example"]}, "email", "email"),
        ({"currency": "usd"}, "currency", "currency"),
        ({"currency": "XAU"}, "currency", "currency"),
        ({"timezone": "Mars/Olympus"}, "timezone", "timezone"),
        ({"tax_rate": "1"}, "tax_rate", "number"),
        ({"tax_rate": "-0.1"}, "tax_rate", "number"),
        ({"tax_rate": "0.1234567"}, "tax_rate", "number"),
        ({"tax_rate": "1_0"}, "tax_rate", "number"),
        ({"tax_rate": "０.1"}, "tax_rate", "number"),
        ({"tax_rate": True}, "tax_rate", "number"),
        ({"id": 4}, "id", "unknown_field"),
        ({"portal_epoch": 4}, "portal_epoch", "unknown_field"),
    ],
)
def test_a_wrong_field_is_named(operator_api: Any, change: dict[str, Any], field: str, code: str) -> None:
    response = operator_api.post("/v1/customers", ACME | change)
    assert response.status_code == 422
    assert response["Content-Type"] == "application/problem+json"
    assert fields_of(response) == {field: code}
    assert not Customer.objects.exists()


def test_every_wrong_field_is_named_at_once(operator_api: Any) -> None:
    assert fields_of(operator_api.post("/v1/customers", {"currency": "?", "nmae": "Acme"})) == {
        "key": "required",
        "name": "required",
        "currency": "currency",
        "nmae": "unknown_field",
    }


def test_a_changed_time_zone_waits_for_the_next_period(operator_api: Any) -> None:
    operator_api.post("/v1/customers", ACME)
    changed = operator_api.patch(
        "/v1/customers/acme", {"timezone": "America/New_York", "name": "Acme Inc"}
    ).json()
    assert (changed["timezone"], changed["next_timezone"]) == ("Europe/Berlin", "America/New_York")
    assert changed["name"] == "Acme Inc" and changed["email"] == ACME["email"]
    back = operator_api.patch("/v1/customers/acme", {"timezone": "Europe/Berlin"}).json()
    assert back["next_timezone"] is None


def test_key_and_currency_are_fixed(operator_api: Any) -> None:
    operator_api.post("/v1/customers", ACME)
    response = operator_api.patch("/v1/customers/acme", {"key": "b", "currency": "USD"})
    assert response.status_code == 422
    assert fields_of(response) == {"key": "fixed", "currency": "fixed"}


def test_customers_are_listed_in_pages_that_miss_nothing(operator_api: Any) -> None:
    for index in range(5):
        create_customer(key=f"c{index}", name=f"Customer {index}", now=NOW)
    seen, cursor = [], None
    while True:
        page = operator_api.get("/v1/customers", limit=2, **({"cursor": cursor} if cursor else {})).json()
        seen += [row["key"] for row in page["results"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == ["c0", "c1", "c2", "c3", "c4"]


def test_customers_are_found_by_key_name_or_email(operator_api: Any) -> None:
    create_customer(key="acme", name="Acme", email="x@acme.example", now=NOW)
    create_customer(key="beta", name="Beta 100%", now=NOW)
    for words, keys in [
        ("ACM", ["acme"]),
        ("x@", ["acme"]),
        ("100%", ["beta"]),
        ("%", ["beta"]),
        ("zzz", []),
    ]:
        assert [row["key"] for row in operator_api.get("/v1/customers", q=words).json()["results"]] == keys


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "201"},
        {"limit": "１"},
        {"cursor": "!"},
        {"cursor": "bnVsbA"},
        {"customer": "x"},
    ],
)
def test_a_wrong_query_is_named(operator_api: Any, query: dict[str, str]) -> None:
    response = operator_api.get("/v1/customers", **query)
    assert response.status_code == 422
    assert set(fields_of(response)) == set(query)


class TestACustomersOwnKey:
    @pytest.fixture
    def acme(self, db: None) -> Customer:
        create_customer(key="beta", name="Beta", now=NOW)
        return create_customer(key="acme", name="Acme", now=NOW)

    def test_sees_its_customer_and_no_other(self, acme: Customer, api_with_key: Callable[..., Any]) -> None:
        api = api_with_key(["read", "write"], customer=acme)
        assert [row["key"] for row in api.get("/v1/customers").json()["results"]] == ["acme"]
        assert api.get("/v1/customers/acme").status_code == 200
        theirs, nobodys = api.get("/v1/customers/beta"), api.get("/v1/customers/none")
        assert theirs.status_code == nobodys.status_code == 404
        assert theirs.json()["detail"].replace("beta", "none") == nobodys.json()["detail"]

    def test_can_neither_create_nor_change_customers(
        self, acme: Customer, api_with_key: Callable[..., Any]
    ) -> None:
        api = api_with_key(["read", "write"], customer=acme)
        assert api.post("/v1/customers", ACME | {"key": "new"}).status_code == 403
        assert api.patch("/v1/customers/acme", {"tax_rate": "0"}).status_code == 403
        assert Customer.objects.count() == 2

    def test_gets_a_portal_link_for_itself_alone(
        self, acme: Customer, api_with_key: Callable[..., Any]
    ) -> None:
        api = api_with_key(["write"], customer=acme)
        link = api.post("/v1/customers/acme/portal-link").json()
        assert link["url"].startswith("http://testserver/portal/enter/")
        assert api.post("/v1/customers/beta/portal-link").status_code == 404
