"""What an event makes of a provider's usage beyond its buckets."""

import pytest

from core.problems import Invalid
from metering.formats.reported_usage import read_response

PLAIN = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}


@pytest.mark.parametrize(
    "usage",
    [
        dict.fromkeys(PLAIN, 0),
        {"input_tokens": 0, "output_tokens": 0},
        {"promptTokenCount": 0, "totalTokenCount": 0},
        {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0},
    ],
)
def test_a_response_that_counts_nothing_is_not_free(usage: dict[str, int]) -> None:
    read = read_response({"id": "r", "model": "m", "usage": usage}, provider="p", api=None)
    assert (read.buckets, read.incomplete, read.flags) == ({}, True, ("unknown:response.usage",))


@pytest.mark.parametrize(
    ("tier", "context"),
    [("default", "standard"), ("flex", "flex"), ("scale", "scale"), ("t" * 30, "t" * 20)],
)
def test_no_usage_is_refused_for_its_tiers_name(tier: str, context: str) -> None:
    response = {"model": "m", "service_tier": tier, "usage": PLAIN}
    assert read_response(response, provider="openai", api="chat.completions").context == context


def test_a_refusal_names_the_field() -> None:
    with pytest.raises(Invalid) as refused:
        read_response({"usage": PLAIN | {"prompt_tokens": -1}}, provider="openai", api=None)
    assert refused.value.errors[0].field == "response.usage.prompt_tokens"
