from decimal import Decimal

import pytest

from metering.formats.usage import normalize

USAGE = {
    "prompt_tokens": 4096,
    "completion_tokens": 503,
    "total_tokens": 4599,
    "prompt_tokens_details": {
        "audio_tokens": None,
        "cached_tokens": 1800,
        "cache_write_tokens": 248,
        "cache_creation_tokens": 248,
        "cache_creation_token_details": {"ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100},
    },
    "cache_creation_input_tokens": 248,
    "cache_read_input_tokens": 1800,
    "iterations": None,
}
BUCKETS = {"input": 2048, "cache_read": 1800, "cache_write_5m": 148, "cache_write_1h": 100, "output": 503}


@pytest.mark.parametrize("provider", ["anthropic", "bedrock", "vertex_ai", "cohere", "openai", "litellm"])
def test_the_usage_object_is_inclusive_whoever_served_the_call(provider: str) -> None:
    found = normalize(provider, "litellm", USAGE)

    assert (found.buckets, found.flags) == (BUCKETS, ())


def test_a_payload_is_read_by_the_usage_object_in_its_metadata() -> None:
    payload = {
        "id": "chatcmpl-1",
        "litellm_call_id": "u-1",
        "model": "claude-sonnet-4-5",
        "response_cost": Decimal("0.015384000000000002"),
        "cache_hit": None,
        "prompt_tokens": 4096,
        "metadata": {"usage_object": USAGE, "user_api_key_spend": 3},
        "response": {"model": "another", "usage": {"prompt_tokens": 1, "completion_tokens": 1}},
    }

    found = normalize("anthropic", "litellm", payload)

    assert (found.buckets, found.flags) == (BUCKETS, ())
    assert (found.model, found.response_id) == ("claude-sonnet-4-5", "chatcmpl-1")
    assert found.reported_cost == Decimal("0.015384000000000002")


def test_a_payload_without_a_usage_object_has_three_counts_of_its_own() -> None:
    payload = {
        "litellm_call_id": "u-1",
        "model": "m",
        "prompt_tokens": 7,
        "completion_tokens": 2,
        "total_tokens": 9,
        "startTime": Decimal("1795253270.9"),
    }

    found = normalize("openai", "litellm", payload)

    assert (found.buckets, found.flags) == ({"input": 7, "output": 2}, ())


def test_an_answer_from_litellms_own_cache_is_told() -> None:
    payload = {"litellm_call_id": "u", "prompt_tokens": 7, "completion_tokens": 2, "cache_hit": True}

    assert normalize("openai", "litellm", payload).flags == ("cache_hit",)


def test_calls_beside_the_conversation_are_flagged() -> None:
    usage = USAGE | {
        "iterations": [
            {"type": "message", "input_tokens": 2048},
            {"type": "compaction", "input_tokens": 180000},
        ]
    }

    assert normalize("anthropic", "litellm", usage).flags == ("unknown:response.iterations[1]",)


def test_a_transcription_comes_in_seconds() -> None:
    payload = {
        "litellm_call_id": "u",
        "call_type": "atranscription",
        "metadata": {"usage_object": {"type": "duration", "seconds": 42}},
    }

    assert normalize("openai", "litellm", payload).buckets == {"audio_seconds": 42}
