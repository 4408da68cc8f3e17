"""POST /api/v1/events in the shape of OpenMeter's clients."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import now
from metering.models import Event, UnmatchedEvent

pytestmark = pytest.mark.django_db
ONE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"


def event(**fields: Any) -> dict[str, Any]:
    plain = {
        "specversion": "1.0",
        "id": "e1",
        "source": "my-service",
        "type": "prompt",
        "subject": "acme",
        "time": now().isoformat(),
        "data": {"tokens": "123", "model": "gpt-4o", "ratio": 1.5e-05},
    }
    return plain | fields


@pytest.fixture
def post(door):
    def send(body: Any, content_type: str = ONE, key: str = door.key) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body)
        headers = {"Authorization": f"Bearer {key}"}
        return door.client.post("/api/v1/events", data=data, content_type=content_type, headers=headers)

    return send


@pytest.mark.parametrize("content_type", [ONE, "application/json"])
def test_one_is_stored_and_answered_with_nothing(post, content_type) -> None:
    answer = post(event(), content_type)
    assert (answer.status_code, answer.content) == (204, b"")
    stored = Event.objects.get()
    assert (stored.event_id, stored.source, stored.type) == ("e1", "my-service", "prompt")
    assert (stored.door, stored.model) == ("openmeter", "gpt-4o")
    assert stored.properties == {"tokens": "123", "ratio": "0.000015"}


@pytest.mark.parametrize("content_type", [BATCH, "application/json"])
def test_several_are_stored(post, content_type) -> None:
    assert post([event(), event(id="e2")], content_type).status_code == 204
    assert Event.objects.count() == 2


def test_one_sent_again_counts_once(post) -> None:
    sent = event()
    assert [post(sent).status_code for _ in range(2)] == [204, 204]
    assert Event.objects.count() == 1


def test_other_content_under_its_id_is_a_conflict(post) -> None:
    post(event())
    answer = post(event(type="other"))
    assert (answer.status_code, answer["Content-Type"]) == (409, "application/problem+json")


def test_a_subject_we_do_not_know_yet_waits(post) -> None:
    assert post(event(subject="newcomer")).status_code == 204
    assert UnmatchedEvent.objects.get().customer_key == "newcomer"


def test_a_bad_one_in_a_batch_is_named_and_the_others_are_stored(post) -> None:
    answer = post([event(), event(id="e2", specversion="2.0"), 5], BATCH)
    told = answer.json()
    assert (answer.status_code, told["accepted"]) == (422, 1)
    assert [error["field"] for error in told["errors"]] == ["events[1].specversion", "events[2]"]
    assert Event.objects.count() == 1


def test_litellms_callback_brings_tokens_and_its_cost_stays_out(post) -> None:
    told = {
        "model": "gpt-4o",
        "cost": 2.25e-05,
        "prompt_tokens": 9,
        "completion_tokens": 0,
        "total_tokens": 9,
    }
    assert post(event(type="litellm_tokens", source="litellm-proxy", data=told)).status_code == 204
    stored = Event.objects.get()
    assert (stored.model, stored.usage, stored.properties) == ("gpt-4o", {"input": "9"}, {})


@pytest.mark.parametrize("counts", [{}, {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}])
def test_litellms_callback_without_tokens_tells_of_a_call_that_is_not_free(post, counts) -> None:
    told = {"model": "gpt-5", "cost": 0.0033475} | counts
    post(event(type="litellm_tokens", source="litellm-proxy", data=told))
    stored = Event.objects.get()
    assert (stored.model, stored.usage, stored.unpriced) == ("gpt-5", {}, True)
    assert stored.properties == {}


def test_litellms_callback_names_the_call_by_its_response(post) -> None:
    told = {"model": "gpt-5", "cost": 0.0033475, "prompt_tokens": 9, "completion_tokens": 0}
    post(event(id="chatcmpl-1234", source="litellm-proxy", data=told))
    post(event(id="my-own", data={"usage": {"input": 9}, "response_id": "chatcmpl-1234"}))
    assert Event.objects.get().event_id == "chatcmpl-1234"


def test_a_cost_that_somebody_else_tells_is_theirs_and_stays(post) -> None:
    post(event(data={"cost": 5}))
    stored = Event.objects.get()
    assert (stored.properties, stored.unpriced) == ({"cost": 5}, False)


def test_usage_in_our_own_shape_goes_before_tokens_among_the_data(post) -> None:
    post(event(data={"usage": {"output": 7}, "prompt_tokens": 9}))
    stored = Event.objects.get()
    assert (stored.usage, stored.properties) == ({"output": "7"}, {"prompt_tokens": 9})


@pytest.mark.parametrize(
    ("change", "field"), [({"source": None}, "source"), ({"id": ""}, "id"), ({"subject": None}, "customer")]
)
def test_a_wrong_one_is_refused_by_field(post, change, field) -> None:
    assert post(event(**change)).json()["errors"][0]["field"] == field


def test_a_customers_own_key_reports_for_nobody_else(post, acme_door) -> None:
    assert post(event(), key=acme_door.key).status_code == 204
    assert post(event(id="e2", subject="globex"), key=acme_door.key).status_code == 422


def test_an_empty_batch_is_refused(post) -> None:
    assert post([], BATCH).status_code == 422


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = ["specversion", "id", "source", "type", "subject", "time", "data", "dataschema", "x"]
DATA = ["usage", "response", "model", "prompt_tokens", "completion_tokens", "quantity", "run", "a"]


@settings(max_examples=30)
@given(
    changes=st.dictionaries(st.sampled_from(NAMES), ANY_JSON, max_size=3),
    data=st.dictionaries(st.sampled_from(DATA), ANY_JSON, max_size=3),
    junk=st.binary(max_size=20),
)
def test_nothing_sent_is_a_fault_of_ours(post, changes, data, junk) -> None:
    sent = event(data=data) | changes
    assert post(sent).status_code < 500
    assert post([sent, event()], BATCH).status_code < 500
    assert post(json.dumps(sent).encode()[:-1] + junk).status_code < 500
