"""Which spans become events, and with which tokens."""

import json

import pytest

from metering.formats.genai_spans import usage_of
from metering.formats.usage import normalize
from metering.models import Event, EventConflict, UnmatchedEvent
from tests.metering.formats.otlp_exports import CALL, STARTED, as_protobuf, export, span

pytestmark = pytest.mark.django_db


class TestACall:
    @pytest.mark.parametrize("content_type", ["application/json", "application/x-protobuf"])
    def test_it_becomes_an_event_in_either_encoding(self, post_traces, content_type) -> None:
        body = export(span(parentSpanId="aaaaaaaaaaaaaaaa"))
        answer = post_traces(body if content_type.endswith("json") else as_protobuf(body), content_type)
        assert (answer.status_code, answer["Content-Type"]) == (200, content_type)
        assert answer.content == (b"{}" if content_type.endswith("json") else b"")
        event = Event.objects.get()
        assert (event.event_id, event.source, event.door) == ("chatcmpl-1", "genai:openai", "otlp")
        assert (event.type, event.provider, event.model) == ("llm.call", "openai", "gpt-5-2025-08-07")
        assert event.usage == {"input": "2006", "output": "300"}
        assert (event.latency_ms, event.status, event.unpriced) == (14, "ok", True)
        assert abs(event.occurred_at.timestamp() - STARTED / 10**9) < 1e-5
        assert event.run_id == "18516ee7e4c4880caaf1651e4df54a36"
        assert not event.run  # the span above is no run
        assert event.properties == {
            "operation": "chat",
            "service": "shop",
            "emitter": "my.instrumentation",
            "span": "3ed6728d593e173f",
            "parent_span": "aaaaaaaaaaaaaaaa",
        }

    def test_it_counts_once_however_often_it_is_exported(self, post_traces) -> None:
        for _ in range(2):
            assert post_traces(export(span())).json() == {}
        assert Event.objects.count() == 1

    def test_without_a_response_id_the_span_is_its_identity(self, post_traces) -> None:
        told = CALL | {"gen_ai.response.id": None}
        for _ in range(2):
            assert post_traces(export(span(told), span(told, spanId="bb" * 8))).json() == {}
        ids = set(Event.objects.values_list("event_id", flat=True))
        assert ids == {f"18516ee7e4c4880caaf1651e4df54a36:{own}" for own in ("3ed6728d593e173f", "bb" * 8)}

    def test_the_customer_on_the_span_goes_before_the_resources(self, post_traces) -> None:
        post_traces(export(span(CALL | {"customer.id": "acme"}), resource={"customer.id": "another"}))
        assert Event.objects.count() == 1

    def test_a_customers_own_key_names_it(self, post_traces, acme_door) -> None:
        assert post_traces(export(span(), resource={}), key=acme_door.key).json() == {}
        assert Event.objects.count() == 1

    def test_a_customers_own_key_reports_for_nobody_else(self, post_traces, acme_door) -> None:
        body = post_traces(export(span(), resource={"customer.id": "globex"}), key=acme_door.key).json()
        assert body["partialSuccess"]["rejectedSpans"] == "1"
        assert not Event.objects.exists() and not UnmatchedEvent.objects.exists()

    def test_without_a_customer_it_is_rejected_by_name(self, post_traces) -> None:
        body = post_traces(export(span(), resource={})).json()["partialSuccess"]
        assert body["rejectedSpans"] == "1"
        assert "spans[0].customer" in body["errorMessage"]

    def test_a_customer_we_do_not_know_yet_waits(self, post_traces) -> None:
        assert post_traces(export(span(), resource={"customer.id": "newcomer"})).json() == {}
        assert UnmatchedEvent.objects.get().received["usage"] == {"input": "2006", "output": "300"}

    @pytest.mark.parametrize("code", [2, "2", "STATUS_CODE_ERROR"])
    def test_a_failed_one_is_kept_as_failed(self, post_traces, code) -> None:
        failed = {name: CALL.get(name) for name in ("gen_ai.operation.name", "gen_ai.provider.name")}
        post_traces(export(span(failed, status={"code": code})))
        event = Event.objects.get()
        assert (event.status, event.usage, event.unpriced) == ("error", {}, False)

    def test_one_that_tells_no_usage_waits_for_a_person(self, post_traces) -> None:
        streamed = CALL | {"gen_ai.usage.input_tokens": None, "gen_ai.usage.output_tokens": None}
        post_traces(export(span(streamed)))
        event = Event.objects.get()
        assert (event.usage, event.unpriced) == ({}, True)

    def test_prompts_are_not_kept(self, post_traces) -> None:
        post_traces(
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
    def test_what_identifies_or_bills_it_is_read_strictly(self, post_traces, told, place) -> None:
        rejected = post_traces(export(span(CALL | told))).json()["partialSuccess"]
        assert rejected["errorMessage"].startswith(f"{place}: ")
        assert not Event.objects.exists()

    @pytest.mark.parametrize(
        ("started", "field"), [(1, "time"), (2**62, "time"), (2**63, "startTimeUnixNano")]
    )
    def test_a_time_long_ago_or_ahead_is_rejected(self, post_traces, started, field) -> None:
        rejected = post_traces(export(span(startTimeUnixNano=str(started)))).json()["partialSuccess"]
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
        found = normalize("anthropic", "opentelemetry", usage)
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
        found = normalize("anthropic", "opentelemetry", usage).buckets
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
        assert normalize("xai", "opentelemetry", usage).buckets == {"input": 10, "output": 5, "reasoning": 7}

    def test_cached_tokens_that_cannot_be_in_the_prompt_stand_beside_it_and_are_flagged(
        self, post_traces
    ) -> None:
        post_traces(
            export(span(CALL | {"gen_ai.usage.input_tokens": 200, "gen_ai.usage.cached_tokens": 1800}))
        )
        event = Event.objects.get()
        assert (event.usage, event.unpriced) == (
            {"input": "200", "cache_read": "1800", "output": "300"},
            True,
        )
        assert "mismatch:gen_ai.usage.input_tokens" in event.raw["flags"]

    @pytest.mark.parametrize(
        ("told", "flags"),
        [
            ({"web_searches": 3}, ["unknown:gen_ai.usage.web_searches"]),
            ({"video.seconds": 1.5}, ["unknown:gen_ai.usage.video.seconds"]),
            ({"cache_write.tool.input_tokens": 9}, ["unknown:gen_ai.usage.cache_write.tool.input_tokens"]),
            ({"web_searches": 0}, []),
            ({"cost": 0.25, "total_cost": 0.25, "details.cached_tokens": 3, "text.input_tokens": 9}, []),
            ({"rejected_prediction_tokens": 4, "streamed": True, "raw": "…"}, []),
        ],
    )
    def test_a_count_that_nobody_reads_is_flagged_and_no_text(self, post_traces, told, flags) -> None:
        post_traces(export(span(CALL | {f"gen_ai.usage.{name}": count for name, count in told.items()})))
        event = Event.objects.get()
        assert event.usage == {"input": "2006", "output": "300"}
        assert event.raw["flags"] == flags

    @pytest.mark.parametrize("name", ["openai.response.service_tier", "gen_ai.openai.response.service_tier"])
    def test_the_tier_that_served_the_call_is_its_context(self, post_traces, name) -> None:
        post_traces(export(span(CALL | {name: "flex"})))
        assert Event.objects.get().context == "flex"


class TestSpansOfOtherWork:
    @pytest.mark.parametrize(
        "operation", ["invoke_agent", "execute_tool", "invoke_workflow", "fetch_response"]
    )
    def test_those_around_a_call_are_passed_over(self, post_traces, operation) -> None:
        assert post_traces(export(span(CALL | {"gen_ai.operation.name": operation}))).json() == {}
        assert not Event.objects.exists()

    def test_those_of_the_web_are_passed_over(self, post_traces) -> None:
        assert post_traces(export(span({"http.request.method": "GET"}), resource={})).json() == {}
        assert not Event.objects.exists()


class TestOneCallReportedSeveralTimes:
    RICH = CALL | {"gen_ai.usage.cache_read.input_tokens": 1920, "gen_ai.usage.reasoning_tokens": 192}

    @pytest.mark.parametrize("richest_first", [True, False])
    def test_the_report_that_tells_most_is_kept(self, post_traces, richest_first) -> None:
        reports = [span(self.RICH), span(CALL, spanId="bb" * 8)]
        post_traces(export(*(reports if richest_first else reversed(reports))))
        kept = {"input": "86", "cache_read": "1920", "output": "108", "reasoning": "192"}
        assert Event.objects.get().usage == kept

    def test_a_later_report_of_as_many_tokens_is_a_duplicate(self, post_traces) -> None:
        post_traces(export(span(CALL)))
        later = span(self.RICH, spanId="bb" * 8, startTimeUnixNano=str(STARTED + 1))
        assert post_traces(export(later)).json() == {}
        assert Event.objects.get().usage == {"input": "2006", "output": "300"}
        assert not EventConflict.objects.exists()

    def test_a_later_report_of_other_counts_is_a_conflict_that_is_kept(self, post_traces) -> None:
        post_traces(export(span(CALL)))
        rejected = post_traces(export(span(CALL | {"gen_ai.usage.output_tokens": 301}))).json()[
            "partialSuccess"
        ]
        assert "other content" in rejected["errorMessage"]
        assert EventConflict.objects.get().received["usage"]["output"] == "301"

    def test_a_short_id_from_another_provider_is_another_call(self, post_traces) -> None:
        told = CALL | {"gen_ai.response.id": "1"}
        post_traces(export(span(told), span(told | {"gen_ai.provider.name": "anthropic"})))
        assert Event.objects.count() == 2
