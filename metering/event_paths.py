"""Paths into an event, as meters and price dimensions name them: ``usage.output``, ``properties.team``,
``model``.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Protocol

from core.money import NumberError, parse_number
from metering.formats.usage import BUCKETS, is_bucket, is_prompt_bucket, is_token_bucket

PROPERTIES = "properties."
USAGE = "usage."
WHOLE_DIGITS_MAX = 20


class EventRow(Protocol):
    """What a path can read: a stored event, or one that is only tried out. Numbers may be decimal text."""

    @property
    def type(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def provider(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def context(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def run_id(self) -> str: ...
    @property
    def usage(self) -> Mapping[str, Any]: ...
    @property
    def properties(self) -> Mapping[str, Any]: ...
    @property
    def quantity(self) -> Decimal: ...
    @property
    def latency_ms(self) -> int | None: ...
    @property
    def cost(self) -> Decimal: ...


ReadText = Callable[[EventRow], str | None]
ReadNumber = Callable[[EventRow], Decimal | None]


class PathError(ValueError):
    """No such path; the message names those there are."""


def _is_answer(bucket: str) -> bool:
    return is_token_bucket(bucket) and not is_prompt_bucket(bucket)


TEXTS: Mapping[str, ReadText] = {
    "type": lambda event: event.type,
    "source": lambda event: event.source,
    "provider": lambda event: event.provider or None,
    "model": lambda event: event.model or None,
    "context": lambda event: event.context,
    "status": lambda event: event.status,
    "run.id": lambda event: event.run_id or None,
}
NUMBERS: Mapping[str, ReadNumber] = {
    "quantity": lambda event: event.quantity,
    "latency_ms": lambda event: None if event.latency_ms is None else Decimal(event.latency_ms),
    "cost": lambda event: event.cost,
}
# Sums of buckets, under names that no bucket has.
BUCKET_SUMS: Mapping[str, Callable[[str], bool]] = {
    "tokens": is_token_bucket,
    "input_total": is_prompt_bucket,
    "output_total": _is_answer,
    "cache_write": lambda bucket: bucket.startswith("cache_write_"),
}


def text_reader(path: str) -> ReadText:
    """How to read the text at a path; None where an event has nothing there. Raises ``PathError``."""
    if path in TEXTS:
        return TEXTS[path]
    if path.startswith(PROPERTIES) and len(path) > len(PROPERTIES):
        name = path.removeprefix(PROPERTIES)
        return lambda event: as_text(event.properties.get(name))
    raise PathError(
        f"{path[:80]!r} is no text of an event; write one of {', '.join(TEXTS)} or properties.NAME."
    )


def number_reader(path: str) -> ReadNumber:
    """How to read the number at a path; None where an event has none there. Raises ``PathError``."""
    if path in NUMBERS:
        return NUMBERS[path]
    if path.startswith(PROPERTIES) and len(path) > len(PROPERTIES):
        name = path.removeprefix(PROPERTIES)
        return lambda event: as_number(event.properties.get(name))
    bucket = path.removeprefix(USAGE)
    if path.startswith(USAGE) and bucket in BUCKET_SUMS:
        return _bucket_sum(BUCKET_SUMS[bucket])
    if path.startswith(USAGE) and is_bucket(bucket):
        return lambda event: as_number(event.usage.get(bucket))
    known = ", ".join([*NUMBERS, "properties.NAME", *(USAGE + name for name in (*BUCKET_SUMS, *BUCKETS))])
    raise PathError(f"{path[:80]!r} is no number of an event; write one of {known}.")


@lru_cache(maxsize=1_000)
def dimension_reader(name: str) -> ReadText:
    """How to read a dimension of a price: a path, or the bare name of a property, such as ``task``."""
    try:
        return text_reader(name)
    except PathError:
        return lambda event: as_text(event.properties.get(name))


def token_buckets(event: EventRow) -> Iterable[tuple[str, Decimal]]:
    """The event's token kinds and how many of each."""
    for bucket, written in event.usage.items():
        number = as_number(written) if is_token_bucket(bucket) else None
        if number:
            yield bucket, number


def as_text(value: Any) -> str | None:
    """A property as a text to compare and to group by; None for what is no single value.

    >>> as_text(True), as_text(12), as_text(["a"])
    ('true', '12', None)
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | Decimal) else None


def as_number(value: Any) -> Decimal | None:
    """A stored number, or decimal text; None for what is no number, or is below zero.

    >>> as_number("2.50"), as_number(3), as_number("-1"), as_number("two")
    (Decimal('2.50'), Decimal('3'), None, None)
    """
    if value is None:
        return None
    if type(value) is str and value.isdecimal() and value.isascii() and len(value) <= WHOLE_DIGITS_MAX:
        return Decimal(value)  # nearly every count; the grammar below would say the same
    try:
        return parse_number(value, negative=False)
    except NumberError:
        return None


def _bucket_sum(belongs: Callable[[str], bool]) -> ReadNumber:
    def read(event: EventRow) -> Decimal | None:
        found = [as_number(written) for bucket, written in event.usage.items() if belongs(bucket)]
        return sum((number for number in found if number is not None), Decimal(0)) if found else None

    return read
