from decimal import Decimal

import pytest

from metering.formats.usage import UsageError, normalize

CHAT = {
    "id": "chatcmpl-1",
    "model": "gpt-5-2025-08-07",
    "service_tier": "default",
    "usage": {
        "prompt_tokens": 2006,
        "completion_tokens": 300,
        "total_tokens": 2306,
        "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 128,
            "accepted_prediction_tokens": 20,
            "rejected_prediction_tokens": 10,
        },
    },
}


def test_chat_takes_cached_and_reasoning_tokens_out_of_their_wholes() -> None:
    found = normalize("openai", "chat.completions", CHAT)

    assert found.buckets == {"input": 86, "cache_read": 1920, "output": 172, "reasoning": 128}
    assert found.flags == ()
    assert (found.model, found.response_id, found.service_tier) == (
        "gpt-5-2025-08-07",
        "chatcmpl-1",
        "standard",
    )


def test_cache_writes_without_a_lifetime_are_of_another_one() -> None:
    usage = {
        "input_tokens": 4020,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 4012},
        "output_tokens": 5,
    }

    assert normalize("openai", "responses", usage).buckets == {
        "input": 8,
        "cache_write_other": 4012,
        "output": 5,
    }


def test_cache_writes_keep_lifetimes_that_nobody_has_heard_of() -> None:
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {
            "cache_write_tokens": 90,
            "cache_write_tokens_details": {"ttl_7d_tokens": 50, "ttl_30m_tokens": 30},
        },
        "output_tokens": 1,
    }

    assert normalize("openai", "responses", usage).buckets == {
        "input": 10,
        "cache_write_7d": 50,
        "cache_write_30m": 30,
        "cache_write_other": 10,
        "output": 1,
    }


def test_more_cached_tokens_than_the_prompt_has_are_refused() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 1111}}

    with pytest.raises(UsageError) as refused:
        normalize("openai", "chat.completions", usage)

    assert refused.value.field == "response.prompt_tokens"
    assert "1111" in refused.value.detail


def test_a_total_above_the_parts_is_flagged_as_something_unknown() -> None:
    found = normalize(
        "openai", "chat.completions", {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40}
    )

    assert found.flags == ("unknown:response.total_tokens",)
    assert not found.complete


def test_a_total_below_the_parts_is_flagged_as_a_contradiction() -> None:
    found = normalize(
        "openai", "chat.completions", {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 12}
    )

    assert found.flags == ("mismatch:response.total_tokens",)


def test_a_new_kind_of_token_is_flagged_and_never_read_as_text() -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "completion_tokens_details": {"smell_tokens": 3, "taste_tokens": 0},
    }

    found = normalize("openai", "chat.completions", usage)

    assert found.flags == ("unknown:response.completion_tokens_details.smell_tokens",)
    assert not found.complete


def test_a_streams_completed_event_is_opened() -> None:
    event = {
        "type": "response.completed",
        "sequence_number": 9,
        "response": {
            "id": "resp_1",
            "model": "gpt-5",
            "service_tier": "flex",
            "usage": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10},
        },
    }

    found = normalize("openai", "responses", event)

    assert (found.response_id, found.service_tier, found.buckets) == (
        "resp_1",
        "flex",
        {"input": 7, "output": 3},
    )


def test_a_stream_without_usage_is_told_how_to_ask_for_it() -> None:
    with pytest.raises(UsageError, match="include_usage"):
        normalize("openai", "chat.completions", {"id": "c", "model": "gpt-5", "choices": [], "usage": None})


def test_a_batch_line_is_a_batch_though_its_body_says_default() -> None:
    line = {"id": "batch_req_1", "custom_id": "a", "response": {"status_code": 200, "body": CHAT}}

    found = normalize("openai", "chat.completions", line)

    assert (found.service_tier, found.response_id) == ("batch", "chatcmpl-1")
    assert found.buckets["input"] == 86


def test_the_tier_may_come_with_the_api() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1}

    assert normalize("openai", "chat.completions service_tier=flex", usage).service_tier == "flex"
    assert normalize("openai", "batch chat.completions", usage).service_tier == "batch"


def test_hosted_searches_are_counted_from_tool_usage() -> None:
    response = {
        "id": "resp_1",
        "usage": {"input_tokens": 7, "output_tokens": 3},
        "output": [{"type": "web_search_call", "action": {"type": "search"}}, {"type": "file_search_call"}],
        "tool_usage": {"web_search": {"num_requests": 2}, "image_gen": {"input_tokens": 0}},
    }

    found = normalize("openai", "responses", response)

    assert found.buckets == {"input": 7, "output": 3, "web_search": 2, "file_search": 1}
    assert found.flags == ()


def test_without_tool_usage_only_searches_count_and_not_opened_pages() -> None:
    response = {
        "usage": {"input_tokens": 7, "output_tokens": 3},
        "output": [
            {"type": "web_search_call", "action": {"type": "search", "query": "x"}},
            {"type": "web_search_call", "action": {"type": "open_page"}},
            {"type": "message"},
        ],
    }

    assert normalize("openai", "responses", response).buckets["web_search"] == 1


def test_pictures_made_by_a_hosted_tool_are_flagged_for_their_model_is_not_told() -> None:
    response = {
        "usage": {"input_tokens": 7, "output_tokens": 3},
        "tool_usage": {"web_search": {"num_requests": 0}, "image_gen": {"output_tokens": 900}},
    }

    assert normalize("openai", "responses", response).flags == (
        "unknown:response.tool_usage.image_gen.output_tokens",
    )


def test_embeddings_have_no_answer() -> None:
    found = normalize("openai", "embeddings", {"prompt_tokens": 8, "total_tokens": 8})

    assert (found.buckets, found.flags) == ({"input": 8}, ())


@pytest.mark.parametrize("wrong", [True, -1, "1e3", 1.5, "many", [], Decimal("1.5"), 10**20])
def test_a_count_that_is_none_is_refused_by_name(wrong: object) -> None:
    with pytest.raises(UsageError) as refused:
        normalize("openai", "chat.completions", {"usage": {"prompt_tokens": wrong, "completion_tokens": 1}})

    assert refused.value.field == "response.usage.prompt_tokens"


def test_counts_may_be_written_as_text() -> None:
    found = normalize("openai", "chat.completions", {"prompt_tokens": "12", "completion_tokens": "3"})

    assert found.buckets == {"input": 12, "output": 3}
