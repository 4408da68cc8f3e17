"""How a provider's numbers became disjoint ones: which field stands in which bucket, added or taken off.

Nothing of it is written down. The mapping itself is asked: a field is raised by one, and the buckets that move are those that
it stands in. So the steps are what the code does, not what somebody once wrote about it.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.problems import Invalid
from metering.formats.reported_usage import read_response

FIELDS_MAX = 60
Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Term:
    """A field of the provider's, as it goes into a bucket. ``added`` is False where it is taken off."""

    field: str
    value: Decimal
    added: bool


@dataclass(frozen=True)
class DisjointStep:
    """One bucket and the fields it comes from. ``adds_up`` says that the fields alone make its quantity."""

    bucket: str
    quantity: Decimal
    terms: tuple[Term, ...]

    @property
    def adds_up(self) -> bool:
        return (
            sum((term.value if term.added else -term.value for term in self.terms), Decimal(0))
            == self.quantity
        )


def disjoint_steps(provider: str, api: str, usage: Mapping[str, Any]) -> tuple[DisjointStep, ...]:
    """Each bucket of the usage with its fields; nothing where the usage cannot be read.

    >>> usage = {"prompt_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 8}}
    >>> for step in disjoint_steps("openai", "chat.completions", usage):
    ...     print(step.bucket, step.quantity, [(term.field, term.added) for term in step.terms])
    input 4 [('prompt_tokens', True), ('prompt_tokens_details.cached_tokens', False)]
    cache_read 8 [('prompt_tokens_details.cached_tokens', True)]
    output 3 [('completion_tokens', True)]
    """
    plain = _buckets(provider, api, usage)
    terms: dict[str, list[Term]] = {bucket: [] for bucket in plain}
    for path, value in list(_numbers(usage, ()))[:FIELDS_MAX]:
        raised = _buckets(provider, api, _raised(usage, path, value))
        for bucket, quantity in plain.items():
            moved = raised.get(bucket, quantity) - quantity if raised else Decimal(0)
            if moved and value:
                terms[bucket].append(Term(_written(path), value, moved > 0))
    return tuple(DisjointStep(bucket, quantity, tuple(terms[bucket])) for bucket, quantity in plain.items())


def _buckets(provider: str, api: str, usage: Mapping[str, Any]) -> dict[str, Decimal]:
    try:
        return read_response(usage, provider=provider, api=api or None).buckets
    except Invalid:
        return {}


def _numbers(value: Any, path: Path) -> Iterator[tuple[Path, Decimal]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _numbers(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _numbers(item, (*path, index))
    elif isinstance(value, int) and not isinstance(value, bool):
        yield path, Decimal(value)


def _raised(usage: Mapping[str, Any], path: Path, value: Decimal) -> dict[str, Any]:
    """A copy in which the number at the path is one more."""
    changed: Any = copy.deepcopy(dict(usage))
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = int(value) + 1
    return dict(changed)


def _written(path: Path) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
