"""``/v1/events/rejected`` and ``/v1/events/unmatched``, as an operator's program uses them."""

from typing import Any

import pytest

from customers.models import Customer
from metering.models import Event, RejectedEvent, UnmatchedEvent
from tests.conftest import Api

pytestmark = pytest.mark.django_db


@pytest.fixture
def refused(acme: Customer, operator_api: Api, event: Any) -> str:
    """The id of a refused event."""
    operator_api.post("/v1/events", event(quantity="many", latency_ms=1))
    return str(operator_api.get("/v1/events/rejected").json()["results"][0]["id"])


def test_refused_events_are_listed_and_filtered(refused: str, operator_api: Api, event: Any) -> None:
    operator_api.post("/v1/events", event(id="e2", modell="x"))
    found = operator_api.get("/v1/events/rejected").json()["results"]
    assert [row["event"] for row in found] == ["e2", "e1"]
    assert found[1]["received"] == event(quantity="many", latency_ms=1)
    assert (found[1]["state"], found[1]["code"], found[1]["field"]) == ("open", "number", "quantity")
    for query in ({"id": "e1"}, {"code": "number"}, {"customer": "acme", "door": "native", "code": "number"}):
        rows = operator_api.get("/v1/events/rejected", **query).json()["results"]
        assert [row["event"] for row in rows] == ["e1"]
    assert operator_api.get("/v1/events/rejected", state="settled").json()["results"] == []
    assert operator_api.get("/v1/events/rejected", state="odd").status_code == 422
    page = operator_api.get("/v1/events/rejected", limit=1).json()
    assert operator_api.get("/v1/events/rejected", cursor=page["next"]).json()["results"][0]["event"] == "e1"


def test_one_is_sent_again_mended_and_once(refused: str, operator_api: Api, event: Any) -> None:
    path = f"/v1/events/rejected/{refused}/replay"
    assert operator_api.post(path).json()["outcome"] == "rejected"
    body = {"event": event(quantity="2.50")}
    done = operator_api.post(path, body, idempotency_key="k1")
    assert (done.status_code, done.json()["outcome"], done.json()["settled"]) == (200, "accepted", True)
    assert operator_api.post(path, body, idempotency_key="k1").json() == done.json()
    assert operator_api.post(path, body).status_code == 409
    assert str(Event.objects.get().quantity).startswith("2.5")
    assert RejectedEvent.objects.get().closed_by.startswith("API key ")


@pytest.mark.parametrize("body", [{"event": 5}, {"event": []}, {"even": {}}])
def test_a_replay_that_cannot_be_read_names_its_field(refused: str, operator_api: Api, body: Any) -> None:
    answer = operator_api.post(f"/v1/events/rejected/{refused}/replay", body)
    assert answer.status_code == 422 and answer.json()["errors"][0]["field"] in ("event", "even")


def test_one_is_given_up(refused: str, operator_api: Api) -> None:
    path = f"/v1/events/rejected/{refused}/discard"
    assert [operator_api.post(path).json() for _ in range(2)] == [{"discarded": 1}, {"discarded": 0}]
    assert (
        operator_api.get("/v1/events/rejected", state="settled").json()["results"][0]["outcome"]
        == "discarded"
    )


@pytest.mark.parametrize("id", ["x", "rej_zz", "rej_" + "0" * 32])
def test_what_is_not_there_is_404(operator_api: Api, id: str) -> None:
    for act in ("replay", "discard"):
        assert operator_api.post(f"/v1/events/rejected/{id}/{act}").status_code == 404


def test_customers_keys_see_none_of_it(refused: str, api_with_key: Any, acme: Customer) -> None:
    own = api_with_key(customer=acme)
    for path in ("/v1/events/rejected", "/v1/events/unmatched"):
        assert own.get(path).status_code == 403
    for path in (f"/v1/events/rejected/{refused}/replay", "/v1/events/unmatched/take-in"):
        assert own.post(path).status_code == 403


def test_unmatched_events_are_listed_taken_in_and_given_up(
    acme: Customer, operator_api: Api, event: Any
) -> None:
    operator_api.post("/v1/events", [event(id=f"u{n}", customer="typo") for n in range(3)])
    operator_api.post("/v1/events", event(id="other", customer="nobody"))
    rows = operator_api.get("/v1/events/unmatched", customer="typo").json()["results"]
    assert [row["id"] for row in rows] == ["u2", "u1", "u0"]
    body = {"key": "typo", "customer": "acme"}
    done = operator_api.post("/v1/events/unmatched/take-in", body, idempotency_key="k").json()
    assert done == {"accepted": 3, "duplicates": 0, "conflicts": 0, "left": 0}
    assert operator_api.post("/v1/events/unmatched/take-in", body, idempotency_key="k").json() == done
    assert Event.objects.filter(customer_id=acme.id).count() == 3
    assert operator_api.post("/v1/events/unmatched/discard", {"key": "nobody"}).json() == {"discarded": 1}
    assert not UnmatchedEvent.objects.filter(matched_at=None, discarded_at=None).exists()
    unknown = operator_api.post("/v1/events/unmatched/take-in", {"key": "typo", "customer": "ghost"})
    assert unknown.json()["errors"][0]["code"] == "unknown_customer"
