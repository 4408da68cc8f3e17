import pytest

from metering.formats.usage import UsageError, normalize

CONVERSE = {
    "inputTokens": 40,
    "outputTokens": 200,
    "totalTokens": 2288,
    "cacheReadInputTokens": 1800,
    "cacheReadInputTokenCount": 1800,
    "cacheWriteInputTokens": 248,
    "cacheDetails": [{"ttl": "1h", "inputTokens": 100}, {"ttl": "5m", "inputTokens": 148}],
}


def test_converse_counts_the_cache_beside_the_input() -> None:
    response = {"usage": CONVERSE, "metrics": {"latencyMs": 900}, "serviceTier": {"type": "priority"}}

    found = normalize("aws", "Converse", response)

    assert found.buckets == {
        "input": 40,
        "cache_read": 1800,
        "cache_write_1h": 100,
        "cache_write_5m": 148,
        "output": 200,
    }
    assert (found.flags, found.service_tier) == ((), "priority")


def test_a_total_may_leave_the_cache_out() -> None:
    assert normalize("bedrock", "Converse", CONVERSE | {"totalTokens": 240}).flags == ()
    assert normalize("bedrock", "Converse", CONVERSE | {"totalTokens": 999}).flags == (
        "mismatch:response.totalTokens",
    )


def test_writes_of_no_told_lifetime_live_five_minutes() -> None:
    usage = {"inputTokens": 1, "outputTokens": 1, "cacheWriteInputTokens": 9}

    assert normalize("bedrock", None, usage).buckets == {"input": 1, "cache_write_5m": 9, "output": 1}


def test_lifetimes_above_the_writes_are_refused() -> None:
    with pytest.raises(UsageError) as refused:
        normalize("bedrock", "Converse", CONVERSE | {"cacheWriteInputTokens": 100})

    assert refused.value.field == "response.cacheDetails"


def test_the_last_event_of_a_stream_is_opened() -> None:
    event = {"metadata": {"usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}, "metrics": {}}}

    assert normalize("bedrock", "ConverseStream", event).buckets == {"input": 3, "output": 4}


@pytest.mark.parametrize(
    ("body", "buckets"),
    [
        (
            {"id": "msg_1", "usage": {"input_tokens": 5, "cache_read_input_tokens": 7, "output_tokens": 2}},
            {"input": 5, "cache_read": 7, "output": 2},
        ),
        ({"usage": {"inputTokens": 5, "outputTokens": 2}}, {"input": 5, "output": 2}),
        (
            {"inputTextTokenCount": 5, "results": [{"tokenCount": 2, "outputText": "…"}]},
            {"input": 5, "output": 2},
        ),
        (
            {"generation": "…", "prompt_token_count": 5, "generation_token_count": 2, "stop_reason": "stop"},
            {"input": 5, "output": 2},
        ),
        (
            {"usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}},
            {"input": 5, "output": 2},
        ),
        (
            {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 5, "outputTokenCount": 2}},
            {"input": 5, "output": 2},
        ),
    ],
    ids=["claude", "nova", "titan", "llama", "openai-shaped", "stream metrics"],
)
def test_an_invoked_model_is_told_by_its_fields(body: dict[str, object], buckets: dict[str, int]) -> None:
    for api in ("InvokeModel", None):
        found = normalize("aws.bedrock", api, body)

        assert (found.buckets, found.flags) == (buckets, ())
