from decimal import Decimal

import pytest

from metering.formats.usage import UsageError, normalize

THINKING = {
    "prompt_tokens": 32,
    "completion_tokens": 9,
    "total_tokens": 135,
    "prompt_tokens_details": {"cached_tokens": 6, "text_tokens": 32},
    "completion_tokens_details": {"reasoning_tokens": 94},
    "num_sources_used": 0,
}


class TestXai:
    def test_chat_counts_thinking_beside_the_answer(self) -> None:
        found = normalize("x-ai", "chat.completions", THINKING)

        assert found.buckets == {"input": 26, "cache_read": 6, "output": 9, "reasoning": 94}
        assert found.flags == ()

    def test_the_total_decides_should_that_change(self) -> None:
        usage = THINKING | {"completion_tokens": 103}

        assert normalize("xai", "chat.completions", usage).buckets["output"] == 9

    def test_without_a_total_thinking_stands_beside(self) -> None:
        usage = {name: value for name, value in THINKING.items() if name != "total_tokens"}
        usage["completion_tokens"] = 100

        assert normalize("xai", "chat.completions", usage).buckets["output"] == 100

    def test_responses_count_it_inside(self) -> None:
        usage = {
            "input_tokens": 32,
            "input_tokens_details": {"cached_tokens": 6},
            "output_tokens": 103,
            "output_tokens_details": {"reasoning_tokens": 94},
            "total_tokens": 135,
        }

        found = normalize("x_ai", "responses", usage)

        assert found.buckets == {"input": 26, "cache_read": 6, "output": 9, "reasoning": 94}

    def test_ticks_are_ten_thousand_million_to_the_dollar(self) -> None:
        found = normalize("xai", "chat.completions", THINKING | {"cost_in_usd_ticks": 37756000})

        assert found.reported_cost == Decimal("0.0037756")

    def test_calls_of_its_own_tools_count_once_though_they_are_told_twice(self) -> None:
        response = {
            "output": [{"type": "web_search_call", "action": {"type": "search"}}],
            "usage": {
                "input_tokens": 3,
                "output_tokens": 4,
                "num_server_side_tools_used": 4,
                "server_side_tool_usage_details": {
                    "web_search_calls": 1,
                    "x_search_calls": 2,
                    "mcp_calls": 1,
                },
            },
        }

        found = normalize("xai", "responses", response)

        assert found.buckets == {"input": 3, "output": 4, "web_search": 1}
        assert found.flags == ("unknown:response.usage.server_side_tool_usage_details.x_search_calls",)

    def test_searched_sources_have_no_bucket_and_are_flagged(self) -> None:
        found = normalize("xai", "chat.completions", THINKING | {"num_sources_used": 4})

        assert found.flags == ("unknown:response.num_sources_used",)


class TestDeepSeek:
    usage = {
        "prompt_tokens": 563,
        "prompt_cache_hit_tokens": 512,
        "prompt_cache_miss_tokens": 51,
        "completion_tokens": 116,
        "completion_tokens_details": {"reasoning_tokens": 60},
        "total_tokens": 679,
    }

    def test_hits_are_cached_and_misses_are_input(self) -> None:
        found = normalize("deepseek", "chat", self.usage)

        assert found.buckets == {"input": 51, "cache_read": 512, "output": 56, "reasoning": 60}
        assert found.flags == ()

    def test_hits_and_misses_must_make_the_prompt(self) -> None:
        with pytest.raises(UsageError) as refused:
            normalize("deepseek", "chat", self.usage | {"prompt_cache_miss_tokens": 50})

        assert refused.value.field == "response.prompt_tokens"


class TestOpenRouter:
    usage = {
        "prompt_tokens": 194,
        "completion_tokens": 20,
        "total_tokens": 214,
        "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 50, "video_tokens": 0},
        "cost": Decimal("4.75E-7"),
        "cost_details": {"upstream_inference_cost": None, "upstream_inference_prompt_cost": Decimal("0.1")},
        "is_byok": False,
    }

    def test_what_it_charged_is_kept(self) -> None:
        found = normalize("openrouter", "chat.completions", self.usage)

        assert found.buckets == {"input": 44, "cache_read": 100, "cache_write_other": 50, "output": 20}
        assert found.reported_cost == Decimal("0.000000475")
        assert found.flags == ()

    def test_with_a_key_of_ones_own_the_providers_bill_comes_on_top(self) -> None:
        usage = self.usage | {
            "cost": Decimal("0.001"),
            "cost_details": {"upstream_inference_cost": Decimal("0.02")},
            "is_byok": True,
        }

        found = normalize("openrouter", "chat.completions", usage)

        assert found.reported_cost == Decimal("0.021")
        assert found.flags == ("byok",)


class TestPerplexity:
    def test_everything_stands_beside_the_answer(self) -> None:
        usage = {
            "prompt_tokens": 9,
            "completion_tokens": 100,
            "total_tokens": 109,
            "reasoning_tokens": 700,
            "citation_tokens": 300,
            "num_search_queries": 5,
            "cost": {"input_tokens_cost": Decimal("0.1"), "total_cost": Decimal("0.4")},
        }

        found = normalize("perplexity", "chat.completions", usage)

        assert found.buckets == {
            "input": 9,
            "output": 100,
            "reasoning": 700,
            "citation": 300,
            "web_search": 5,
        }
        assert (found.reported_cost, found.flags) == (Decimal("0.4"), ())

    def test_agents_count_the_searches_they_invoked(self) -> None:
        usage = {
            "input_tokens": 90,
            "input_tokens_details": {"cache_read_input_tokens": 40},
            "output_tokens": 10,
            "total_tokens": 100,
            "tool_calls_details": {"search_web": {"invocation": 3}},
        }

        assert normalize("perplexity", "responses", usage).buckets == {
            "input": 50,
            "cache_read": 40,
            "output": 10,
            "web_search": 3,
        }


def test_a_provider_nobody_named_is_read_in_openais_shape() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}

    found = normalize("my-own-gpus", None, usage)

    assert (found.buckets, found.flags) == ({"input": 5, "output": 3}, ())


def test_timings_among_the_counts_are_no_counts() -> None:
    usage = {
        "prompt_tokens": 35,
        "completion_tokens": 25,
        "total_tokens": 60,
        "queue_time": Decimal("0.0221"),
        "prompt_time": Decimal("0.0048"),
        "completion_time": Decimal("0.0208"),
        "total_time": Decimal("0.0256"),
    }

    assert normalize("groq", "chat.completions", usage).flags == ()


@pytest.mark.parametrize("api", ["embeddings", None])
def test_an_embedding_that_tells_its_total_alone_read_that_much(api: str | None) -> None:
    reply = {"model": "voyage-3", "usage": {"total_tokens": 10}}
    found = normalize("voyage", api, reply)
    assert (found.buckets, found.flags) == ({"input": 10}, ())


def test_pictures_among_an_embeddings_counts_are_flagged() -> None:
    usage = {"text_tokens": 5, "image_pixels": 2_000_000, "total_tokens": 3576}
    assert normalize("voyage", "multimodalembeddings", usage).flags == (
        "unknown:response.text_tokens",
        "unknown:response.image_pixels",
    )
