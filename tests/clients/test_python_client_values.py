"""What our own Python client makes of odd input: it never raises, guesses no money, and tells no more than is needed."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from burnline import Client, TrackError
from burnline.events import PROPERTIES_MAX, as_line, make_event, new_id
from burnline.responses import essence, response_id
from hypothesis import given
from hypothesis import strategies as st

from core import limits
from metering.formats.native import read_body
from metering.formats.usage import normalize

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases" / "llm_usage.json"
NOTHING = dict.fromkeys(
    (
        *("customer", "provider", "model", "usage", "response", "api", "service_tier", "quantity", "status"),
        *("latency_ms", "run", "properties", "time", "id"),
    )
)


class Hostile:
    """Fails whatever is asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


class Shade(Enum):
    RED = "red"


def circular() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(5_000):
        value = [value]
    return value


# Too odd to be printed when a test fails: known by name until they are used.
MONSTERS: dict[str, Callable[[], Any]] = {
    "circular": circular,
    "circular usage": lambda: {"usage": circular()},
    "deep": deep,
    "hostile": Hostile,
    "huge": lambda: 10**5000,
    "long": lambda: "x" * 2_000_000,
    "object": object,
    "wide": lambda: list(range(100_000)),
}


@dataclass(frozen=True)
class Monster:
    name: str


def awake(told: dict[str, Any]) -> dict[str, Any]:
    return {
        field: MONSTERS[value.name]() if isinstance(value, Monster) else value
        for field, value in told.items()
    }


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(),
    st.binary(),
    st.datetimes(),
    st.sampled_from([Shade.RED, math.inf, math.nan, "\ud800", range(3)]),
    st.sampled_from(sorted(MONSTERS)).map(Monster),
    st.dictionaries(st.one_of(st.text(), st.integers(), st.binary()), st.floats(), max_size=3),
    st.lists(st.floats(), max_size=3),
)
FIELDS = ("type", *NOTHING)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Any:
    client = Client("http://127.0.0.1:9", "k", spool=tmp_path_factory.mktemp("spool"), retry_seconds=(60, 60))
    yield client
    client.close(0)


@given(told=st.dictionaries(st.sampled_from(FIELDS), ODD, max_size=5))
def test_track_never_raises_and_counts_every_call(client: Client, told: dict[str, Any]) -> None:
    before = client.stats()
    taken = client.track(**awake(told))
    after = client.stats()
    assert (after.tracked - before.tracked, after.refused - before.refused) == (
        (1, 0) if taken is not None else (0, 1)
    )


@given(told=st.dictionaries(st.sampled_from(FIELDS), ODD, max_size=5))
def test_one_event_never_makes_the_rest_of_its_batch_unreadable(told: dict[str, Any]) -> None:
    """Whatever is spooled, the server reads as JSON that is no deeper than it takes."""
    try:
        line = as_line(make_event("api", {"type": "t", **NOTHING, **awake(told)})[0])
    except ValueError:
        return
    good = as_line(make_event("api", {"type": "t", **NOTHING, "customer": "acme"})[0])
    reading = read_body(
        b"[" + line + b"," + good + b"]", "application/json", now=datetime.now(UTC), customer=None
    )
    assert len(reading.events) + len(reading.refusals) == 2 and 1 in reading.positions


@pytest.mark.parametrize("field", ["quantity", "usage", "response", "time", "id", "run"])
def test_what_decides_over_money_is_never_guessed(client: Client, field: str) -> None:
    before = client.stats().refused
    for odd in (math.nan, math.inf, object(), b"1", Hostile(), Decimal("NaN")):
        assert client.track(
            customer="acme", **{field: {"input": odd} if field == "usage" else odd}
        ) is None or (field == "id")
    assert client.stats().refused > before


def test_a_property_that_cannot_be_written_costs_the_property_alone() -> None:
    given_properties = {
        "fine": "yes",
        "bad": object(),
        "endless": circular(),
        "nan": math.nan,
        "who": UUID(int=7),
    }
    event, omitted = make_event("api", {"type": "t", **NOTHING, "properties": given_properties})
    assert event["properties"] == {"fine": "yes", "who": str(UUID(int=7))}
    assert [why.split(":")[0] for why in omitted] == [
        "properties.bad",
        "properties.endless",
        "properties.nan",
    ]


def test_names_and_numbers_of_properties_that_the_server_refuses_cost_the_property_alone() -> None:
    many = {f"p{n}": n for n in range(PROPERTIES_MAX)}
    given_properties = {"na\x00me": 1, "broad": dict.fromkeys(map(str, range(101)))} | many | {"one more": 1}
    event, omitted = make_event("api", {"type": "t", **NOTHING, "properties": given_properties})
    assert event["properties"] == many
    assert len(omitted) == 3
    assert PROPERTIES_MAX == limits.EVENT_PROPERTIES_MAX


@pytest.mark.parametrize(
    ("given_latency", "kept"),
    [(812, 812), (812.4, 812), (Decimal("7.2"), 7), (-3, None), (math.nan, None), (math.inf, None)]
    + [(2**31, None), ("soon", None), (True, None), pytest.param(Hostile(), None, id="hostile")],
)
def test_a_latency_that_cannot_be_costs_the_latency_alone(given_latency: Any, kept: int | None) -> None:
    event, omitted = make_event("api", {"type": "t", **NOTHING, "latency_ms": given_latency})
    assert (event.get("latency_ms"), len(omitted)) == (kept, 0 if kept is not None else 1)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        make_event("api", {"type": "t", **NOTHING, "time": datetime(2026, 11, 21)})


def test_errors_are_raised_where_that_is_asked_for(tmp_path: Path) -> None:
    with Client("http://127.0.0.1:9", "k", spool=tmp_path, raise_errors=True, exit_seconds=0) as strict:
        for odd in ({"quantity": math.nan}, {"properties": {"a": object()}}):
            with pytest.raises(TrackError):
                strict.track(customer="acme", **odd)
    (kept,) = [json.loads(line) for line in (tmp_path / "rejected.jsonl").read_text().splitlines()]
    assert (kept["code"], kept["event"]["customer"]) == ("unreadable", "acme")


@given(number=st.floats(allow_nan=False, allow_infinity=False, min_value=0, max_value=1e9))
def test_a_float_arrives_as_the_number_that_it_shows(number: float) -> None:
    event, _ = make_event("api", {"type": "t", **NOTHING, "customer": "acme", "quantity": number})
    written = json.loads(as_line(event), parse_float=str, parse_int=str)["quantity"]
    assert "e" not in written and Decimal(written) == round(Decimal(repr(number)), 18)


def test_ids_are_uuids_of_version_seven_and_differ() -> None:
    ids = [UUID(new_id()) for _ in range(1_000)]
    assert len(set(ids)) == 1_000
    assert {(made.version, made.variant) for made in ids} == {(7, "specified in RFC 4122")}


RESPONSES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "hosted tools": (
        "openai",
        "responses",
        {
            "id": "resp_1",
            "model": "gpt-5",
            "output": [
                {"type": "web_search_call", "action": {"type": "search", "query": "SECRET"}},
                {"type": "web_search_call", "action": {"type": "open_page", "url": "SECRET"}},
                {"type": "file_search_call", "results": [{"text": "SECRET"}]},
                {"type": "message", "content": [{"text": "SECRET"}]},
            ],
            "usage": {"input_tokens": 10, "output_tokens": 4, "total_tokens": 14},
        },
    ),
    "a stream's last event": (
        "openai",
        "responses",
        {
            "type": "response.completed",
            "response": {
                "id": "resp_2",
                "model": "gpt-5",
                "output": [{"type": "message", "content": "SECRET"}],
                "usage": {"input_tokens": 10, "output_tokens": 4, "total_tokens": 14},
            },
        },
    ),
    "a batch line": (
        "openai",
        "chat.completions",
        {
            "custom_id": "c1",
            "response": {
                "status_code": 200,
                "body": {
                    "id": "chatcmpl-1",
                    "model": "gpt-5",
                    "choices": [{"message": {"content": "SECRET"}}],
                    "usage": {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14},
                },
            },
        },
    ),
    "pictures": ("openai", "images", {"created": 1, "data": [{"b64_json": "SECRET"}] * 3}),
    "searches": (
        "google",
        "generateContent",
        {
            "responseId": "g1",
            "modelVersion": "gemini-3-pro",
            "candidates": [
                {
                    "content": {"parts": [{"text": "SECRET"}]},
                    "groundingMetadata": {
                        "webSearchQueries": ["SECRET a", "SECRET b", "SECRET a"],
                        "groundingChunks": [{"web": {"uri": "SECRET"}}],
                    },
                }
            ],
            "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 4, "totalTokenCount": 14},
        },
    ),
    "converse": (
        "bedrock",
        "Converse",
        {
            "output": {"message": {"content": [{"text": "SECRET"}]}},
            "usage": {"inputTokens": 10, "outputTokens": 4, "totalTokens": 14},
            "ResponseMetadata": {"RequestId": "aws-1"},
        },
    ),
    "llama": (
        "bedrock",
        "InvokeModel",
        {"generation": "SECRET", "prompt_token_count": 10, "generation_token_count": 4},
    ),
    "titan": (
        "bedrock",
        "InvokeModel",
        {"inputTextTokenCount": 10, "results": [{"tokenCount": 4, "outputText": "SECRET"}]},
    ),
    "rerank": (
        "cohere",
        "rerank",
        {
            "id": "co-1",
            "results": [{"document": {"text": "SECRET"}}],
            "meta": {"billed_units": {"search_units": 1}},
        },
    ),
    "pages": (
        "mistral",
        "ocr",
        {
            "model": "mistral-ocr-latest",
            "pages": [{"markdown": "SECRET"}],
            "document_annotation": "SECRET",
            "usage_info": {"pages_processed": 2, "doc_size_bytes": 900},
        },
    ),
}


@pytest.mark.parametrize("name", RESPONSES)
def test_the_server_reads_in_what_is_kept_all_that_it_reads_in_the_whole(name: str) -> None:
    provider, api, response = RESPONSES[name]
    kept = essence(response)
    assert "SECRET" in json.dumps(response) and "SECRET" not in json.dumps(kept)
    whole = normalize(provider, api, response)
    assert normalize(provider, api, kept).parts == whole.parts
    assert whole.response_id in (None, response_id(kept))


def test_recorded_usage_of_every_provider_is_kept_whole() -> None:
    if not CASES.exists():
        pytest.skip("the recorded cases are not beside this checkout")
    for case in json.loads(CASES.read_text())["cases"]:
        usage = case["usage"]
        for shape in (usage, {"id": "x", "model": case["model"], "usage": usage}):
            whole = normalize(case["provider"], case["api"], shape)
            kept = normalize(case["provider"], case["api"], essence(shape))
            assert (kept.parts, kept.flags, kept.service_tier) == (
                whole.parts,
                whole.flags,
                whole.service_tier,
            )


def test_an_emptied_usage_is_refused_by_the_server_in_its_own_words() -> None:
    stream_chunk = {"id": "chatcmpl-1", "choices": [{"delta": {"content": "SECRET"}}], "usage": None}
    event, _ = make_event(
        "api", {"type": "t", **NOTHING, "customer": "a", "provider": "openai", "response": stream_chunk}
    )
    reading = read_body(
        b"[" + as_line(event) + b"]", "application/json", now=datetime.now(UTC), customer=None
    )
    assert "include_usage" in reading.refusals[0].detail and b"SECRET" not in as_line(event)
