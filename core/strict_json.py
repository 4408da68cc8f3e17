"""JSON read strictly: what is not plainly right is refused, and the refusal names the place.

Python's own parser keeps the last of two equal keys, takes ``NaN``, makes floats, and fails on deep nesting
with an error of its own. Here duplicate keys, deep nesting, control characters, halves of characters, and
numbers outside our grammar are problems that a client can read. Numbers come out as ``int`` or ``Decimal``,
never as ``float``.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core import limits, money, texts
from core.problems import FieldError, Invalid, Malformed

# Only these bytes can put a character into a string that texts.UNSTORABLE refuses: raw controls the parser
# refuses itself.
_SUSPECT = re.compile(rb"\\[ubf]|\x7f|\xc2[\x80-\x9f]")


@dataclass(frozen=True)
class RefusedNumber:
    """Stands in the tree where a number was that we do not take."""

    written: str


def loads(body: bytes) -> Any:
    """The value that the bytes say.

    Raises ``Malformed`` (400) where the bytes are not JSON or repeat a key, ``Invalid`` (422) where a value
    in it is out of bounds; ``errors`` names its place.
    """
    value = decode(body)
    errors = tuple(faults(value))
    if errors:
        raise Invalid(errors[0].detail, errors)
    return value


def decode(body: bytes, *, wide: bool = False) -> Any:
    """The tree, in which a refused number or text may still stand: ``faults`` finds them, event by event.

    ``wide`` takes any number that a double can hold, in at most 40 digits: for the shapes of other programs,
    which write ``1.5e-05``. Raises ``Malformed``; also for a tree that is too deep or too broad.
    """
    try:
        text = body.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise Malformed(f"The body is not UTF-8: byte {error.start + 1} cannot be read.") from None
    if not text.strip():
        raise Malformed("The body is empty: send JSON, and how long it is in Content-Length.")
    try:
        value = (_WIDE if wide else _STRICT).decode(text)
    except json.JSONDecodeError as error:
        raise Malformed(
            f"The body is not JSON: {error.msg.lower()} at line {error.lineno}, column {error.colno}."
        ) from None
    except RecursionError:
        raise _too_deep() from None
    check_depth(value)
    return _refuse_texts(value) if _SUSPECT.search(body) else value


@dataclass(frozen=True)
class RefusedText:
    """Stands in the tree where a text was that cannot be stored."""


def faults(value: Any, path: str = "") -> Iterator[FieldError]:
    """What is wrong inside a decoded tree: refused numbers and texts, and objects with too many names."""
    if isinstance(value, dict):
        if len(value) > limits.JSON_KEYS_MAX:
            yield FieldError(
                path, "too_many", f"It has {len(value)} names; at most {limits.JSON_KEYS_MAX} fit."
            )
        for name, item in value.items():
            if type(item) not in _PLAIN:
                yield from faults(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if type(item) not in _PLAIN:
                yield from faults(item, f"{path}[{index}]")
    elif isinstance(value, RefusedNumber):
        yield FieldError(path, "number", number_refusal(value.written))
    elif isinstance(value, RefusedText):
        yield FieldError(path, "text", "It holds a control character or half a character; write plain text.")


def number_refusal(written: str) -> str:
    return (
        f"{written[:40]!r} is not a number that is taken here; write at most 20 digits, a point and 18 "
        "digits, such as 1200 or 0.0025."
    )


_PLAIN = frozenset({str, int, Decimal, bool, type(None)})


def _strict_number(written: str) -> Decimal | RefusedNumber:
    try:
        return money.parse_number(written)
    except money.NumberError:
        return RefusedNumber(written[:60])


def _integer(written: str) -> int | RefusedNumber:
    return int(written) if len(written.lstrip("-")) <= 20 else RefusedNumber(written[:60])


def _wide_number(written: str) -> Decimal | RefusedNumber:
    if len(written) > limits.WIDE_NUMBER_DIGITS_MAX:
        return RefusedNumber(written[:60])
    number = Decimal(written)
    return number if abs(number.adjusted()) <= limits.WIDE_NUMBER_EXPONENT_MAX else RefusedNumber(written)


def _wide_integer(written: str) -> int | RefusedNumber:
    return int(written) if len(written) <= limits.WIDE_NUMBER_DIGITS_MAX else RefusedNumber(written[:60])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        name = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        shown = name[:80].encode("ascii", "backslashreplace").decode()
        detail = f"The name {shown!r} stands twice in one object; write it once."
        raise Malformed(detail, (FieldError(shown, "duplicate_name", detail),))
    return value


_STRICT = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_strict_number, parse_int=_integer, parse_constant=RefusedNumber
)
_WIDE = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_wide_number, parse_int=_wide_integer, parse_constant=RefusedNumber
)


def check_depth(value: Any, left: int = limits.JSON_DEPTH_MAX) -> None:
    """Raise ``Malformed`` for a tree of more levels than that."""
    if type(value) is dict:
        items: Any = value.values()
    elif type(value) is list:
        items = value
    else:
        return
    if left == 0:
        raise _too_deep()
    for item in items:
        if type(item) is dict or type(item) is list:
            check_depth(item, left - 1)


def _too_deep() -> Malformed:
    return Malformed(f"The body is nested too deep; at most {limits.JSON_DEPTH_MAX} levels are read.")


def _refuse_texts(value: Any) -> Any:
    if isinstance(value, str):
        return RefusedText() if texts.UNSTORABLE.search(value) else value
    if isinstance(value, list):
        return [_refuse_texts(item) for item in value]
    if not isinstance(value, dict):
        return value
    for name in value:
        if texts.UNSTORABLE.search(name):
            raise Malformed(
                "A name in the body holds a control character or half a character; write plain text."
            )
    return {name: _refuse_texts(item) for name, item in value.items()}
