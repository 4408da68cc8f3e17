import pytest

from metering.formats.usage import UsageError, normalize

USAGE = {
    "promptTokenCount": 1500,
    "cachedContentTokenCount": 700,
    "candidatesTokenCount": 210,
    "thoughtsTokenCount": 90,
    "toolUsePromptTokenCount": 50,
    "totalTokenCount": 1850,
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 800},
        {"modality": "AUDIO", "tokenCount": 400},
        {"modality": "DOCUMENT", "tokenCount": 258},
        {"modality": "VIDEO", "tokenCount": 42},
    ],
    "cacheTokensDetails": [
        {"modality": "TEXT", "tokenCount": 500},
        {"modality": "AUDIO", "tokenCount": 200},
    ],
    "toolUsePromptTokensDetails": [{"modality": "TEXT", "tokenCount": 50}],
    "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 210}],
    "trafficType": "ON_DEMAND_FLEX",
}

BUCKETS = {
    "input": 350,
    "cache_read": 500,
    "input_audio": 200,
    "cache_read_audio": 200,
    "input_image": 258,
    "input_video": 42,
    "output": 210,
    "reasoning": 90,
}


def test_modalities_are_apart_and_thoughts_and_tools_come_on_top() -> None:
    found = normalize(
        "google",
        "generateContent",
        {"modelVersion": "gemini-2.5-pro", "responseId": "r", "usageMetadata": USAGE},
    )

    assert found.buckets == BUCKETS
    assert found.flags == ()
    assert (found.model, found.response_id, found.service_tier) == ("gemini-2.5-pro", "r", "flex")


def test_the_python_sdks_spelling_comes_to_the_same() -> None:
    def snake(name: str) -> str:
        return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)

    usage = {
        snake(name): [{snake(key): entry[key] for key in entry} for entry in value]
        if isinstance(value, list)
        else value
        for name, value in USAGE.items()
    }

    assert normalize("gemini", None, {"usage_metadata": usage}).buckets == BUCKETS


def test_a_partial_list_leaves_the_rest_to_text() -> None:
    usage = {
        "promptTokenCount": 10,
        "candidatesTokenCount": 1304,
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}],
        "totalTokenCount": 1314,
    }

    assert normalize("google", None, usage).buckets == {"input": 10, "output": 14, "output_image": 1290}


def test_cached_tokens_of_no_told_modality_are_text_first_and_flagged() -> None:
    usage = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 80,
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 40}],
    }

    found = normalize("google", None, usage)

    assert found.buckets == {"cache_read": 60, "input_audio": 20, "cache_read_audio": 20}
    assert found.flags == ("ambiguous:response.promptTokenCount",)
    assert found.complete


def test_a_modality_above_the_whole_is_refused() -> None:
    usage = {"promptTokenCount": 10, "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 11}]}

    with pytest.raises(UsageError) as refused:
        normalize("google", None, usage)

    assert refused.value.field == "response.promptTokenCount"


def test_a_new_modality_is_flagged() -> None:
    usage = {"promptTokenCount": 10, "promptTokensDetails": [{"modality": "SMELL", "tokenCount": 4}]}

    assert normalize("google", None, usage).flags == ("unknown:response.promptTokensDetails[0]",)


def test_a_live_session_calls_its_answer_a_response() -> None:
    message = {
        "usageMetadata": {
            "promptTokenCount": 200,
            "responseTokenCount": 90,
            "totalTokenCount": 290,
            "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 150}],
            "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 80}],
        }
    }

    assert normalize("google", "live", message).buckets == {
        "input": 50,
        "input_audio": 150,
        "output": 10,
        "output_audio": 80,
    }


GROUNDED = {
    "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 5},
    "candidates": [
        {"groundingMetadata": {"webSearchQueries": ["a", "b", "a", ""], "groundingChunks": [{"web": {}}]}}
    ],
}


@pytest.mark.parametrize(("model", "searches"), [("gemini-2.5-pro", 1), ("gemini-3-pro-preview", 2)])
def test_grounding_counts_prompts_up_to_gemini_2_and_queries_after(model: str, searches: int) -> None:
    found = normalize("google", "generateContent", GROUNDED | {"modelVersion": model})

    assert found.buckets["web_search"] == searches


def test_grounding_on_a_map_is_a_look_up_of_its_own() -> None:
    response = {
        "modelVersion": "gemini-3-pro",
        "usageMetadata": {"promptTokenCount": 5},
        "candidates": [
            {"groundingMetadata": {"webSearchQueries": ["cafe"], "groundingChunks": [{"maps": {}}]}}
        ],
    }

    assert normalize("google", None, response).buckets == {"input": 5, "maps_search": 1}


def test_claude_on_vertex_is_read_as_claude() -> None:
    usage = {"input_tokens": 3, "cache_read_input_tokens": 1000, "output_tokens": 2}

    assert normalize("vertex_ai", "messages", usage).buckets == {"input": 3, "cache_read": 1000, "output": 2}


def test_the_openai_shaped_endpoint_counts_thoughts_beside_the_answer() -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 35,
        "completion_tokens_details": {"reasoning_tokens": 20},
    }

    found = normalize("google", "chat.completions", usage)

    assert (found.buckets, found.flags) == ({"input": 10, "output": 5, "reasoning": 20}, ())


def test_vertex_embeddings_bill_characters() -> None:
    response = {"embeddings": [], "metadata": {"billableCharacterCount": 91}}

    assert normalize("vertex", "embedContent", response).buckets == {"characters": 91}


@pytest.mark.parametrize(
    ("told", "tier"),
    [
        ({"trafficType": "PROVISIONED_THROUGHPUT"}, "provisioned"),
        ({"trafficType": "ON_DEMAND_PRIORITY"}, "priority"),
        ({"trafficType": "TRAFFIC_TYPE_UNSPECIFIED"}, None),
        ({"trafficType": "TRAFFIC_TYPE_UNSPECIFIED", "serviceTier": "FLEX"}, "flex"),
        ({"serviceTier": "SERVICE_TIER_UNSPECIFIED"}, None),
    ],
)
def test_the_traffic_is_the_tier(told, tier) -> None:
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15} | told
    assert normalize("vertex", "generateContent", usage).service_tier == tier
