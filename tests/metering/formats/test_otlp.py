"""POST /v1/traces, in protobuf and JSON, with spans as instrumentations write them."""

import gzip
import json
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from google.protobuf.json_format import ParseDict
from google.rpc.status_pb2 import Status
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from core import limits
from core.problems import Unavailable
from metering import traces_api
from metering.formats.genai_spans import WANTED, usage_of
from metering.formats.usage import normalise
from metering.models import Event, EventConflict, UnmatchedEvent

pytestmark = pytest.mark.django_db
PAYLOADS = Path(settings.ROOT).parent / "shared" / "payloads"
CAPTURED = {
    "application/x-protobuf": PAYLOADS / "otlp_openai.bin",
    "application/json": PAYLOADS / "otlp_openai.json",
}
STARTED = time.time_ns() - 60 * 10**9
CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-5",
    "gen_ai.response.model": "gpt-5-2025-08-07",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.usage.input_tokens": 2006,
    "gen_ai.usage.output_tokens": 300,
}


def value(plain: Any) -> dict[str, Any]:
    if isinstance(plain, bool):
        return {"boolValue": plain}
    if isinstance(plain, int):
        return {"intValue": str(plain)}
    if isinstance(plain, float):
        return {"doubleValue": plain}
    return {"stringValue": plain}


def attributes(plain: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value(one)} for key, one in plain.items() if one is not None]


def span(told: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    plain = {
        "traceId": "18516ee7e4c4880caaf1651e4df54a36",
        "spanId": "3ed6728d593e173f",
        "name": "chat gpt-5",
        "startTimeUnixNano": str(STARTED),
        "endTimeUnixNano": str(STARTED + 14_928_013),
        "attributes": attributes(CALL if told is None else told),
    }
    return plain | fields


def export(*spans: dict[str, Any], resource: dict[str, Any] | None = None) -> dict[str, Any]:
    told = {"customer.id": "acme", "service.name": "shop"} if resource is None else resource
    scopes = [{"scope": {"name": "my.instrumentation"}, "spans": list(spans)}]
    return {"resourceSpans": [{"resource": {"attributes": attributes(told)}, "scopeSpans": scopes}]}


def as_protobuf(body: dict[str, Any]) -> bytes:
    """OTLP's JSON writes ids in hexadecimal, where protobuf's own mapping has base64."""
    written = json.loads(json.dumps(body), object_hook=_base64_ids)
    return ParseDict(written, ExportTraceServiceRequest()).SerializeToString()


def _base64_ids(item: dict[str, Any]) -> dict[str, Any]:
    import base64

    for name in ("traceId", "spanId", "parentSpanId"):
        if item.get(name):
            item[name] = base64.b64encode(bytes.fromhex(item[name])).decode()
    return item


@pytest.fixture
def post(door):
    def send(body: Any, content_type: str = "application/json", key: str = door.key, **headers: str) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body)
        given = {"Authorization": f"Bearer {key}"} | headers
        return door.client.post("/v1/traces", data=data, content_type=content_type, headers=given)

    return send


class TestACall:
    @pytest.mark.parametrize("content_type", ["application/json", "application/x-protobuf"])
    def test_it_becomes_an_event_in_either_encoding(self, post, content_type) -> None:
        body = export(span(parentSpanId="aaaaaaaaaaaaaaaa"))
        answer = post(body if content_type.endswith("json") else as_protobuf(body), content_type)
        assert (answer.status_code, answer["Content-Type"]) == (200, content_type)
        assert answer.content == (b"{}" if content_type.endswith("json") else b"")
        event = Event.objects.get()
        assert (event.event_id, event.source, event.door) == ("chatcmpl-1", "genai:openai", "otlp")
        assert (event.type, event.provider, event.model) == ("llm.call", "openai", "gpt-5-2025-08-07")
        assert event.usage == {"input": "2006", "output": "300"}
        assert (event.latency_ms, event.status, event.unpriced) == (14, "ok", True)
        assert abs(event.occurred_at.timestamp() - STARTED / 10**9) < 1e-5
        assert event.run_id == "18516ee7e4c4880caaf1651e4df54a36"
        assert event.run == {"parent": "aaaaaaaaaaaaaaaa"}
        assert event.properties == {
            "operation": "chat",
            "service": "shop",
            "emitter": "my.instrumentation",
            "span": "3ed6728d593e173f",
        }

    def test_it_counts_once_however_often_it_is_exported(self, post) -> None:
        for _ in range(2):
            assert post(export(span())).json() == {}
        assert Event.objects.count() == 1

    def test_without_a_response_id_the_span_is_its_identity(self, post) -> None:
        told = CALL | {"gen_ai.response.id": None}
        for _ in range(2):
            assert post(export(span(told), span(told, spanId="bb" * 8))).json() == {}
        ids = set(Event.objects.values_list("event_id", flat=True))
        assert ids == {f"18516ee7e4c4880caaf1651e4df54a36:{own}" for own in ("3ed6728d593e173f", "bb" * 8)}

    def test_the_customer_on_the_span_goes_before_the_resources(self, post) -> None:
        post(export(span(CALL | {"customer.id": "acme"}), resource={"customer.id": "another"}))
        assert Event.objects.count() == 1

    def test_a_customers_own_key_names_it(self, post, acme_door) -> None:
        assert post(export(span(), resource={}), key=acme_door.key).json() == {}
        assert Event.objects.count() == 1

    def test_a_customers_own_key_reports_for_nobody_else(self, post, acme_door) -> None:
        body = post(export(span(), resource={"customer.id": "globex"}), key=acme_door.key).json()
        assert body["partialSuccess"]["rejectedSpans"] == "1"
        assert not Event.objects.exists() and not UnmatchedEvent.objects.exists()

    def test_without_a_customer_it_is_rejected_by_name(self, post) -> None:
        body = post(export(span(), resource={})).json()["partialSuccess"]
        assert body["rejectedSpans"] == "1"
        assert "spans[0].customer" in body["errorMessage"]

    def test_a_customer_we_do_not_know_yet_waits(self, post) -> None:
        assert post(export(span(), resource={"customer.id": "newcomer"})).json() == {}
        assert UnmatchedEvent.objects.get().received["usage"] == {"input": "2006", "output": "300"}

    def test_a_failed_one_is_kept_as_failed(self, post) -> None:
        failed = {name: CALL.get(name) for name in ("gen_ai.operation.name", "gen_ai.provider.name")}
        post(export(span(failed, status={"code": 2})))
        event = Event.objects.get()
        assert (event.status, event.usage, event.unpriced) == ("error", {}, False)

    def test_one_that_tells_no_usage_waits_for_a_person(self, post) -> None:
        streamed = CALL | {"gen_ai.usage.input_tokens": None, "gen_ai.usage.output_tokens": None}
        post(export(span(streamed)))
        event = Event.objects.get()
        assert (event.usage, event.unpriced) == ({}, True)

    def test_prompts_are_not_kept(self, post) -> None:
        post(
            export(span(CALL | {"gen_ai.input.messages": "a secret", "gen_ai.prompt.0.content": "a secret"}))
        )
        assert "secret" not in json.dumps([str(value) for value in Event.objects.values_list().get()])

    @pytest.mark.parametrize(
        ("told", "place"),
        [
            ({"gen_ai.usage.input_tokens": -1}, "spans[0].response.usage.prompt_tokens"),
            ({"gen_ai.usage.input_tokens": 1.5}, "spans[0].response.usage.prompt_tokens"),
            ({"gen_ai.usage.input_tokens": "many"}, "spans[0].response.usage.prompt_tokens"),
            (
                {"gen_ai.usage.reasoning_tokens": -1},
                "spans[0].response.usage.completion_tokens_details.reasoning_tokens",
            ),
            ({"customer.id": "no id"}, "spans[0].customer"),
        ],
    )
    def test_what_identifies_or_bills_it_is_read_strictly(self, post, told, place) -> None:
        rejected = post(export(span(CALL | told))).json()["partialSuccess"]
        assert rejected["errorMessage"].startswith(f"{place}: ")
        assert not Event.objects.exists()

    @pytest.mark.parametrize(
        ("started", "field"), [(1, "time"), (2**62, "time"), (2**63, "startTimeUnixNano")]
    )
    def test_a_time_long_ago_or_ahead_is_rejected(self, post, started, field) -> None:
        rejected = post(export(span(startTimeUnixNano=str(started)))).json()["partialSuccess"]
        assert rejected["errorMessage"].startswith(f"spans[0].{field}: ")


class TestTokens:
    @pytest.mark.parametrize(
        ("told", "buckets"),
        [
            ({"cache_read.input_tokens": 6}, {"input": 94, "cache_read": 6}),
            ({"cache_read_input_tokens": 6}, {"input": 94, "cache_read": 6}),
            ({"cached_tokens": 6}, {"input": 94, "cache_read": 6}),
            ({"cache_write.input_tokens": 6}, {"input": 94, "cache_write_5m": 6}),
            ({"cache_creation.input_tokens": 6}, {"input": 94, "cache_write_5m": 6}),
            ({"cache_creation_input_tokens": 6}, {"input": 94, "cache_write_5m": 6}),
            ({"reasoning.output_tokens": 6}, {"input": 100, "output": 44, "reasoning": 6}),
            ({"reasoning_tokens": 6}, {"input": 100, "output": 44, "reasoning": 6}),
            ({"audio.input_tokens": 6}, {"input": 94, "input_audio": 6}),
            ({"image.output_tokens": 6}, {"input": 100, "output": 44, "output_image": 6}),
        ],
    )
    def test_each_is_taken_out_of_its_side_under_every_name_it_has_had(self, told, buckets) -> None:
        sides = {"gen_ai.usage.prompt_tokens": 100, "gen_ai.usage.completion_tokens": 50}
        usage, flags = usage_of(sides | {f"gen_ai.usage.{name}": count for name, count in told.items()})
        found = normalise("anthropic", "opentelemetry", usage)
        assert (found.buckets, found.flags, flags) == ({"output": 50} | buckets, (), ())

    def test_anthropics_lifetimes_are_told_apart(self) -> None:
        usage, _ = usage_of(
            {
                "gen_ai.usage.input_tokens": 4096,
                "gen_ai.usage.cache_read.input_tokens": 1800,
                "gen_ai.usage.cache_write.input_tokens": 248,
                "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": 148,
                "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": 100,
            }
        )
        found = normalise("anthropic", "opentelemetry", usage).buckets
        assert found == {"input": 2048, "cache_read": 1800, "cache_write_5m": 148, "cache_write_1h": 100}

    def test_thinking_beside_the_answer_is_told_by_the_total(self) -> None:
        usage, _ = usage_of(
            {
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.usage.output_tokens": 5,
                "gen_ai.usage.reasoning_tokens": 7,
                "gen_ai.usage.total_tokens": 22,
            }
        )
        assert normalise("xai", "opentelemetry", usage).buckets == {"input": 10, "output": 5, "reasoning": 7}

    def test_cached_tokens_that_cannot_be_in_the_prompt_stand_beside_it_and_are_flagged(self, post) -> None:
        post(export(span(CALL | {"gen_ai.usage.input_tokens": 200, "gen_ai.usage.cached_tokens": 1800})))
        event = Event.objects.get()
        assert (event.usage, event.unpriced) == (
            {"input": "200", "cache_read": "1800", "output": "300"},
            True,
        )
        assert "mismatch:gen_ai.usage.input_tokens" in event.raw["flags"]

    @pytest.mark.parametrize("name", ["openai.response.service_tier", "gen_ai.openai.response.service_tier"])
    def test_the_tier_that_served_the_call_is_its_context(self, post, name) -> None:
        post(export(span(CALL | {name: "flex"})))
        assert Event.objects.get().context == "flex"


class TestSpansOfOtherWork:
    @pytest.mark.parametrize(
        "operation", ["invoke_agent", "execute_tool", "invoke_workflow", "fetch_response"]
    )
    def test_those_around_a_call_are_passed_over(self, post, operation) -> None:
        assert post(export(span(CALL | {"gen_ai.operation.name": operation}))).json() == {}
        assert not Event.objects.exists()

    def test_those_of_the_web_are_passed_over(self, post) -> None:
        assert post(export(span({"http.request.method": "GET"}), resource={})).json() == {}
        assert not Event.objects.exists()


class TestOneCallReportedSeveralTimes:
    RICH = CALL | {"gen_ai.usage.cache_read.input_tokens": 1920, "gen_ai.usage.reasoning_tokens": 192}

    @pytest.mark.parametrize("richest_first", [True, False])
    def test_the_report_that_tells_most_is_kept(self, post, richest_first) -> None:
        reports = [span(self.RICH), span(CALL, spanId="bb" * 8)]
        post(export(*(reports if richest_first else reversed(reports))))
        kept = {"input": "86", "cache_read": "1920", "output": "108", "reasoning": "192"}
        assert Event.objects.get().usage == kept

    def test_a_later_report_of_as_many_tokens_is_a_duplicate(self, post) -> None:
        post(export(span(CALL)))
        later = span(self.RICH, spanId="bb" * 8, startTimeUnixNano=str(STARTED + 1))
        assert post(export(later)).json() == {}
        assert Event.objects.get().usage == {"input": "2006", "output": "300"}
        assert not EventConflict.objects.exists()

    def test_a_later_report_of_other_counts_is_a_conflict_that_is_kept(self, post) -> None:
        post(export(span(CALL)))
        rejected = post(export(span(CALL | {"gen_ai.usage.output_tokens": 301}))).json()["partialSuccess"]
        assert "other content" in rejected["errorMessage"]
        assert EventConflict.objects.get().received["usage"]["output"] == "301"

    def test_the_same_id_from_another_provider_is_another_call(self, post) -> None:
        post(export(span(CALL), span(CALL | {"gen_ai.provider.name": "anthropic"})))
        assert Event.objects.count() == 2


class TestTheProtocol:
    def test_gzip_is_read(self, post) -> None:
        body = gzip.compress(as_protobuf(export(span())))
        assert post(body, "application/x-protobuf", **{"Content-Encoding": "gzip"}).status_code == 200
        assert Event.objects.count() == 1

    def test_a_bomb_is_413(self, post) -> None:
        bomb = gzip.compress(b"\0" * (limits.TELEMETRY_BYTES_MAX + 1))
        answer = post(bomb, "application/x-protobuf", **{"Content-Encoding": "gzip"})
        assert answer.status_code == 413
        assert "bytes" in Status.FromString(answer.content).message

    def test_a_collectors_batch_of_8192_spans_fits(self, post) -> None:
        many = [span(CALL | {"gen_ai.response.id": f"r{n}"}) for n in range(2048)]
        many += [span({"http.request.method": "GET"})] * 6144
        assert post(as_protobuf(export(*many)), "application/x-protobuf").status_code == 200
        assert Event.objects.count() == 2048

    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b"[]",
            b'{"resourceSpans": 5}',
            b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": "x"}]}]}]}',
            b"[" * 100_000,
        ],
    )
    def test_json_that_cannot_be_decoded_is_400(self, post, body) -> None:
        answer = post(body)
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/json")
        assert answer.json()["message"]

    @pytest.mark.parametrize("body", [b"\x0a\xff", b"{}", b"\x0a\x06\x0a\x04\x0a\x02\x0a\xff"])
    def test_protobuf_that_cannot_be_decoded_is_400(self, post, body) -> None:
        answer = post(body, "application/x-protobuf")
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/x-protobuf")
        assert Status.FromString(answer.content).message

    def test_names_that_are_not_known_are_passed_over(self, post) -> None:
        body = export(span(unheardOf={"a": [1.5e300]})) | {"other": [1]}
        assert post(body).json() == {}
        assert Event.objects.count() == 1

    def test_an_empty_export_is_a_full_success(self, post) -> None:
        assert post({}).json() == {}
        empty = post(b"", **{"Content-Type": "application/x-protobuf"})
        assert (empty.status_code, empty.content) == (200, b"")

    def test_some_rejected_is_a_partial_success(self, post) -> None:
        body = export(span(), span(CALL | {"gen_ai.response.id": "r2", "customer.id": "no id"}))
        answer = post(as_protobuf(body), "application/x-protobuf")
        told = ExportTraceServiceResponse.FromString(answer.content).partial_success
        assert (answer.status_code, told.rejected_spans) == (200, 1)
        assert Event.objects.count() == 1

    def test_another_type_is_415(self, post) -> None:
        assert post(b"x", "text/plain").status_code == 415

    def test_a_key_is_needed(self, post) -> None:
        answer = post({}, key="wrong")
        assert (answer.status_code, answer.json()["message"][:12]) == (401, "This API key")

    def test_overload_is_503_with_a_time_to_come_back(self, post, monkeypatch) -> None:
        def overloaded(*args: Any, **kwargs: Any) -> None:
            raise Unavailable("Too much at once.")

        monkeypatch.setattr(traces_api, "take_in", overloaded)
        answer = post(as_protobuf(export(span())), "application/x-protobuf")
        assert (answer.status_code, answer["Retry-After"]) == (503, str(limits.UNAVAILABLE_RETRY_SECONDS))
        assert Status.FromString(answer.content).message == "Too much at once."


@pytest.mark.parametrize("content_type", sorted(CAPTURED))
def test_a_captured_export_is_read_whole(post, content_type) -> None:
    if not CAPTURED[content_type].exists():
        pytest.skip("the captured exports are not beside this checkout")
    assert post(CAPTURED[content_type].read_bytes(), content_type).status_code == 200
    kept = {row.event_id: row.received for row in UnmatchedEvent.objects.filter(customer_key="cus_123")}
    embedded = kept.pop("fe22ad6e24e02f42e5f032e35eb6b87a:91698f69a6347e7b")
    assert embedded["usage"] == {"input": "8"}
    # Three spans bear one response id; the one with most kinds of tokens stands for the call.
    assert {event_id: received["usage"] for event_id, received in kept.items()} == {
        "chatcmpl-Bx1": {"input": "86", "cache_read": "1920", "output": "108", "reasoning": "192"},
        "resp_1": {"input": "200", "cache_read": "128", "output": "20", "reasoning": "32"},
    }
    assert "Paris" not in json.dumps(kept)


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    told=st.dictionaries(
        st.sampled_from(sorted(WANTED)),
        st.text(max_size=6)
        | st.integers(-(2**63), 2**63 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.booleans(),
        max_size=8,
    ),
    started=st.integers(0, 2**64 - 1),
    junk=st.binary(max_size=30),
)
def test_no_span_is_a_fault_of_ours(post, told, started, junk) -> None:
    body = export(span(CALL | told, startTimeUnixNano=str(started), traceId="", spanId=""))
    written = json.dumps(body).encode()
    for data, content_type in (
        (written, "application/json"),
        (written[:-3] + junk, "application/json"),
        (junk, "application/x-protobuf"),
        (as_protobuf(body) + junk, "application/x-protobuf"),
    ):
        assert post(data, content_type).status_code < 500


def test_a_double_keeps_the_digits_it_was_written_with(post) -> None:
    post(as_protobuf(export(span(CALL | {"gen_ai.user": 0.1}))), "application/x-protobuf")
    assert Decimal(Event.objects.get().properties["user"]) == Decimal("0.1")
