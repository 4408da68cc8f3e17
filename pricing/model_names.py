"""Which model a name means, at a date. Pure; the aliases themselves are rows of the price book.

Names arrive as clients, gateways and clouds write them: in capitals, with the provider in front, with the date in one
of two spellings. ``…-latest`` moves from model to model, so every answer depends on the time of the call.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

# The earliest instant that a price or an alias can hold from: what a source gives without a date.
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)

_PROVIDERS: Mapping[str, str] = {
    "gemini": "google",
    "vertex": "google",
    "vertex-ai": "google",
    "google-vertex": "google",
    "google-gla": "google",
    "google-genai": "google",
    "gcp.gemini": "google",
    "gcp.gen-ai": "google",
    "gcp.vertex-ai": "google",
    "vertex-ai-language-models": "google",
    "vertex-ai-anthropic-models": "google",
    "bedrock": "aws",
    "aws-bedrock": "aws",
    "aws.bedrock": "aws",
    "amazon-bedrock": "aws",
    "bedrock-converse": "aws",
    "azure-openai": "azure",
    "azure-ai": "azure",
    "az.ai.openai": "azure",
    "az.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "xai": "x-ai",
    "mistralai": "mistral",
    "mistral-ai": "mistral",
    "together-ai": "together",
    "togetherai": "together",
    "fireworks-ai": "fireworks",
    "voyage": "voyageai",
    "moonshot": "moonshotai",
    "moonshot-ai": "moonshotai",
    "perplexity-ai": "perplexity",
    "cohere-chat": "cohere",
}

# Clouds that sell other makers' models at the maker's list price, unless they have a price of their own.
RESOLD: Mapping[str, tuple[str, ...]] = {
    "azure": ("openai", "anthropic", "deepseek", "x-ai", "moonshotai"),
    "google": ("anthropic",),
}

_NAME_PREFIXES = ("models/", "publishers/google/models/", "publishers/anthropic/models/")
_COMPACT_DATE = re.compile(r"-(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|@|$)")


def canonical_provider(name: str) -> str:
    """The provider by our name for it; one we do not know keeps its own, in small letters.

    >>> canonical_provider("Vertex_AI"), canonical_provider("in-house")
    ('google', 'in-house')
    """
    plain = name.strip().lower().replace("_", "-")
    return _PROVIDERS.get(plain, plain)


def spellings(provider: str, name: str) -> Iterator[str]:
    """The ways to look a model up, as written first.

    >>> list(spellings("openai", "openai/GPT-5.2-20251211"))
    ['openai/gpt-5.2-20251211', 'gpt-5.2-20251211', 'gpt-5.2-2025-12-11']
    """
    plain = name.strip().lower()
    yield plain
    head, slash, tail = plain.partition("/")
    if slash and canonical_provider(head) == provider:
        plain = tail
        yield plain
    for prefix in _NAME_PREFIXES:
        if plain.startswith(prefix):
            plain = plain.removeprefix(prefix)
            yield plain
    at_dated = plain.replace("@", "-")
    if at_dated != plain:
        yield at_dated
    dashed = _COMPACT_DATE.sub(r"-\1-\2-\3", at_dated)
    if dashed != at_dated:
        yield dashed


@dataclass(frozen=True, slots=True)
class Alias:
    """From ``starts`` on, a name that fits the pattern means the model."""

    row_id: int
    kind: str
    pattern: str
    model: str
    starts: datetime

    def test(self) -> Callable[[str], bool]:
        """A function that says whether a name, in small letters, fits."""
        pattern = self.pattern.lower()
        if self.kind == "regex":
            search = re.compile(self.pattern, re.IGNORECASE).search
            return lambda name: search(name) is not None
        return {
            "exact": lambda name: name == pattern,
            "starts_with": lambda name: name.startswith(pattern),
            "ends_with": lambda name: name.endswith(pattern),
            "contains": lambda name: pattern in name,
        }[self.kind]


class ModelNames:
    """The names of one provider's models.

    An exact alias comes first, then the model's own name, then patterns. Among exact aliases, and among patterns,
    the one that starts latest wins; among equals the first in the source's order, which is the order of ids.
    """

    def __init__(self, models: Iterable[str], aliases: Iterable[Alias]) -> None:
        self._models = {model.lower(): model for model in models if model}
        self._exact: dict[str, list[Alias]] = {}
        self._patterns: list[tuple[Callable[[str], bool], Alias]] = []
        for alias in aliases:
            if alias.kind == "exact":
                self._exact.setdefault(alias.pattern.lower(), []).append(alias)
            else:
                self._patterns.append((alias.test(), alias))

    def timeline(self, provider: str, name: str) -> "Timeline":
        """What the name has meant over time."""
        tried = list(spellings(provider, name))
        matched = [(spelling, self._matches(spelling)) for spelling in tried]
        starts = sorted(
            {BEGINNING} | {alias.starts for _, (exact, loose) in matched for alias in exact + loose}
        )
        return Timeline(starts, [self._at(matched, start) for start in starts])

    def _matches(self, spelling: str) -> tuple[list[Alias], list[Alias]]:
        return self._exact.get(spelling, []), [alias for fits, alias in self._patterns if fits(spelling)]

    def _at(self, matched: list[tuple[str, tuple[list[Alias], list[Alias]]]], at: datetime) -> str | None:
        for spelling, (exact, loose) in matched:
            model = _newest(exact, at) or self._models.get(spelling) or _newest(loose, at)
            if model:
                return model
        return None


@dataclass(frozen=True, slots=True)
class Timeline:
    """What a name meant: ``models[i]`` from ``starts[i]`` on; None where it meant nothing."""

    starts: list[datetime]
    models: list[str | None]

    def at(self, at: datetime) -> str | None:
        index = bisect_right(self.starts, at)
        return self.models[index - 1] if index else None


def _newest(aliases: list[Alias], at: datetime) -> str | None:
    holding = [alias for alias in aliases if alias.starts <= at]
    if not holding:
        return None
    latest = max(alias.starts for alias in holding)
    return min((alias for alias in holding if alias.starts == latest), key=lambda alias: alias.row_id).model
