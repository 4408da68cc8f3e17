"""POST /api/v1/events and /api/v1/events/batch in the shape of Lago's clients."""

import json
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import limits
from core.clock import now
from customers.customers import create_customer
from metering import customer_lookup
from metering.events import hand_over_subscription_lookup
from metering.models import Event, EventConflict, UnmatchedEvent

pytestmark = pytest.mark.django_db
SENT = int(time.time()) - 60


def event(**fields: Any) -> dict[str, Any]:
    plain = {
        "transaction_id": "t1",
        "external_subscription_id": "acme",
        "code": "api_calls",
        "timestamp": SENT,
        "properties": {"region": "eu", "gb": 1.5},
    }
    return plain | fields


@pytest.fixture
def post(door):
    def send(body: Any, path: str = "/api/v1/events", key: str = door.key) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body)
        headers = {"Authorization": f"Bearer {key}"}
        return door.client.post(path, data=data, content_type="application/json", headers=headers)

    return send


@pytest.fixture
def subscriptions():
    """Lets a test say which customer a subscription's key stands for."""
    before = customer_lookup._find_by_subscription
    known: dict[str, int] = {}
    hand_over_subscription_lookup(lambda keys: {key: known[key] for key in keys if key in known})
    yield known
    customer_lookup._find_by_subscription = before


class TestOne:
    def test_it_is_stored_and_answered_as_lago_does(self, post) -> None:
        answer = post({"event": event()})
        assert answer.status_code == 200
        told = answer.json()["event"]
        assert {name: told[name] for name in ("transaction_id", "code", "external_subscription_id")} == {
            "transaction_id": "t1",
            "code": "api_calls",
            "external_subscription_id": "acme",
        }
        assert told["timestamp"] == datetime.fromtimestamp(SENT, UTC).isoformat().replace("+00:00", "Z")
        assert told["properties"] == {"region": "eu", "gb": "1.5"}
        stored = Event.objects.get()
        assert (stored.event_id, stored.source, stored.type, stored.door) == (
            "t1",
            "lago",
            "api_calls",
            "lago",
        )
        assert stored.properties == {"region": "eu", "gb": "1.5"}
        assert stored.occurred_at.timestamp() == SENT

    @pytest.mark.parametrize("written_as", [float, str])
    def test_its_time_may_have_milliseconds_and_be_text(self, post, written_as) -> None:
        post({"event": event(timestamp=written_as(f"{SENT}.123"))})
        assert Decimal(str(Event.objects.get().occurred_at.timestamp())) == SENT + Decimal("0.123")

    def test_without_a_time_it_happened_now(self, post) -> None:
        before = now()
        post({"event": event(timestamp=None)})
        assert before <= Event.objects.get().occurred_at <= now()

    def test_sent_again_it_counts_once(self, post) -> None:
        assert [post({"event": event()}).status_code for _ in range(2)] == [200, 200]
        assert Event.objects.count() == 1

    def test_other_content_under_its_id_is_refused_in_lagos_words(self, post) -> None:
        post({"event": event()})
        answer = post({"event": event(code="other")})
        assert answer.status_code == 422
        assert answer.json() == {
            "status": 422,
            "error": "Unprocessable Entity",
            "code": "validation_errors",
            "error_details": {"transaction_id": ["value_already_exist"]},
        }
        assert EventConflict.objects.count() == 1

    def test_a_subscriptions_key_goes_before_a_customers(self, post, subscriptions) -> None:
        globex = create_customer(key="globex", name="Globex", now=datetime.now(UTC))
        subscriptions["acme"] = globex.id
        post({"event": event()})
        assert Event.objects.get().customer_id == globex.id

    def test_a_name_we_do_not_know_yet_waits(self, post) -> None:
        assert post({"event": event(external_subscription_id="newcomer")}).status_code == 200
        assert UnmatchedEvent.objects.get().customer_key == "newcomer"

    def test_an_exact_amount_is_kept_with_it(self, post) -> None:
        post({"event": event(precise_total_amount_cents="123.45")})
        assert Event.objects.get().properties["precise_total_amount_cents"] == "123.45"

    @pytest.mark.parametrize(
        ("change", "field", "reason"),
        [
            ({"transaction_id": None}, "transaction_id", "value_is_mandatory"),
            ({"external_subscription_id": None}, "external_subscription_id", "value_is_mandatory"),
            ({"code": None}, "code", "value_is_mandatory"),
            ({"timestamp": "soon"}, "timestamp", "Write seconds since 1970, such as 1795253270.942."),
            ({"cod": "x"}, "cod", "There is no such field. Did you mean 'code'?"),
            ({"properties": [1]}, "properties", 'Write an object: {"feature": "chat"}.'),
        ],
    )
    def test_what_is_wrong_is_named_in_their_fields(self, post, change, field, reason) -> None:
        answer = post({"event": event(**change)})
        assert (answer.status_code, answer.json()["error_details"]) == (422, {field: [reason]})

    def test_a_number_beyond_bounds_is_named(self, post) -> None:
        answer = post(json.dumps({"event": event()}).replace("1.5", "1e300").encode())
        assert list(answer.json()["error_details"]) == ["properties.gb"]


class TestLiteLLMsCallback:
    def test_its_tokens_become_usage_and_its_cost_stays_out(self, post) -> None:
        told = {
            "model": "anthropic/claude-sonnet-4-5",
            "response_cost": 1.5e-05,
            "prompt_tokens": 12,
            "completion_tokens": 3,
            "total_tokens": 15,
        }
        sent = event(properties=told, code="litellm")
        del sent["timestamp"]
        assert post({"event": sent}).status_code == 200
        stored = Event.objects.get()
        assert stored.usage == {"input": "12", "output": "3"}
        assert (stored.provider, stored.model) == ("anthropic", "anthropic/claude-sonnet-4-5")
        assert stored.properties == {}

    @pytest.mark.parametrize("counts", [{}, {"prompt_tokens": 0, "completion_tokens": 0}])
    def test_a_call_that_counts_nothing_waits_for_a_person(self, post, counts) -> None:
        post({"event": event(properties={"model": "openai/gpt-5", "response_cost": 0.0} | counts)})
        stored = Event.objects.get()
        assert (stored.provider, stored.usage, stored.unpriced) == ("openai", {}, True)
        assert stored.properties == {}

    @pytest.mark.parametrize(
        "told", [{"prompt_tokens": "many"}, {"prompt_tokens": -1}, {"prompt_tokens": 1.5}]
    )
    def test_what_is_no_count_stays_a_property(self, post, told) -> None:
        post({"event": event(properties=told)})
        stored = Event.objects.get()
        assert (stored.usage, list(stored.properties)) == ({}, ["prompt_tokens"])


class TestABatch:
    def test_it_is_stored_and_answered(self, post) -> None:
        body = {"events": [event(transaction_id=f"t{n}") for n in range(3)]}
        told = post(body, "/api/v1/events/batch").json()["events"]
        assert [one["transaction_id"] for one in told] == ["t0", "t1", "t2"]
        assert Event.objects.count() == 3

    def test_what_is_wrong_is_named_by_place_and_the_rest_is_stored(self, post) -> None:
        body = {"events": [event(), event(transaction_id="t2", code="")]}
        answer = post(body, "/api/v1/events/batch")
        assert (answer.status_code, answer.json()["error_details"]) == (
            422,
            {"1": {"code": ["value_is_mandatory"]}},
        )
        assert Event.objects.count() == 1

    @pytest.mark.parametrize("body", [{}, {"events": []}, {"events": {}}, [], {"event": event()}])
    def test_without_events_it_is_422(self, post, body) -> None:
        assert post(body, "/api/v1/events/batch").status_code == 422

    def test_too_many_are_422(self, post) -> None:
        assert (
            post({"events": [{}] * (limits.BATCH_EVENTS_MAX + 1)}, "/api/v1/events/batch").status_code == 422
        )


class TestACustomersOwnKey:
    def test_it_may_name_itself_or_its_subscription_or_nobody(
        self, post, acme, acme_door, subscriptions
    ) -> None:
        subscriptions["sub-1"] = acme.id
        names = ("acme", "sub-1", None)
        for n, name in enumerate(names):
            sent = event(transaction_id=f"t{n}", external_subscription_id=name)
            assert post({"event": sent}, key=acme_door.key).status_code == 200
        assert set(Event.objects.values_list("customer_id", flat=True)) == {acme.id}

    def test_it_may_name_no_other(self, post, acme, acme_door, subscriptions) -> None:
        globex = create_customer(key="globex", name="Globex", now=datetime.now(UTC))
        subscriptions |= {"sub-2": globex.id, "acme": globex.id}
        for name in ("globex", "sub-2", "newcomer"):
            answer = post({"event": event(external_subscription_id=name)}, key=acme_door.key)
            assert list(answer.json()["error_details"]) == ["external_subscription_id"]
        post({"event": event()}, key=acme_door.key)
        assert Event.objects.get().customer_id == acme.id


@pytest.mark.parametrize("body", [b"", b"{", b"5", b'{"a": 1}', b"\xff", b"[" * 1000])
def test_a_body_that_cannot_be_read_is_refused(post, body) -> None:
    for path in ("/api/v1/events", "/api/v1/events/batch"):
        assert post(body, path).status_code in (400, 422)


def test_a_key_is_needed(post) -> None:
    assert post({"event": event()}, key="wrong").status_code == 401


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=30)
@given(
    changes=st.dictionaries(
        st.sampled_from([*event(), "precise_total_amount_cents", "x"]), ANY_JSON, max_size=3
    ),
    properties=st.dictionaries(
        st.sampled_from(["prompt_tokens", "completion_tokens", "model", "cost", "a"]), ANY_JSON, max_size=3
    ),
    junk=st.binary(max_size=20),
)
def test_nothing_sent_is_a_fault_of_ours(post, acme_door, changes, properties, junk) -> None:
    sent = event(properties=properties) | changes
    for key in (None, acme_door.key):
        named = {} if key is None else {"key": key}
        assert post({"event": sent}, **named).status_code < 500
        assert post({"events": [sent, event()]}, "/api/v1/events/batch", **named).status_code < 500
    assert post(junk).status_code < 500
