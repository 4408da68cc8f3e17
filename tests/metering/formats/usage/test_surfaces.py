"""Laws that hold for every surface: nothing is lost between shapes, and nothing a client sends is a crash."""

from copy import deepcopy
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metering.formats.usage import SURFACES, NormalizedUsage, UsageError, canonical, is_bucket, normalize
from metering.formats.usage.kinds import API_WORDS, SHAPES, TELLING, family_of
from metering.formats.usage.surfaces import ANY

COUNT = st.integers(0, 10**9)

NAMES = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning")
MODAL_NAMES = (
    "input",
    "input_audio",
    "input_image",
    "cache_read",
    "cache_read_audio",
    "output",
    "output_audio",
    "reasoning",
)


def counts(names: tuple[str, ...]) -> st.SearchStrategy[dict[str, int]]:
    return st.fixed_dictionaries(dict.fromkeys(names, COUNT))


def counted(buckets: dict[str, int]) -> dict[str, int]:
    return {name: number for name, number in buckets.items() if number}


def as_openai(b: dict[str, int]) -> dict[str, Any]:
    prompt = b["input"] + b["cache_read"] + b["cache_write_5m"] + b["cache_write_1h"]
    answer = b["output"] + b["reasoning"]
    return {
        "input_tokens": prompt,
        "input_tokens_details": {
            "cached_tokens": b["cache_read"],
            "cache_write_tokens": b["cache_write_5m"] + b["cache_write_1h"],
            "cache_write_tokens_details": {
                "ttl_5m_tokens": b["cache_write_5m"],
                "ttl_1h_tokens": b["cache_write_1h"],
            },
        },
        "output_tokens": answer,
        "output_tokens_details": {"reasoning_tokens": b["reasoning"]},
        "total_tokens": prompt + answer,
    }


def as_anthropic(b: dict[str, int]) -> dict[str, Any]:
    return {
        "input_tokens": b["input"],
        "cache_read_input_tokens": b["cache_read"],
        "cache_creation_input_tokens": b["cache_write_5m"] + b["cache_write_1h"],
        "cache_creation": {
            "ephemeral_5m_input_tokens": b["cache_write_5m"],
            "ephemeral_1h_input_tokens": b["cache_write_1h"],
        },
        "output_tokens": b["output"] + b["reasoning"],
        "output_tokens_details": {"thinking_tokens": b["reasoning"]},
    }


def as_litellm(b: dict[str, int]) -> dict[str, Any]:
    openai = as_openai(b)
    return {
        "prompt_tokens": openai["input_tokens"],
        "prompt_tokens_details": {
            "cached_tokens": b["cache_read"],
            "cache_creation_tokens": b["cache_write_5m"] + b["cache_write_1h"],
            "cache_creation_token_details": as_anthropic(b)["cache_creation"],
        },
        "completion_tokens": openai["output_tokens"],
        "completion_tokens_details": {"reasoning_tokens": b["reasoning"]},
        "total_tokens": openai["total_tokens"],
    }


TOLD = [
    ("openai", "responses", as_openai),
    ("anthropic", "messages", as_anthropic),
    ("gemini", "litellm", as_litellm),
]


@pytest.mark.parametrize(("provider", "api", "told"), TOLD, ids=[shape[0] for shape in TOLD])
@given(buckets=counts(NAMES))
def test_buckets_told_in_a_providers_shape_come_back_as_they_were(
    provider: str, api: str, told: Any, buckets: dict[str, int]
) -> None:
    found = normalize(provider, api, told(buckets))

    assert found.buckets == counted(buckets)
    assert found.flags == ()


@given(buckets=counts(MODAL_NAMES))
def test_modalities_told_in_geminis_shape_come_back_as_they_were(buckets: dict[str, int]) -> None:
    b = buckets
    prompt = b["input"] + b["input_audio"] + b["input_image"] + b["cache_read"] + b["cache_read_audio"]
    usage = {
        "promptTokenCount": prompt,
        "cachedContentTokenCount": b["cache_read"] + b["cache_read_audio"],
        "promptTokensDetails": [
            {"modality": "AUDIO", "tokenCount": b["input_audio"] + b["cache_read_audio"]},
            {"modality": "IMAGE", "tokenCount": b["input_image"]},
        ],
        "cacheTokensDetails": [
            {"modality": "TEXT", "tokenCount": b["cache_read"]},
            {"modality": "AUDIO", "tokenCount": b["cache_read_audio"]},
        ],
        "candidatesTokenCount": b["output"] + b["output_audio"],
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": b["output_audio"]}],
        "thoughtsTokenCount": b["reasoning"],
        "totalTokenCount": prompt + b["output"] + b["output_audio"] + b["reasoning"],
    }

    found = normalize("google", "generateContent", usage)

    in_all = {name: found.buckets.get(name, 0) for name in b}
    if b["cache_read_audio"] or not b["cache_read"]:
        assert in_all == b
    assert sum(in_all.values()) == sum(b.values())


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**21),
    st.integers(0, 50),
    st.floats(),
    st.decimals(allow_nan=True, allow_infinity=True),
    st.sampled_from(["5m", "12", "AUDIO", "TEXT", "compaction", "advisor_message", "1e9", "-0", "\x00"]),
    st.text(max_size=5),
)
KEYS = st.one_of(st.sampled_from(sorted({field for field, _ in SHAPES + TELLING})), st.text(max_size=4))
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=15,
)
PROVIDERS = sorted({family for family, _ in SURFACES} | {"azure", "vertex", "aws", "litellm", "somebody"})
APIS = [None, "", "batch", "nothing we know", "InvokeModel", *(word for word, _ in API_WORDS)]

# One reply of each surface, with about every field that a reader looks at.
REPLIES: list[dict[str, Any]] = [
    {"id": "r", "model": "m", "service_tier": "flex", "usage": as_litellm(dict.fromkeys(NAMES, 9))},
    {
        "response": {
            "usage": as_openai(dict.fromkeys(NAMES, 9)),
            "tool_usage": {"web_search": {"num_requests": 1}},
            "output": [{"type": "web_search_call", "action": {"type": "search"}}],
        }
    },
    {
        "model": "m",
        "usage": as_anthropic(dict.fromkeys(NAMES, 9))
        | {
            "iterations": [
                {"type": "message", "input_tokens": 9, "output_tokens": 18},
                {"type": "advisor_message", "model": "n", "input_tokens": 5, "cache_creation": {}},
            ],
            "server_tool_use": {"web_search_requests": 1},
            "speed": "fast",
        },
    },
    {
        "modelVersion": "gemini-3",
        "usageMetadata": {
            "promptTokenCount": 30,
            "cachedContentTokenCount": 10,
            "candidatesTokenCount": 9,
            "thoughtsTokenCount": 4,
            "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 12}],
            "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 4}],
            "trafficType": "ON_DEMAND",
        },
        "candidates": [{"groundingMetadata": {"webSearchQueries": ["a"], "groundingChunks": [{"maps": {}}]}}],
    },
    {
        "usage": {
            "inputTokens": 5,
            "outputTokens": 6,
            "cacheWriteInputTokens": 7,
            "cacheDetails": [{"ttl": "1h", "inputTokens": 7}],
        },
        "serviceTier": {"type": "flex"},
    },
    {"inputTextTokenCount": 5, "results": [{"tokenCount": 2}]},
    {"meta": {"billed_units": {"input_tokens": 4, "search_units": 1}, "tokens": {"input_tokens": 90}}},
    {"usage_info": {"pages_processed": 3}, "document_annotation": "{}"},
    {"usage": {"type": "duration", "seconds": 3}},
    {
        "created": 1,
        "data": [{"url": "u"}],
        "svg_usage": {"model": "s", "input_tokens": 1, "output_tokens": 2},
    },
    {
        "usage": {
            "prompt_tokens": 9,
            "completion_tokens": 9,
            "cost": 1,
            "cost_details": {"upstream_inference_cost": 2},
            "is_byok": True,
            "cost_in_usd_ticks": 5,
            "prompt_cache_hit_tokens": 4,
            "prompt_cache_miss_tokens": 5,
            "connectors": {"web_search": 1},
        }
    },
    {
        "litellm_call_id": "u",
        "call_type": "aimage_generation",
        "response_cost": 1,
        "metadata": {"usage_object": {"input_tokens": 4, "output_tokens": 5}},
    },
]


@st.composite
def broken_replies(draw: st.DrawFn) -> dict[str, Any]:
    """A good reply with one to three of its values, at any depth, replaced, removed or added to."""
    reply: dict[str, Any] = deepcopy(draw(st.sampled_from(REPLIES)))
    for _ in range(draw(st.integers(1, 3))):
        place: Any = reply
        while True:
            key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            inner = place[key]
            if not inner or not isinstance(inner, dict | list) or draw(st.booleans()):
                break
            place = inner
        place[key] = draw(ANYTHING)
    return reply


def assert_sound(found: NormalizedUsage) -> None:
    assert found.parts
    for name, number in found.buckets.items():
        assert is_bucket(name), name
        assert 0 < number < 10**20
    assert len(found.flags) <= 20
    texts = (*found.flags, found.model or "", found.service_tier or "")
    assert all(len(text) <= 240 and text.isprintable() for text in texts)
    assert found.reported_cost is None or 0 <= found.reported_cost < 10**21


@settings(max_examples=300)
@given(
    provider=st.sampled_from(PROVIDERS),
    api=st.sampled_from(APIS),
    reply=broken_replies() | st.dictionaries(KEYS, ANYTHING, max_size=5),
)
def test_any_object_gives_sound_buckets_or_an_error_that_names_the_field(
    provider: str, api: str | None, reply: dict[str, Any]
) -> None:
    try:
        found = normalize(provider, api, reply)
    except UsageError as refused:
        assert refused.field.isprintable()
        assert refused.detail
    else:
        assert_sound(found)


@given(usage=ANYTHING)
def test_any_value_as_our_own_usage_gives_sound_buckets_or_an_error(usage: Any) -> None:
    try:
        found = canonical(usage)
    except UsageError as refused:
        assert refused.field.isprintable()
    else:
        assert all(is_bucket(name) and 0 < number < 10**20 for name, number in found.items())


def test_sums_are_exact_whatever_context_the_caller_has_set() -> None:
    usage = {
        "prompt_tokens": 10**19 + 1,
        "completion_tokens": 1,
        "prompt_tokens_details": {"cached_tokens": 10**18},
    }
    with localcontext() as narrow:
        narrow.prec = 3
        found = normalize("openai", "chat", usage).buckets

    assert found["input"] == Decimal(9 * 10**18 + 1)


def test_parts_that_add_up_beyond_what_is_kept_are_refused() -> None:
    big = 99999999999999999999
    usage = {
        "input_tokens": big,
        "output_tokens": 1,
        "iterations": [{"type": "compaction", "input_tokens": big, "output_tokens": 1}],
    }

    with pytest.raises(UsageError):
        normalize("anthropic", "messages", usage)


def test_every_kind_that_can_be_named_or_recognized_has_a_reader_for_any_provider() -> None:
    kinds = {kind for _, kind in API_WORDS + TELLING + SHAPES}

    assert {kind for kind in kinds if (ANY, kind) not in SURFACES} == set()


def test_flags_of_something_unbilled_survive_when_there_are_too_many() -> None:
    usage = {"input_tokens": 1, "output_tokens": 1, "speed": "fast", **{f"n{n}": 1 for n in range(50)}}

    found = normalize("anthropic", "messages", usage)

    assert len(found.flags) == 20
    assert all(flag.startswith("unknown:") for flag in found.flags)


@pytest.mark.parametrize(
    ("provider", "api", "response", "field"),
    [
        ("", None, {}, "provider"),
        (None, None, {}, "provider"),
        ("openai", 5, {}, "api"),
        ("openai", None, [], "response"),
        ("openai", None, {}, "response"),
        ("openai", "chat.completions", {}, "response.prompt_tokens"),
        ("openai", "chat.completions", {"usage": {}}, "response.usage.prompt_tokens"),
        ("anthropic", "messages", {"usage": {"output_tokens": 1}}, "response.usage.input_tokens"),
        ("google", "generateContent", {"usageMetadata": {}}, "response.usageMetadata.promptTokenCount"),
        ("openai", "chat", {"model": "\x00", "usage": {"prompt_tokens": 1}}, "response.model"),
        ("openai", "chat", {"model": "m" * 201, "usage": {"prompt_tokens": 1}}, "response.model"),
        ("openai", "chat", {"usage": {"prompt_tokens": 1, "prompt_tokens_details": 3}},
         "response.usage.prompt_tokens_details"),
        ("anthropic", "messages", {"input_tokens": 1, "iterations": [3]}, "response.iterations"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_by_name(provider: Any, api: Any, response: Any, field: str) -> None:
    with pytest.raises(UsageError) as refused:
        normalize(provider, api, response)

    assert refused.value.field == field


@pytest.mark.parametrize(
    ("provider", "family"),
    [
        ("Azure_OpenAI", "openai"),
        ("azure.ai.openai", "openai"),
        ("gcp.gemini", "google"),
        ("aws.bedrock", "bedrock"),
        ("x_ai", "xai"),
        ("mistral_ai", "mistral"),
        ("Groq", "groq"),
    ],
)
def test_providers_go_by_several_names(provider: str, family: str) -> None:
    assert family_of(provider) == family


def test_anthropics_shape_is_recognized_though_the_api_is_called_chat() -> None:
    usage = {"input_tokens": 3, "cache_read_input_tokens": 1111, "output_tokens": 33}

    assert normalize("azure", "chat", usage).buckets == {"input": 3, "cache_read": 1111, "output": 33}
