"""POST /v1/traces: OTLP/HTTP in protobuf and JSON."""

import gzip
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import settings
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from core import limits
from core.problems import Unavailable
from metering.api import traces
from metering.formats.genai_spans import WANTED
from metering.models import Event, UnmatchedEvent
from tests.metering.formats.otlp_exports import CALL, as_protobuf, export, span

pytestmark = pytest.mark.django_db
PAYLOADS = Path(settings.ROOT).parent / "shared" / "payloads"
CAPTURED_ON = datetime(2026, 11, 22, tzinfo=UTC)  # later its spans would be too old to be taken in
CAPTURED = {
    "application/x-protobuf": PAYLOADS / "otlp_openai.bin",
    "application/json": PAYLOADS / "otlp_openai.json",
}


class TestTheProtocol:
    def test_gzip_is_read(self, post_traces) -> None:
        body = gzip.compress(as_protobuf(export(span())))
        assert post_traces(body, "application/x-protobuf", **{"Content-Encoding": "gzip"}).status_code == 200
        assert Event.objects.count() == 1

    def test_a_bomb_is_413(self, post_traces) -> None:
        bomb = gzip.compress(b"\0" * (limits.TELEMETRY_BYTES_MAX + 1))
        answer = post_traces(bomb, "application/x-protobuf", **{"Content-Encoding": "gzip"})
        assert answer.status_code == 413
        assert "bytes" in Status.FromString(answer.content).message

    def test_a_collectors_batch_of_8192_spans_fits(self, post_traces) -> None:
        many = [span(CALL | {"gen_ai.response.id": f"r{n}"}) for n in range(2048)]
        many += [span({"http.request.method": "GET"})] * 6144
        assert post_traces(as_protobuf(export(*many)), "application/x-protobuf").status_code == 200
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
    def test_json_that_cannot_be_decoded_is_400(self, post_traces, body) -> None:
        answer = post_traces(body)
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/json")
        assert answer.json()["message"]

    @pytest.mark.parametrize("body", [b"\x0a\xff", b"{}", b"\x0a\x06\x0a\x04\x0a\x02\x0a\xff"])
    def test_protobuf_that_cannot_be_decoded_is_400(self, post_traces, body) -> None:
        answer = post_traces(body, "application/x-protobuf")
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/x-protobuf")
        assert Status.FromString(answer.content).message

    def test_names_that_are_not_known_are_passed_over(self, post_traces) -> None:
        body = export(span(unheardOf={"a": [1.5e300]})) | {"other": [1]}
        assert post_traces(body).json() == {}
        assert Event.objects.count() == 1

    def test_an_empty_export_is_a_full_success(self, post_traces) -> None:
        assert post_traces({}).json() == {}
        empty = post_traces(b"", **{"Content-Type": "application/x-protobuf"})
        assert (empty.status_code, empty.content) == (200, b"")

    def test_some_rejected_is_a_partial_success(self, post_traces) -> None:
        body = export(span(), span(CALL | {"gen_ai.response.id": "r2", "customer.id": "no id"}))
        answer = post_traces(as_protobuf(body), "application/x-protobuf")
        told = ExportTraceServiceResponse.FromString(answer.content).partial_success
        assert (answer.status_code, told.rejected_spans) == (200, 1)
        assert Event.objects.count() == 1

    def test_another_type_is_415(self, post_traces) -> None:
        assert post_traces(b"x", "text/plain").status_code == 415

    def test_a_key_is_needed(self, post_traces) -> None:
        answer = post_traces({}, key="wrong")
        assert (answer.status_code, answer.json()["message"][:12]) == (401, "This API key")

    def test_overload_is_503_with_a_time_to_come_back(self, post_traces, monkeypatch) -> None:
        def overloaded(*args: Any, **kwargs: Any) -> None:
            raise Unavailable("Too much at once.")

        monkeypatch.setattr(traces, "take_in", overloaded)
        answer = post_traces(as_protobuf(export(span())), "application/x-protobuf")
        assert (answer.status_code, answer["Retry-After"]) == (503, str(limits.UNAVAILABLE_RETRY_SECONDS))
        assert Status.FromString(answer.content).message == "Too much at once."


@pytest.mark.parametrize("content_type", sorted(CAPTURED))
def test_a_captured_export_is_read_whole(post_traces, content_type) -> None:
    if not CAPTURED[content_type].exists():
        pytest.skip("the captured exports are not beside this checkout")
    with time_machine.travel(CAPTURED_ON):
        assert post_traces(CAPTURED[content_type].read_bytes(), content_type).status_code == 200
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
    max_examples=30,
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
def test_no_span_is_a_fault_of_ours(post_traces, told, started, junk) -> None:
    body = export(span(CALL | told, startTimeUnixNano=str(started), traceId="", spanId=""))
    written = json.dumps(body).encode()
    for data, content_type in (
        (written, "application/json"),
        (written[:-3] + junk, "application/json"),
        (junk, "application/x-protobuf"),
        (as_protobuf(body) + junk, "application/x-protobuf"),
    ):
        assert post_traces(data, content_type).status_code < 500


def test_a_double_keeps_the_digits_it_was_written_with(post_traces) -> None:
    post_traces(as_protobuf(export(span(CALL | {"gen_ai.user": 0.1}))), "application/x-protobuf")
    assert Decimal(Event.objects.get().properties["user"]) == Decimal("0.1")
