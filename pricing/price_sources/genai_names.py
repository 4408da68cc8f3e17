"""The names by which ``genai-prices`` knows its models, as our own dated aliases."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from genai_prices import types

from pricing.price_sources.quotes import NameQuote

# Names that move, which the source leaves at an older model. (provider, name, model, from)
MOVED = (("mistral", "mistral-large-latest", "mistral-large-2512", datetime(2025, 12, 2, tzinfo=UTC)),)


def names_of(provider: types.Provider) -> Iterator[NameQuote]:
    """Every name of the provider's models, in the source's order, which decides between patterns."""
    for model in provider.models:
        for kind, pattern in _patterns(model.match):
            if kind != "exact" or pattern.lower() != model.id.lower():
                yield NameQuote(provider.id, kind, pattern, model.id)
    for moved_provider, name, model_id, starts in MOVED:
        if moved_provider == provider.id:
            yield NameQuote(provider.id, "exact", name, model_id, starts)


def _patterns(match: types.MatchLogic) -> Iterator[tuple[str, str]]:
    match match:
        case types.ClauseEquals(equals=text):
            yield "exact", text
        case types.ClauseStartsWith(starts_with=text):
            yield "starts_with", text
        case types.ClauseEndsWith(ends_with=text):
            yield "ends_with", text
        case types.ClauseContains(contains=text):
            yield "contains", text
        case types.ClauseRegex(regex=text):
            yield "regex", text
        case types.ClauseOr(or_=clauses):
            for clause in clauses:
                yield from _patterns(clause)
        case types.ClauseAnd(and_=clauses):
            # All must hold: one look-ahead each, from the start of the name.
            yield "regex", "^" + "".join(f"(?={'|'.join(_as_regex(clause))})" for clause in clauses)


def _as_regex(match: types.MatchLogic) -> Iterator[str]:
    for kind, text in _patterns(match):
        literal = re.escape(text)
        yield {
            "exact": f"{literal}$",
            "starts_with": literal,
            "ends_with": f".*{literal}$",
            "contains": f".*{literal}",
            "regex": text if text.startswith("^") else f".*{text}",
        }[kind]
