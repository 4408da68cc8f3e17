"""Python values as JSON that the server reads exactly: no exponents, no NaN, never too deep or too large."""

import dataclasses
import math
import operator
import re
import uuid
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Context, Decimal
from enum import Enum
from typing import Any

DEPTH_MAX = 12
VALUES_MAX = 5_000
CHARACTERS_MAX = 1_000_000
DIGITS_MAX = 40
NAMES_MAX = 100
# Control characters but for tabs and line ends, and halves of characters: the server refuses an event with them.
UNSTORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
INTEGER_LIMIT = 10**20
# What the server reads behind the point. A float's digits beyond it are noise; a Decimal is sent as it is.
FLOAT_STEP = Decimal("1e-18")
_context = Context(prec=60)


class Unwritable(ValueError):
    """The value cannot be written; the message says why, without showing it."""


class Plain:
    """One event's worth of values, bounded in all, so that reading a value costs no more than a moment."""

    def __init__(self) -> None:
        self._values = VALUES_MAX
        self._characters = CHARACTERS_MAX

    def value(self, value: Any, depth: int = 0) -> Any:
        """The value in dicts, lists, texts, numbers. Raises ``Unwritable``."""
        self._values -= 1
        if self._values < 0 or depth > DEPTH_MAX:
            raise Unwritable("It is too large, too deep, or contains itself.")
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, int):
            return _integer(value)
        if isinstance(value, float):
            return _float(value)
        if isinstance(value, Mapping):
            if len(value) > NAMES_MAX:
                raise Unwritable(f"An object in it has more than {NAMES_MAX} names.")
            return {self._name(name): self.value(item, depth + 1) for name, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(item, depth + 1) for item in value]
        return self._other(value, depth)

    def fields_of(self, value: Any, depth: int = 0) -> dict[str, Any]:
        """The fields of a dict, a pydantic model, a dataclass or another plain object. Raises ``Unwritable``."""
        plain = self.value(dumped(value), depth)
        if not isinstance(plain, dict):
            raise Unwritable(f"A {type(value).__name__} has no fields.")
        return plain

    def _text(self, text: str) -> str:
        self._characters -= len(text)
        if self._characters < 0:
            raise Unwritable("It is too long.")
        if not text.isprintable() and UNSTORABLE.search(text):
            raise Unwritable("It holds a control character or half a character.")
        return str(text)

    def _name(self, name: Any) -> str:
        if isinstance(name, Enum):
            name = name.value
        if not isinstance(name, str | int):
            raise Unwritable(f"A name is a {type(name).__name__}; names are text.")
        return self._text(str(name))

    def _other(self, value: Any, depth: int) -> Any:
        if isinstance(value, Decimal):
            return _decimal(value)
        if isinstance(value, Enum):
            return self.value(value.value, depth + 1)
        if isinstance(value, datetime | date):
            return value.isoformat()
        if isinstance(value, uuid.UUID):
            return str(value)
        if hasattr(value, "__index__"):
            return _integer(operator.index(value))  # numpy's whole numbers
        if depth and (fields := dumped(value)) is not value:
            return self.value(fields, depth + 1)
        raise Unwritable(f"A {type(value).__name__} cannot be written as JSON.")


def dumped(value: Any) -> Any:
    """An object's fields as a dict; the value itself where it has none that are told openly."""
    if isinstance(value, Mapping):
        return value
    if callable(dump := getattr(value, "model_dump", None)):
        return dump()
    if callable(dump := getattr(value, "to_dict", None)):
        return dump()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if type(value).__name__ == "SimpleNamespace":
        return vars(value)
    return value


def _integer(number: int) -> int:
    if not -INTEGER_LIMIT < number < INTEGER_LIMIT:
        raise Unwritable("It is a whole number of more than 20 digits.")
    return int(number)


def _float(number: float) -> float | str:
    if not math.isfinite(number):
        raise Unwritable("It is not a finite number.")
    written = float.__repr__(number)
    exact = Decimal(written)
    if "e" not in written and -exact.as_tuple().exponent <= 18:  # type: ignore[operator]
        return float(number)
    return _decimal(
        exact if exact.adjusted() > 18 else exact.quantize(FLOAT_STEP, context=_context).normalize()
    )


def _decimal(number: Decimal) -> str:
    if not number.is_finite() or abs(number.adjusted()) > DIGITS_MAX:
        raise Unwritable("It is not a number that can be billed.")
    return format(number, "f")
