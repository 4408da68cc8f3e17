"""Wrong requests are named; right ones, told twice, are carried out once."""

from collections.abc import Callable
from typing import Any

import pytest

from billing.models import CreditGrant, Subscription
from tests.billing.scenarios.diary import Diary

pytestmark = pytest.mark.django_db


@pytest.fixture
def book(diary: Callable[[str], Diary]) -> Diary:
    opened = diary("2027-01-01")
    opened.customer()
    opened.customer("euro", currency="EUR")
    opened.plan("pro", [], fee="31.00")
    opened.plan("yearly", [], interval="year")
    opened.post("/v1/plans", {"key": "drafted", "name": "Drafted", "charges": []})
    return opened


def wrong(response: Any) -> dict[str, str]:
    assert response.status_code == 422, response.content
    return {error["field"]: error["code"] for error in response.json()["errors"]}


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"customer": "required", "plan": "required"}),
        ({"customer": "nobody", "plan": "pro"}, {"customer": "unknown_customer"}),
        ({"customer": "acme", "plan": "none"}, {"plan": "unknown_plan"}),
        ({"customer": "acme", "plan": "drafted"}, {"plan": "not_published"}),
        ({"customer": "acme", "plan": "pro", "version": 2}, {"version": "not_published"}),
        ({"customer": "euro", "plan": "pro"}, {"plan": "currency_differs"}),
        ({"customer": "acme", "plan": "pro", "starts_at": "tomorrow"}, {"starts_at": "time"}),
        ({"customer": "acme", "plan": "pro", "anchor": "2027-02-30"}, {"anchor": "date"}),
        ({"customer": "acme", "plan": "pro", "anchor": "0001-01-01"}, {"anchor": "date"}),
        ({"customer": "acme", "plan": "pro", "anchor": "2027-02-01"}, {"anchor": "after_start"}),
        ({"customer": "acme", "plan": "pro", "ends_at": "2026-01-01T00:00:00Z"}, {"ends_at": "too_early"}),
        ({"customer": "acme", "plan": "pro", "overrides": {"cap": "x"}}, {"overrides.cap": "number"}),
        ({"customer": "acme", "plan": "pro", "overrides": ""}, {"overrides": "object"}),
        ({"customer": "acme", "plan": "pro", "overrides": []}, {"overrides": "object"}),
        ({"customer": "acme", "plan": "pro", "start": 1}, {"start": "unknown_field"}),
    ],
)
def test_a_wrong_subscription_is_named(book: Diary, body: dict[str, Any], errors: dict[str, str]) -> None:
    assert wrong(book.api.post("/v1/subscriptions", body)) == errors
    assert not Subscription.objects.exists()


def test_overrides_take_numbers_and_show_them_as_text(book: Diary) -> None:
    body = b'{"customer": "acme", "plan": "pro", "overrides": {"discount_percent": 12.5}}'
    started = book.api.post("/v1/subscriptions", body)
    assert started.status_code == 201, started.content
    assert started.json()["overrides"] == {"discount_percent": "12.5"}


def test_a_subscription_started_twice_with_one_key_is_started_once(book: Diary) -> None:
    body = {"customer": "acme", "plan": "pro"}
    first = book.api.post("/v1/subscriptions", body, idempotency_key="start")
    again = book.api.post("/v1/subscriptions", body, idempotency_key="start")
    assert (again.status_code, again["Idempotent-Replay"], again.json()) == (201, "true", first.json())
    assert Subscription.objects.count() == 1
    other = book.api.post("/v1/subscriptions", body | {"key": "b"}, idempotency_key="start")
    assert wrong(other) == {"Idempotency-Key": "idempotency_key_reused"}
    taken = book.api.post("/v1/subscriptions", body | {"key": "acme"})
    assert taken.status_code == 409
    assert book.post("/v1/subscriptions", body)["key"] == "acme-2"


@pytest.mark.parametrize("at", ["soon", 5, ["now"], "2026-12-31T00:00:00Z"])
def test_a_wrong_moment_of_change_is_refused(book: Diary, at: Any) -> None:
    book.subscribe("pro")
    for step in ("change", "cancel"):
        body = {"at": at} | ({"plan": "pro"} if step == "change" else {})
        answer = book.api.post(f"/v1/subscriptions/acme/{step}", body)
        assert answer.status_code in (409, 422), answer.content
    assert wrong(book.api.post("/v1/subscriptions/acme/change", {"plan": "yearly"})) == {
        "plan": "interval_differs"
    }


def test_a_key_that_two_customers_use_asks_for_the_customer(book: Diary) -> None:
    book.customer("beta")
    ids = [book.subscribe("pro", customer=one, key="main")["id"] for one in ("acme", "beta")]
    assert wrong(book.api.get("/v1/subscriptions/main")) == {"customer": "required"}
    assert book.get("/v1/subscriptions/main", customer="beta")["id"] == ids[1]
    assert book.get(f"/v1/subscriptions/{ids[0]}")["customer"] == "acme"
    listed = book.get("/v1/subscriptions", customer="acme")["results"]
    assert [one["id"] for one in listed] == ids[:1]


@pytest.mark.parametrize(
    ("change", "errors"),
    [
        ({"amount": "0"}, {"amount": "number"}),
        ({"amount": "-1"}, {"amount": "number"}),
        ({"amount": "1e3"}, {"amount": "number"}),
        ({"cost_basis": "0.01", "category": "promotional"}, {"cost_basis": "contradiction"}),
        ({"key": "plan:1"}, {"key": "reserved"}),
        ({"expires_at": "2026-01-01T00:00:00Z"}, {"expires_at": "too_early"}),
        ({"applies_to": {"colour": ["red"]}}, {"applies_to.colour": "path"}),
        ({"applies_to": {"model": "gpt-5"}}, {"applies_to.model": "list"}),
        ({"applies_to": ["model"]}, {"applies_to": "object"}),
        ({"priority": -1}, {"priority": "integer"}),
        ({"customer": "nobody"}, {"customer": "unknown_customer"}),
    ],
)
def test_a_wrong_grant_is_named(book: Diary, change: dict[str, Any], errors: dict[str, str]) -> None:
    answer = book.api.post("/v1/credit-grants", {"customer": "acme", "amount": "5"} | change)
    assert errors.items() <= wrong(answer).items()
    assert not CreditGrant.objects.exists()


@pytest.mark.parametrize(
    "path",
    [
        "/v1/invoices/inv_x",
        "/v1/invoices/BL-000001",
        "/v1/invoices/%00",
        "/v1/invoices/é",
        "/v1/invoices/inv_00000000000000000000000000000000/lines/1/events",
        "/v1/events/none/receipt",
        "/v1/events/a/b/receipt",
        "/v1/events/%00/receipt",
        "/v1/subscriptions/none",
        "/v1/subscriptions/%00",
        "/v1/customers/none/spend",
        "/v1/customers/%00/credits",
    ],
)
def test_what_is_not_there_is_404(book: Diary, path: str) -> None:
    answer = book.api.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_an_event_of_an_unknown_customer_waits_and_says_so(book: Diary) -> None:
    event = book.use("stranger", usage={"output": 5})
    receipt = book.get(f"/v1/events/{event}/receipt")
    assert (receipt["status"], receipt["customer"], receipt["tokens"]) == (
        "unmatched",
        "stranger",
        {"output": "5"},
    )
    assert book.get(f"/v1/events/{event}/receipt", customer="stranger")["status"] == "unmatched"


def test_an_event_id_that_two_customers_use_asks_for_the_customer(book: Diary) -> None:
    for customer in ("acme", "euro"):
        event = {"id": "same", "source": "s", "customer": customer, "type": "llm.call", "time": book.today}
        book.post("/v1/events", event)
    assert wrong(book.api.get("/v1/events/same/receipt")) == {"customer": "required"}
    assert book.get("/v1/events/same/receipt", customer="euro")["customer"] == "euro"
    assert book.get("/v1/events/same/receipt", customer="acme", source="s")["status"] == "rated"
    assert book.api.get("/v1/events/same/receipt", customer="acme", source="t").status_code == 404


def test_the_clock_is_a_sandboxs_alone(book: Diary, settings: Any) -> None:
    assert book.get("/v1/sandbox/clock")["now"].startswith("2027-01-01T00:0")
    back = book.api.post("/v1/sandbox/clock", {"now": "2026-12-31T00:00:00Z"})
    assert (back.status_code, back.json()["code"]) == (409, "conflict")
    settings.SANDBOX = False
    assert book.api.get("/v1/sandbox/clock").status_code == 404
    assert book.api.post("/v1/sandbox/clock", {"now": "2028-01-01T00:00:00Z"}).status_code == 404


def test_a_message_that_stripe_did_not_sign_is_refused(book: Diary) -> None:
    answer = book.api.post("/v1/stripe/webhook", {"id": "evt_1"})
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert book.api.get("/v1/stripe/webhook").status_code == 405
