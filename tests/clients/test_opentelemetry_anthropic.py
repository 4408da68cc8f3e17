"""Anthropic's client, traced by itself and by OpenLLMetry's instrumentation, with OpenTelemetry's SDK, unmodified.

Since its version 2 the client traces its own calls as soon as there is a global provider of tracers.
"""

import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from metering.models import Event, EventConflict
from tests.clients.provider import MESSAGE_BUCKETS

anthropic = pytest.importorskip("anthropic", reason="anthropic is not installed")
instrumentation = pytest.importorskip(
    "opentelemetry.instrumentation.anthropic",
    reason="opentelemetry-instrumentation-anthropic is not installed",
)
trace = pytest.importorskip("opentelemetry.trace")
encoder = pytest.importorskip("opentelemetry.exporter.otlp.proto.common.trace_encoder")
exporters = pytest.importorskip("opentelemetry.exporter.otlp.proto.http.trace_exporter")
http = pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
json_format = pytest.importorskip("google.protobuf.json_format")
resources = pytest.importorskip("opentelemetry.sdk.resources")
traces = pytest.importorskip("opentelemetry.sdk.trace")
export = pytest.importorskip("opentelemetry.sdk.trace.export")
memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")

ASKED = {
    "model": "claude-opus-4-5",
    "max_tokens": 1000,
    "messages": [{"role": "user", "content": "Capital of France?"}],
    "tools": [
        {"name": "look_up", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
    ],
}
# The instrumentation tells no lifetimes, and in a stream counts the token of its first event once more.
BY_INSTRUMENTATION = {"input": "2048", "cache_read": "1800", "cache_write_5m": "248", "output": "503"}
STREAMED_BY_INSTRUMENTATION = BY_INSTRUMENTATION | {"output": "504"}


@pytest.fixture
def finished() -> Any:
    """The spans as the SDK has them, besides those that are exported."""
    return memory.InMemorySpanExporter()


@pytest.fixture
def tracing(burnline, finished) -> Iterator[Any]:
    exporter = exporters.OTLPSpanExporter(
        endpoint=f"{burnline.url}/v1/traces",
        headers={"Authorization": f"Bearer {burnline.key}"},
        compression=http.Compression.Gzip,
        timeout=60,
    )
    provider = traces.TracerProvider(resource=resources.Resource.create({"customer.id": "acme"}))
    provider.add_span_processor(export.BatchSpanProcessor(exporter))
    provider.add_span_processor(export.SimpleSpanProcessor(finished))
    yield provider
    provider.shutdown()


@pytest.fixture
def by_client(tracing, monkeypatch) -> None:
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", tracing)


@pytest.fixture
def by_instrumentation(tracing) -> Iterator[None]:
    instrumentor = instrumentation.AnthropicInstrumentor()
    instrumentor.instrument(tracer_provider=tracing)
    yield
    instrumentor.uninstrument()


@pytest.fixture
def ask(tracing, provider) -> Callable[..., None]:
    """Calls the model, reads the answer to its end, and exports."""

    def call(how: str) -> None:
        with anthropic.Anthropic(api_key="none", base_url=provider.host) as client:
            if how == "whole":
                client.messages.create(**ASKED)
            elif how == "streamed":
                for _ in client.messages.create(stream=True, **ASKED):
                    pass
            else:
                with client.messages.stream(**ASKED) as stream:
                    stream.until_done()
        assert tracing.force_flush()

    return call


def usages() -> list[dict[str, str]]:
    return list(Event.objects.order_by("seq").values_list("usage", flat=True))


HOW = ["whole", "streamed", "as a stream"]


@pytest.mark.usefixtures("by_client")
@pytest.mark.parametrize("how", HOW)
def test_the_client_itself_tells_every_kind_of_token(ask, how) -> None:
    ask(how)
    stored = Event.objects.get()
    assert (stored.event_id, stored.provider, stored.model) == (
        "msg_stand_in",
        "anthropic",
        "claude-opus-4-5-20251101",
    )
    assert (stored.usage, stored.context, stored.status) == (MESSAGE_BUCKETS, "standard", "ok")


@pytest.mark.usefixtures("by_instrumentation")
@pytest.mark.parametrize(
    ("how", "usage"), [*zip(HOW, [BY_INSTRUMENTATION, *[STREAMED_BY_INSTRUMENTATION] * 2], strict=True)]
)
def test_the_instrumentation_tells_no_lifetimes(ask, how, usage) -> None:
    ask(how)
    assert usages() == [usage]


@pytest.mark.usefixtures("by_client", "by_instrumentation")
@pytest.mark.parametrize("how", HOW)
def test_traced_by_both_a_call_counts_once_as_the_client_tells_it(ask, how) -> None:
    ask(how)
    assert usages() == [MESSAGE_BUCKETS]
    assert not EventConflict.objects.exists()


@pytest.mark.usefixtures("by_client")
def test_a_call_that_failed_is_kept_as_failed(tracing, provider) -> None:
    with (
        anthropic.Anthropic(api_key="none", base_url=provider.host) as client,
        pytest.raises(anthropic.BadRequestError),
    ):
        client.messages.create(**ASKED | {"model": "refused"})
    assert tracing.force_flush()
    stored = Event.objects.get()
    assert (stored.status, stored.usage, stored.unpriced) == ("error", {}, False)


@pytest.mark.usefixtures("by_client")
def test_the_same_export_in_json_is_the_same_call(ask, finished, burnline) -> None:
    ask("whole")
    spans = encoder.encode_spans(finished.get_finished_spans())
    written = json_format.MessageToDict(spans, use_integers_for_enums=True)
    sent = httpx.post(
        f"{burnline.url}/v1/traces",
        content=re.sub(r'"(trace|span|parentSpan)Id": "([^"]*)"', _in_hexadecimal, json.dumps(written)),
        headers={"Authorization": f"Bearer {burnline.key}", "Content-Type": "application/json"},
    )
    assert (sent.status_code, sent.json()) == (200, {})
    assert usages() == [MESSAGE_BUCKETS]


def _in_hexadecimal(found: re.Match[str]) -> str:
    """OTLP's JSON writes ids in hexadecimal, where protobuf's own mapping has base64."""
    return f'"{found[1]}Id": "{b64decode(found[2]).hex()}"'
