import pytest

from metering.formats.usage import UsageError, normalize

PLAIN = {
    "input_tokens": 2048,
    "cache_read_input_tokens": 1800,
    "cache_creation_input_tokens": 248,
    "cache_creation": {"ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100},
    "output_tokens": 503,
    "output_tokens_details": {"thinking_tokens": 203},
    "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 3},
    "service_tier": "standard",
    "inference_geo": "not_available",
}


def test_input_holds_no_cached_tokens_and_thinking_is_part_of_the_output() -> None:
    found = normalize("anthropic", "messages", {"id": "msg_1", "model": "claude-opus-4-5", "usage": PLAIN})

    assert found.buckets == {
        "input": 2048,
        "cache_read": 1800,
        "cache_write_5m": 148,
        "cache_write_1h": 100,
        "output": 300,
        "reasoning": 203,
        "web_search": 2,
    }
    assert found.flags == ()
    assert found.service_tier == "standard"


@pytest.mark.parametrize(
    "split", [None, {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}], ids=["none", "empty"]
)
def test_writes_of_no_told_lifetime_live_five_minutes(split: object) -> None:
    usage = {
        "input_tokens": 3,
        "output_tokens": 1,
        "cache_creation_input_tokens": 418,
        "cache_creation": split,
    }

    assert normalize("anthropic", "messages", usage).buckets == {
        "input": 3,
        "cache_write_5m": 418,
        "output": 1,
    }


def test_what_a_partial_split_leaves_out_is_not_taken_for_the_cheaper_lifetime() -> None:
    usage = {
        "input_tokens": 3,
        "cache_creation_input_tokens": 10,
        "cache_creation": {"ephemeral_1h_input_tokens": 4},
    }

    found = normalize("anthropic", "messages", usage)

    assert found.buckets == {"input": 3, "cache_write_1h": 4, "cache_write_other": 6}


def test_lifetimes_above_the_writes_are_refused() -> None:
    usage = {
        "input_tokens": 3,
        "output_tokens": 1,
        "cache_creation_input_tokens": 10,
        "cache_creation": {"ephemeral_1h_input_tokens": 11},
    }

    with pytest.raises(UsageError) as refused:
        normalize("anthropic", "messages", usage)

    assert refused.value.field == "response.cache_creation_input_tokens"


def test_a_compaction_is_billed_though_the_top_level_leaves_it_out() -> None:
    usage = {
        "input_tokens": 45,
        "output_tokens": 1234,
        "iterations": [
            {"type": "compaction", "input_tokens": 180000, "output_tokens": 3500},
            {"type": "message", "input_tokens": 45, "output_tokens": 1234},
        ],
    }

    found = normalize("anthropic", "messages", {"model": "claude-opus-4-6", "usage": usage})

    assert found.buckets == {"input": 180045, "output": 4734}
    assert [part.model for part in found.parts] == ["claude-opus-4-6"]
    assert found.flags == ()


def test_an_advisor_is_billed_as_its_own_model() -> None:
    usage = {
        "input_tokens": 412,
        "output_tokens": 531,
        "output_tokens_details": {"thinking_tokens": 31},
        "iterations": [
            {"type": "message", "input_tokens": 200, "output_tokens": 100},
            {
                "type": "advisor_message",
                "model": "claude-opus-4-6",
                "input_tokens": 823,
                "output_tokens": 1612,
                "cache_creation_input_tokens": 40,
                "cache_creation": {"ephemeral_1h_input_tokens": 40},
            },
            {"type": "message", "input_tokens": 212, "output_tokens": 431},
        ],
    }

    found = normalize("anthropic", "messages", {"model": "claude-sonnet-4-6", "usage": usage})

    assert [(part.model, part.buckets) for part in found.parts] == [
        ("claude-sonnet-4-6", {"input": 412, "output": 500, "reasoning": 31}),
        ("claude-opus-4-6", {"input": 823, "cache_write_1h": 40, "output": 1612}),
    ]
    assert found.buckets["input"] == 1235
    assert found.flags == ()


def test_a_fallback_is_billed_model_by_model_with_the_answers_own_first() -> None:
    usage = {
        "input_tokens": 300,
        "output_tokens": 90,
        "iterations": [
            {"type": "message", "model": "claude-mythos-1", "input_tokens": 200, "output_tokens": 10},
            {
                "type": "fallback_message",
                "model": "claude-opus-4-6",
                "input_tokens": 100,
                "output_tokens": 80,
            },
        ],
    }

    found = normalize("anthropic", "messages", {"model": "claude-opus-4-6", "usage": usage})

    assert [(part.model, part.buckets) for part in found.parts] == [
        ("claude-opus-4-6", {"input": 100, "output": 80}),
        ("claude-mythos-1", {"input": 200, "output": 10}),
    ]


def test_turns_that_disagree_with_the_top_level_are_flagged_and_the_larger_counts() -> None:
    usage = {
        "input_tokens": 100,
        "output_tokens": 10,
        "iterations": [{"type": "message", "input_tokens": 300, "output_tokens": 10}],
    }

    found = normalize("anthropic", "messages", usage)

    assert found.flags == ("mismatch:response.iterations",)
    assert found.buckets == {"input": 300, "output": 10}


def test_an_unknown_iteration_is_counted_and_flagged() -> None:
    usage = {
        "input_tokens": 1,
        "output_tokens": 1,
        "iterations": [{"type": "dream", "input_tokens": 500, "output_tokens": 5}],
    }

    found = normalize("anthropic", "messages", usage)

    assert found.flags == ("unknown:response.iterations[0].type",)
    assert found.buckets == {"input": 501, "output": 6}


def test_the_last_event_of_a_stream_is_cumulative_and_enough() -> None:
    event = {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"input_tokens": 25, "output_tokens": 393},
    }

    assert normalize("anthropic", "messages", event).buckets == {"input": 25, "output": 393}


def test_a_batch_result_is_a_batch() -> None:
    line = {
        "custom_id": "a",
        "result": {
            "type": "succeeded",
            "message": {
                "id": "msg_2",
                "model": "claude-haiku-4-5",
                "usage": {"input_tokens": 5, "output_tokens": 2, "service_tier": "batch"},
            },
        },
    }

    found = normalize("anthropic", "messages", line)

    assert (found.service_tier, found.model) == ("batch", "claude-haiku-4-5")


def test_what_changes_the_price_without_being_a_count_is_told() -> None:
    usage = PLAIN | {"speed": "fast", "inference_geo": "us", "fallback_credit": {"status": {"shift": 3}}}

    found = normalize("anthropic", "messages", usage)

    assert found.flags == ("speed:fast", "inference_geo:us", "fallback_credit")
    assert found.complete


def test_the_openai_shaped_endpoint_is_read_as_such() -> None:
    usage = {"prompt_tokens": 30, "completion_tokens": 4, "total_tokens": 34}

    assert normalize("anthropic", "chat.completions", usage).buckets == {"input": 30, "output": 4}


def test_the_first_event_of_a_stream_does_not_tell_its_answer() -> None:
    message = {"id": "msg_1", "model": "claude-opus-4-5", "usage": {"input_tokens": 5, "output_tokens": 1}}
    found = normalize("anthropic", "messages", {"type": "message_start", "message": message})
    assert (found.buckets, found.complete) == ({"input": 5, "output": 1}, False)
    assert normalize("anthropic", "messages", {"type": "message", **message}).complete
