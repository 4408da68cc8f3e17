"""POST /v1/litellm, with payloads as LiteLLM's gateway sends them."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import settings
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core import limits
from core.clock import now
from customers.customers import create_customer
from metering.costing import EventCost, hand_over_costing
from metering.models import Event, EventConflict, UnmatchedEvent

pytestmark = pytest.mark.django_db
CAPTURED_ON = datetime(2026, 11, 22, tzinfo=UTC)  # later its calls would be too old to be taken in
CAPTURED = Path(settings.ROOT).parent / "shared" / "payloads" / "litellm_generic_api.json"
STARTED = time.time() - 60
USAGE = {
    "prompt_tokens": 4096,
    "completion_tokens": 503,
    "total_tokens": 4599,
    "prompt_tokens_details": {
        "cached_tokens": 1800,
        "cache_creation_tokens": 248,
        "cache_creation_token_details": {"ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100},
    },
}
BUCKETS = {
    "input": "2048",
    "cache_read": "1800",
    "cache_write_5m": "148",
    "cache_write_1h": "100",
    "output": "503",
}


def payload(**fields: Any) -> dict[str, Any]:
    """A payload, as far as it matters; `metadata` is merged."""
    metadata = {"usage_object": USAGE, "user_api_key_team_id": "team_1", "user_api_key_spend": 1.5e-05}
    plain = {
        "id": "chatcmpl-1",
        "litellm_call_id": "call-1",
        "trace_id": "trace-1",
        "session_id": "",
        "call_type": "acompletion",
        "cache_hit": None,
        "status": "success",
        "custom_llm_provider": "anthropic",
        "model": "claude-sonnet-4-5",
        "startTime": STARTED,
        "endTime": STARTED + 0.8320839405059814,
        "end_user": "acme",
        "response_cost": 1.5384000000000002e-02,
        "prompt_tokens": 4096,
        "completion_tokens": 503,
        "total_tokens": 4599,
        "request_tags": ["prod", "eu"],
        "messages": [{"role": "user", "content": "a secret"}],
        "response": {"choices": [{"message": {"content": "another secret"}}]},
    }
    return plain | fields | {"metadata": metadata | fields.get("metadata", {})}


@pytest.fixture
def post(door):
    def send(body: Any, content_type: str = "application/json", **headers: str) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body)
        given = {"Authorization": f"Bearer {door.key}"} | headers
        return door.client.post("/v1/litellm", data=data, content_type=content_type, headers=given)

    return send


class TestACall:
    def test_it_becomes_an_event_with_its_tokens_apart(self, post) -> None:
        assert post([payload()]).json() == {"accepted": 1, "duplicates": 0, "rejected": []}
        event = Event.objects.get()
        assert (event.event_id, event.source, event.door, event.type) == (
            "call-1",
            "litellm",
            "litellm",
            "llm.call",
        )
        assert event.usage == BUCKETS
        assert (event.provider, event.model, event.status) == ("anthropic", "claude-sonnet-4-5", "ok")
        assert (event.latency_ms, event.run_id) == (832, "trace-1")
        assert abs(event.occurred_at.timestamp() - STARTED) < 1e-5
        assert event.properties == {
            "response_id": "chatcmpl-1",
            "call_type": "acompletion",
            "team": "team_1",
            "tags": "prod,eu",
        }

    def test_neither_prompt_nor_answer_nor_cost_is_kept(self, post) -> None:
        post([payload()])
        kept = json.dumps([str(value) for value in Event.objects.values_list().get()])
        assert "secret" not in kept
        assert "0.01538" not in kept

    def test_it_counts_once_however_often_it_is_sent(self, post) -> None:
        post([payload()])
        assert post([payload()]).json()["duplicates"] == 1

    def test_other_content_under_its_id_is_refused(self, post) -> None:
        post(payload())
        assert post(payload(model="another")).status_code == 409
        assert EventConflict.objects.count() == 1

    def test_the_operators_own_tags_become_properties(self, post) -> None:
        post([payload(metadata={"spend_logs_metadata": {"feature": "chat", "depth": 1.5e-05, "no": [1]}})])
        properties = Event.objects.get().properties
        assert (properties["feature"], properties["depth"]) == ("chat", "0.000015")
        assert "no" not in properties

    def test_the_customer_may_stand_in_the_keys_metadata(self, post) -> None:
        assert (
            post([payload(end_user="", metadata={"user_api_key_end_user_id": "acme"})]).json()["accepted"]
            == 1
        )

    def test_a_customer_we_do_not_know_yet_waits(self, post) -> None:
        assert post([payload(end_user="newcomer")]).json()["unmatched"] == 1
        assert UnmatchedEvent.objects.get().customer_key == "newcomer"
        create_customer(key="newcomer", name="New", now=now())
        assert Event.objects.get().usage == BUCKETS

    def test_without_a_customer_it_is_refused_by_field(self, post) -> None:
        body = post([payload(end_user=None)]).json()
        assert (body["errors"][0]["field"], body["errors"][0]["code"]) == ("events[0].end_user", "required")

    def test_a_session_is_a_run(self, post) -> None:
        post([payload(session_id="s-9")])
        assert Event.objects.get().run_id == "s-9"

    def test_labels_that_cannot_be_kept_do_not_cost_the_call(self, post) -> None:
        odd = {"trace_id": "no id", "model_group": "x\u0000y", "request_tags": ["t" * 5000], "call_type": 7}
        assert post([payload(**odd)]).json()["accepted"] == 1
        event = Event.objects.get()
        assert (event.run_id, event.properties["call_type"], len(event.properties["tags"])) == ("", 7, 200)

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"litellm_call_id": None}, "events[0].litellm_call_id"),
            ({"litellm_call_id": "no id"}, "events[0].litellm_call_id"),
            ({"startTime": -1}, "events[0].startTime"),
            ({"startTime": "soon"}, "events[0].startTime"),
            ({"startTime": 1e40}, "events[0].startTime"),
            ({"startTime": 0}, "events[0].startTime"),
            ({"metadata": {"usage_object": {"prompt_tokens": -1}}}, "events[0].response.usage.prompt_tokens"),
            (
                {"metadata": {"usage_object": {"prompt_tokens": 1.5}}},
                "events[0].response.usage.prompt_tokens",
            ),
        ],
    )
    def test_what_identifies_or_bills_it_is_read_strictly(self, post, change, field) -> None:
        answer = post([payload(**change)])
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == field
        assert not Event.objects.exists()


class TestWhatItCost:
    @pytest.fixture(autouse=True)
    def _a_price(self) -> Any:
        import metering.costing

        before = metering.costing._cost_of
        hand_over_costing(lambda event: EventCost(amount=sum(event.usage.values()), book=1))
        yield
        hand_over_costing(before)

    def test_a_call_costs_by_our_price_book_not_by_litellms(self, post) -> None:
        post([payload(response_cost=99.5)])
        assert Event.objects.get().cost == 4599

    def test_an_answer_from_litellms_cache_cost_nothing_and_keeps_its_tokens(self, post) -> None:
        odd = USAGE | {"unheard_of_tokens": 7}
        post([payload(cache_hit=True, response_cost=0.0, metadata={"usage_object": odd})])
        event = Event.objects.get()
        assert (event.cost, event.unpriced, event.usage) == (0, False, BUCKETS)

    def test_a_failed_call_is_kept_as_failed(self, post) -> None:
        failed = payload(status="failure", metadata={"usage_object": None}, response_cost=0, end_user="acme")
        post([failed | dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), 0)])
        event = Event.objects.get()
        assert (event.status, event.usage, event.cost, event.unpriced) == ("error", {}, 0, False)

    def test_tries_that_failed_do_not_hide_the_answer_that_came_after(self, post) -> None:
        first = payload(status="failure", startTime=STARTED - 2, metadata={"usage_object": None})
        second = payload(status="failure", startTime=STARTED - 1, metadata={"usage_object": None})
        assert post([first, second, payload()]).json()["accepted"] == 3
        assert Event.objects.get(status="ok").event_id == "call-1"

    def test_a_billed_call_that_counts_nothing_waits_for_a_person(self, post) -> None:
        uncounted = payload(call_type="arerank", metadata={"usage_object": None})
        post([uncounted | dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), 0)])
        assert Event.objects.get().unpriced

    @pytest.mark.parametrize(
        ("call_type", "unpriced"),
        [("acompletion", True), ("completion", True), ("aresponses", True), ("anthropic_messages", True)]
        + [("aembedding", True), ("amoderation", False), ("acreate_file", False), ("alist_batches", False)],
    )
    def test_a_stream_that_was_not_asked_for_its_usage_is_not_free(self, post, call_type, unpriced) -> None:
        zeros = dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), 0)
        told = payload(call_type=call_type, metadata={"usage_object": zeros}, response_cost=0.0, stream=True)
        post([told | zeros])
        stored = Event.objects.get()
        assert (stored.usage, stored.unpriced) == ({}, unpriced)

    def test_without_a_usage_object_its_own_three_counts_are_read(self, post) -> None:
        post([payload(metadata={"usage_object": None})])
        assert Event.objects.get().usage == {"input": "4096", "output": "503"}


class TestABody:
    @pytest.mark.parametrize("content_type", ["application/x-ndjson", "application/json"])
    def test_it_may_hold_a_payload_a_line(self, post, content_type) -> None:
        lines = "\n".join(json.dumps(payload(litellm_call_id=f"c{n}")) for n in range(3))
        assert post(lines.encode() + b"\n", content_type).json()["accepted"] == 3

    def test_it_may_be_one_payload_over_several_lines(self, post) -> None:
        assert post(json.dumps(payload(), indent=1).encode()).json()["accepted"] == 1

    def test_one_bad_payload_does_not_hold_up_the_others(self, post) -> None:
        body = post([payload(), {"litellm_call_id": 5}, 7]).json()
        assert body["accepted"] == 1
        assert [refused["index"] for refused in body["rejected"]] == [1, 2]

    def test_prompts_may_be_as_deep_and_odd_as_they_like(self, post) -> None:
        deep: Any = "leaf"
        for _ in range(100):
            deep = {"items": [deep]}
        odd = json.dumps(payload(messages=deep)).replace('"leaf"', '{"twice": 1, "twice": 2, "big": 1e999}')
        assert post(b"[" + odd.encode() + b"]").json()["accepted"] == 1

    def test_a_batch_of_512_with_their_prompts_fits(self, post) -> None:
        batch = [payload(litellm_call_id=f"c{n}", messages="m" * 15_000) for n in range(512)]
        assert post(batch).json()["accepted"] == 512

    def test_a_larger_one_is_413(self, post) -> None:
        assert post(b"[" + b" " * limits.TELEMETRY_BYTES_MAX + b"]").status_code == 413

    def test_too_many_payloads_are_413(self, post) -> None:
        assert post(b"[" + b",".join([b"{}"] * (limits.TELEMETRY_EVENTS_MAX + 1)) + b"]").status_code == 413

    @pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[{]", b"nonsense", b"[" * 100_000, b"\xff"])
    def test_one_that_cannot_be_read_is_refused(self, post, body) -> None:
        assert post(body).status_code in (400, 422)

    def test_a_key_is_needed(self, client) -> None:
        assert client.post("/v1/litellm", "[]", content_type="application/json").status_code == 401


def test_a_customers_key_takes_its_own_calls_and_no_others(acme_door) -> None:
    def send(body: Any) -> Any:
        headers = {"Authorization": f"Bearer {acme_door.key}"}
        return acme_door.client.post(
            "/v1/litellm", json.dumps(body), content_type="application/json", headers=headers
        )

    assert send(payload(end_user=None)).json()["accepted"] == 1
    assert send(payload(litellm_call_id="c2", end_user="globex")).status_code == 422


@pytest.mark.skipif(not CAPTURED.exists(), reason="the captured payloads are not beside this checkout")
def test_a_captured_payload_is_read_whole(post) -> None:
    captured = json.loads(CAPTURED.read_text())["/generic"]
    calls = captured if isinstance(captured[0], dict) else captured[0]
    with time_machine.travel(CAPTURED_ON):
        answer = post(calls)
    assert answer.json() == {"accepted": 1, "duplicates": 0, "rejected": [], "unmatched": 1}
    received = UnmatchedEvent.objects.get().received
    assert received["customer"] == "cust_42"
    assert received["usage"] == BUCKETS
    assert "Paris" not in json.dumps(received)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@hypothesis_settings(
    max_examples=30,
)
@given(
    changes=st.dictionaries(st.sampled_from(sorted(payload())), ANY_JSON, max_size=4),
    metadata=st.dictionaries(st.sampled_from(["usage_object", "spend_logs_metadata"]), ANY_JSON, max_size=2),
    junk=st.binary(max_size=20),
)
@example(changes={"litellm_call_id": "\ud800"}, metadata={}, junk=b"")
@example(changes={}, metadata={"usage_object": {"a\u0000": 1}}, junk=b"")
def test_no_payload_is_a_fault_of_ours(post, changes, metadata, junk) -> None:
    fields = payload(metadata=metadata) | changes
    for body in (json.dumps([fields]).encode(), json.dumps(fields).encode()[:-1] + junk, junk):
        assert post(body).status_code < 500
