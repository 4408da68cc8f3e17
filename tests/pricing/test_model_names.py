"""Names of models, by date."""

from datetime import UTC, datetime, timedelta

import pytest

from pricing.model_names import BEGINNING, Alias, ModelNames, canonical_provider, spellings

MOVE = datetime(2026, 3, 1, tzinfo=UTC)


def meaning(aliases: list[tuple[str, str, str, datetime]], name: str, at: datetime = MOVE) -> str | None:
    made = [
        Alias(n, kind, pattern, model, starts) for n, (kind, pattern, model, starts) in enumerate(aliases)
    ]
    models = {alias.model for alias in made} | {"gpt-5", "gpt-5-mini"}
    return ModelNames(models, made).timeline("openai", name).at(at)


def test_a_name_that_moves_means_the_model_of_its_time() -> None:
    latest = [("exact", "large-latest", "large-2", BEGINNING), ("exact", "large-latest", "large-3", MOVE)]

    assert meaning(latest, "large-latest", MOVE - timedelta(seconds=1)) == "large-2"
    assert meaning(latest, "large-latest", MOVE) == "large-3"
    assert meaning(latest, "large-latest", BEGINNING - timedelta(days=1)) is None


def test_an_exact_alias_comes_before_the_models_own_name_and_that_before_patterns() -> None:
    assert meaning([("starts_with", "gpt-5", "gpt-5", BEGINNING)], "gpt-5-mini") == "gpt-5-mini"
    assert meaning([("exact", "gpt-5-mini", "gpt-5", MOVE)], "gpt-5-mini") == "gpt-5"


def test_between_patterns_the_first_of_the_newest_wins() -> None:
    patterns = [
        ("contains", "sonnet", "first", BEGINNING),
        ("starts_with", "claude", "second", BEGINNING),
        ("ends_with", "-9", "third", MOVE),
        ("regex", r"^claude-sonnet-\d$", "fourth", MOVE),
    ]

    assert meaning(patterns, "claude-sonnet-9", MOVE - timedelta(days=1)) == "first"
    assert meaning(patterns, "claude-sonnet-9", MOVE) == "third"
    assert meaning(patterns, "claude-sonnet-8", MOVE) == "fourth"
    assert meaning(patterns, "llama", MOVE) is None


@pytest.mark.parametrize(
    "written", ["GPT-5", " gpt-5 ", "openai/gpt-5", "OpenAI/GPT-5", "models/gpt-5", "azure-free"]
)
def test_capitals_and_prefixes_do_not_matter(written: str) -> None:
    assert meaning([("exact", "azure-free", "gpt-5", BEGINNING)], written) == "gpt-5"


def test_both_spellings_of_a_date_are_tried() -> None:
    assert "gpt-5.2-2025-12-11" in list(spellings("openai", "gpt-5.2-20251211"))
    assert "claude-opus-4-5-2025-11-01" in list(spellings("google", "claude-opus-4-5@20251101"))


@pytest.mark.parametrize(
    ("written", "ours"),
    [
        ("gcp.vertex_ai", "google"),
        ("Bedrock_Converse", "aws"),
        ("az.ai.openai", "azure"),
        ("xAI", "x-ai"),
        ("my_own", "my-own"),
        ("", ""),
    ],
)
def test_providers_go_by_one_name(written: str, ours: str) -> None:
    assert canonical_provider(written) == ours
