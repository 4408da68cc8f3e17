"""Every address of the API, asked by nobody, by another customer, and by a key that may only read."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from customers.models import Customer
from tests.billing.scenarios.diary import Diary

pytestmark = pytest.mark.django_db

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
OPEN = {"v1/schema", "v1/docs", "v1/stripe/webhook"}  # described to all; signed by Stripe
WORKED_OUT = {"v1/price-preview", "v1/estimate"}  # asked by POST, and nothing is stored
FOREIGN = {"v1/traces"}  # refuses in the words of OpenTelemetry
OURS = {"customers", "subscriptions", "invoices", "credit-grants", "events", "runs"}
# Nothing of these is a customer's business, whoever's it is.
OPERATORS = ("v1/backfills", "v1/value-events", "v1/events/rejected", "v1/events/unmatched", "v1/re-ratings")


def api_patterns() -> Iterator[str]:
    def walk(resolver: Any, prefix: str) -> Iterator[str]:
        for pattern in resolver.url_patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern, route)
            elif isinstance(pattern, URLPattern) and route.startswith(("v1/", "api/")):
                yield route

    yield from (route for route in walk(get_resolver(), "") if route not in OPEN)


@pytest.fixture
def world(operator_api: Any) -> dict[str, str]:
    """Two customers with everything, and what the parameters of an address are for the first."""
    book = Diary.opened(operator_api, "2027-01-01")
    book.meter("m", aggregation="count")
    rates = [{"id": "any", "match": {"token_kind": "tokens"}, "credits": "1"}]
    book.post("/v1/burn-tables", {"key": "t", "name": "T", "rates": rates})
    book.plan("payg", [{"key": "c", "meter": "m", "model": "per_unit", "unit_price": "1"}], fee="5")
    for key in ("acme", "beta"):
        book.customer(key)
        book.subscribe("payg", customer=key)
    book.on("2027-01-02")
    event = book.use("acme", run={"id": "run-1"})
    book.api.post("/v1/events", {"id": "bad", "customer": "acme", "type": "llm.call", "quantity": "x"})
    book.post("/v1/value-events", {"key": "won", "event_type": "ticket.resolved"})
    grant = book.post("/v1/credit-grants", {"customer": "acme", "amount": "5"})
    return {
        "customer": "acme",
        "subscription": book.get("/v1/subscriptions/acme", customer="acme")["id"],
        "invoice": book.invoices("acme")[0]["id"],
        "grant": grant["id"],
        "event": event,
        "run": "run-1",
        "refusal": book.get("/v1/events/rejected")["results"][0]["id"],
        "backfill": book.post("/v1/backfills", {"customer": "acme"})["id"],
        "value_event": "won",
    }


def address(route: str, world: dict[str, str]) -> str:
    """The route with the first customer's objects in it."""
    kind = {
        "v1/customers": "customer",
        "v1/subscriptions": "subscription",
        "v1/invoices": "invoice",
        "v1/credit-grants": "grant",
        "v1/runs": "run",
        "v1/backfills": "backfill",
        "v1/value-events": "value_event",
        "v1/events/rejected": "refusal",
        "v1/events": "event",
    }
    path = "/" + route
    for start, name in kind.items():
        if route.startswith(start):
            for parameter in ("<str:key>", "<str:id>", "<path:id>"):
                path = path.replace(parameter, world[name])
    path = path.replace("<str:key>", "payg").replace("<str:id>", "x").replace("<path:id>", "x")
    return path.replace("<int:number>", "1").replace("<int:n>", "1").replace("<int:id>", "1")


def everything() -> dict[str, int]:
    """How many rows each table of ours has, by when they last changed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
            " AND table_name ~ '^(billing|customers|metering|pricing)_' AND table_name <> 'customers_apikey'"
        )
        tables = [row[0] for row in cursor.fetchall()]
        found = {}
        for table in tables:
            cursor.execute(f"SELECT md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM {table} t")
            found[table] = cursor.fetchone()[0]
    return found


def test_the_matrix_knows_every_address() -> None:
    assert len(list(api_patterns())) > 30
    assert {name for route in api_patterns() for name in OURS if name in route} == OURS


def test_nobody_is_answered_without_a_key(world: dict[str, str]) -> None:
    client, before = Client(raise_request_exception=False), everything()
    for route in api_patterns():
        for method in METHODS:
            answer = client.generic(method, address(route, world), b"{}", "application/json")
            assert answer.status_code == 401, (method, route, answer.status_code)
            assert route in FOREIGN or answer["Content-Type"] == "application/problem+json", route
    assert everything() == before


def test_another_customers_objects_are_absent(
    world: dict[str, str], api_with_key: Callable[..., Any]
) -> None:
    stranger = api_with_key(customer=Customer.objects.get(key="beta"))
    before = everything()
    for route in api_patterns():
        path = address(route, world)
        if route.startswith(OPERATORS) or not any(world[name] in path for name in world):
            continue
        for method in ("GET", "POST", "PUT", "PATCH"):
            answer = stranger.send(method, path, {})
            refused = {403, 404, 405} if method != "GET" else {404, 405}
            assert answer.status_code in refused, (method, path, answer.status_code, answer.content)
    for listing in ("invoices", "subscriptions", "credit-grants", "events", "usage", "runs"):
        assert stranger.get(f"/v1/{listing}", customer="acme").status_code == 404
        assert "acme" not in stranger.get(f"/v1/{listing}").content.decode()
    after = everything()
    # Only its own catching up may have left a trace.
    assert {name for name in after if after[name] != before[name]} <= {"billing_ratingposition"}


def test_a_key_that_may_only_read_changes_nothing(
    world: dict[str, str], api_with_key: Callable[..., Any]
) -> None:
    reader = api_with_key(["read"])
    before = everything()
    for route in set(api_patterns()) - WORKED_OUT:
        for method in ("POST", "PUT", "PATCH"):
            answer = reader.send(method, address(route, world), {})
            assert answer.status_code in (403, 405), (method, route, answer.status_code, answer.content)
    assert everything() == before


def test_what_is_the_operators_is_refused_to_every_customers_key(
    world: dict[str, str], api_with_key: Callable[..., Any]
) -> None:
    own = api_with_key(customer=Customer.objects.get(key="acme"))
    routes = [route for route in api_patterns() if route.startswith(OPERATORS)]
    assert {place for place in OPERATORS for route in routes if route.startswith(place)} == set(OPERATORS)
    before = everything()
    for route in routes:
        for method in METHODS:
            answer = own.send(method, address(route, world), {})
            assert answer.status_code in (403, 405), (method, route, answer.status_code)
            assert world["refusal"] not in answer.content.decode()
    assert everything() == before


def test_head_is_refused_to_whom_get_is(world: dict[str, str], api_with_key: Callable[..., Any]) -> None:
    own, writer = api_with_key(customer=Customer.objects.get(key="acme")), api_with_key(["write"])
    for route in api_patterns():
        path = address(route, world)
        for api in (own, writer):
            got, head = api.send("GET", path, b""), api.send("HEAD", path, b"")
            assert head.status_code == got.status_code, (path, head.status_code, got.status_code)


def test_a_customers_own_key_reads_its_rows_without_cost_and_writes_none(
    world: dict[str, str], api_with_key: Callable[..., Any]
) -> None:
    own = api_with_key(customer=Customer.objects.get(key="acme"))
    for path in (
        "/v1/customers/acme/spend",
        "/v1/customers/acme/forecast",
        "/v1/customers/acme/credits",
        "/v1/customers/acme/credits/ledger",
        "/v1/subscriptions/acme",
        f"/v1/invoices/{world['invoice']}",
        f"/v1/events/{world['event']}/receipt",
        "/v1/usage",
        "/v1/usage/properties",
        "/v1/runs",
        "/v1/runs/run-1",
    ):
        answer = own.get(path)
        assert answer.status_code == 200, path
        assert '"margin"' not in answer.content.decode() and '"cost"' not in answer.content.decode(), path
    for name in ("cost", "margin", "revenue", "failed_cost", "retry_cost"):
        assert own.get("/v1/usage", measure=name).status_code == 422, name
    for path, body in (
        ("/v1/subscriptions", {"customer": "acme", "plan": "payg", "key": "more"}),
        ("/v1/subscriptions/acme/cancel", {}),
        ("/v1/subscriptions/acme/change", {"plan": "payg"}),
        ("/v1/credit-grants", {"customer": "acme", "amount": "1000"}),
        (f"/v1/credit-grants/{world['grant']}/void", {}),
        (f"/v1/invoices/{world['invoice']}/void", {}),
        (f"/v1/invoices/{world['invoice']}/pay", {"reference": "mine"}),
        ("/v1/sandbox/clock", {"now": "2030-01-01T00:00:00Z"}),
    ):
        assert own.post(path, body).status_code == 403, path
