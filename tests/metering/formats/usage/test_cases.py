"""The published cases: payloads that providers really sent, and the buckets they come to."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from genai_prices import extract_usage

from metering.formats.usage import normalize

SHARED = Path(__file__).resolve().parents[4].parent / "shared"
CASES = SHARED / "cases" / "llm_usage.json"
PAYLOADS = SHARED / "payloads" / "litellm_generic_api.json"


# The names under which genai-prices reads the same surfaces.
ORACLE = {
    "chat.completions": "chat",
    "responses": "responses",
    "messages": "default",
    "generateContent": "default",
    "chat": "chat",
}


def cases(*apis: str) -> list[Any]:
    if not CASES.exists():
        absent = pytest.mark.skip(reason="the published cases are not beside this copy")
        return [pytest.param(None, marks=absent, id="absent")]
    found = json.loads(CASES.read_text(), parse_float=Decimal)["cases"]
    return [pytest.param(case, id=case["id"]) for case in found if not apis or case["api"] in apis]


@pytest.mark.parametrize("case", cases())
def test_a_case_comes_to_its_buckets(case: dict[str, Any]) -> None:
    found = normalize(case["provider"], case["api"], case["usage"])

    assert found.buckets == case["canonical"]
    assert found.flags == ()


@pytest.mark.parametrize("case", cases())
def test_a_case_is_recognized_by_its_fields_alone(case: dict[str, Any]) -> None:
    assert normalize(case["provider"], None, case["usage"]).buckets == case["canonical"]


@pytest.mark.parametrize("case", cases())
def test_a_case_wrapped_as_a_whole_response_comes_to_the_same(case: dict[str, Any]) -> None:
    key = "usageMetadata" if case["provider"] == "google" else "usage"

    found = normalize(case["provider"], case["api"], {"id": "r1", "model": case["model"], key: case["usage"]})

    assert found.buckets == case["canonical"]
    assert (found.model, found.response_id) == (case["model"], "r1")
    assert [part.model for part in found.parts] == [case["model"]]


@pytest.mark.parametrize("case", cases(*ORACLE))
def test_a_case_has_as_many_tokens_as_an_independent_reader_finds(case: dict[str, Any]) -> None:
    key = "usageMetadata" if case["provider"] == "google" else "usage"
    theirs = extract_usage(
        {"model": case["model"], "modelVersion": case["model"], key: case["usage"]},
        provider_id=case["provider"],
        api_flavor=ORACLE[case["api"]],
    ).usage

    ours = normalize(case["provider"], case["api"], case["usage"]).buckets

    sides = {"input": 0, "output": 0}
    for name, number in ours.items():
        if name.startswith(("input", "cache")):
            sides["input"] += number
        elif name.startswith(("output", "reasoning")):
            sides["output"] += number
    assert (sides["input"], sides["output"]) == (theirs.input_tokens, theirs.output_tokens)


@pytest.mark.skipif(not PAYLOADS.exists(), reason="the recorded payloads are not beside this copy")
def test_a_recorded_litellm_callback_comes_to_its_buckets() -> None:
    payload = json.loads(PAYLOADS.read_text(), parse_float=Decimal)["/generic"][0]

    found = normalize(payload["custom_llm_provider"], "litellm", payload)

    assert found.buckets == {
        "input": 2048,
        "cache_read": 1800,
        "cache_write_5m": 148,
        "cache_write_1h": 100,
        "output": 503,
    }
    assert found.flags == ()
    assert found.model == "claude-sonnet-4-5"
    assert found.reported_cost == payload["response_cost"]
