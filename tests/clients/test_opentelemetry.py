"""OpenTelemetry's SDK and exporter with OpenAI's client instrumented, unmodified."""

import pytest

from metering.models import Event
from tests.clients.provider import ANSWERED

exporters = pytest.importorskip(
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    reason="OpenTelemetry's exporter is not installed",
)
http = pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
resources = pytest.importorskip("opentelemetry.sdk.resources")
traces = pytest.importorskip("opentelemetry.sdk.trace")
export = pytest.importorskip("opentelemetry.sdk.trace.export")


@pytest.fixture
def exporter(burnline):
    exporter = exporters.OTLPSpanExporter(
        endpoint=f"{burnline.url}/v1/traces",
        headers={"Authorization": f"Bearer {burnline.key}"},
        compression=http.Compression.Gzip,
        timeout=60,
    )
    yield exporter
    exporter.shutdown()


@pytest.fixture
def tracing(exporter):
    provider = traces.TracerProvider(resource=resources.Resource.create({"customer.id": "acme"}))
    provider.add_span_processor(export.BatchSpanProcessor(exporter))
    yield provider
    provider.shutdown()


@pytest.fixture
def openai_client(tracing, provider_url, monkeypatch):
    """OpenAI's client, instrumented by OpenLLMetry."""
    openai = pytest.importorskip("openai", reason="openai is not installed")
    instrumentation = pytest.importorskip(
        "opentelemetry.instrumentation.openai", reason="opentelemetry-instrumentation-openai is not installed"
    )
    instrumentor = instrumentation.OpenAIInstrumentor()
    # Uninstrumenting leaves this one wrapped, and it would report to the first test's tracers for good.
    responses = pytest.importorskip("openai.resources.responses").Responses
    monkeypatch.setattr(responses, "create", responses.create)
    instrumentor.instrument(tracer_provider=tracing)
    with openai.OpenAI(api_key="none", base_url=provider_url) as client:
        yield client
    instrumentor.uninstrument()


LOOK_UP = {"name": "look_up", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
ASKED = {
    "model": "gpt-5",
    "messages": [{"role": "user", "content": "Capital of France?"}],
    "tools": [{"type": "function", "function": LOOK_UP}],
}


def test_a_streamed_call_arrives_with_what_the_instrumentation_tells_of_it(openai_client, tracing) -> None:
    for _ in openai_client.chat.completions.create(
        **ASKED, stream=True, stream_options={"include_usage": True}
    ):
        pass
    assert tracing.force_flush()
    stored = Event.objects.get()
    # Of a stream it tells no thinking apart, and no tier.
    assert stored.usage == {"input": "86", "cache_read": "1920", "output": "300"}
    assert stored.event_id == "chatcmpl-stand-in"


def test_a_stream_that_was_not_asked_for_its_usage_waits_for_a_person(openai_client, tracing) -> None:
    for _ in openai_client.chat.completions.create(**ASKED, stream=True):
        pass
    assert tracing.force_flush()
    stored = Event.objects.get()
    assert (stored.usage, stored.unpriced) == ({}, True)


def test_a_response_of_openais_newer_api_arrives_too(openai_client, tracing) -> None:
    openai_client.responses.create(model="gpt-5", input="Capital of France?")
    assert tracing.force_flush()
    stored = Event.objects.get()
    assert (stored.event_id, stored.usage) == ("resp_stand_in", ANSWERED)


def test_an_instrumented_call_arrives_with_its_tokens_apart(openai_client, tracing) -> None:
    openai_client.chat.completions.create(**ASKED)
    assert tracing.force_flush()
    stored = Event.objects.get()
    assert (stored.event_id, stored.provider, stored.model) == (
        "chatcmpl-stand-in",
        "openai",
        "gpt-5-2025-08-07",
    )
    assert (stored.usage, stored.context) == (ANSWERED, "standard")


def test_spans_of_other_work_are_a_full_success(tracing, exporter) -> None:
    with tracing.get_tracer("shop").start_as_current_span("GET /") as span:
        pass
    assert exporter.export([span]) is export.SpanExportResult.SUCCESS
    assert not Event.objects.exists()


def test_a_call_inside_an_agents_run_is_a_step_of_the_trace(tracing) -> None:
    tracer = tracing.get_tracer("agent")
    with tracer.start_as_current_span("agent", attributes={"gen_ai.operation.name": "invoke_agent"}) as agent:
        for step in range(2):
            told = {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "anthropic",
                "gen_ai.response.id": f"msg_{step}",
                "gen_ai.usage.input_tokens": 10,
            }
            tracer.start_span("chat", attributes=told).end()
    assert tracing.force_flush()
    context = agent.get_span_context()
    for stored in Event.objects.all():
        assert stored.run_id == f"{context.trace_id:032x}"
        assert not stored.run
        assert stored.properties["parent_span"] == f"{context.span_id:016x}"
    assert Event.objects.count() == 2
