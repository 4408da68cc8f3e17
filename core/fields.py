"""Reading an object's fields strictly: every wrong field is named at once, and unknown fields are errors."""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Final, TypeVar

from core import limits, money, texts, times
from core.problems import FieldError, Invalid

T = TypeVar("T")
D = TypeVar("D")


class Required:
    """The default of a field that has none."""


REQUIRED: Final = Required()


class Fields:
    """One JSON object, read field by field.

    A getter never raises: it notes what is wrong and hands back a stand-in, so that one answer names all
    errors. Call ``done()`` before the values are used: it raises ``Invalid`` when anything was wrong, or left
    unread. ``null`` is the same as absent.
    """

    def __init__(self, data: Any, path: str = "", errors: list[FieldError] | None = None) -> None:
        self.path = path
        self.errors: list[FieldError] = [] if errors is None else errors
        self.read: set[str] = set()
        self.data: dict[str, Any] = data if isinstance(data, dict) else {}
        if not isinstance(data, dict):
            self.refuse("", "object", 'Write a JSON object: {"name": value, …}.')

    def place(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path and name else self.path or name

    def refuse(self, name: str, code: str, detail: str) -> None:
        self.errors.append(FieldError(self.place(name), code, detail))

    def has(self, name: str) -> bool:
        return self.data.get(name) is not None

    def raw(self, name: str) -> Any:
        """The value as it came, checked by whoever asked; None where it is absent."""
        self.read.add(name)
        return self.data.get(name)

    def text(
        self,
        name: str,
        *,
        most: int = limits.NAME_CHARACTERS_MAX,
        default: str | Required = REQUIRED,
        lines: bool = False,
    ) -> str:
        """A text without control characters; where it is required, not an empty one."""
        text = self._read(
            name, lambda value: texts.clean_text(_text(value), most=most, lines=lines), default, "text", ""
        )
        written = self.data.get(name)
        if default is REQUIRED and isinstance(written, str) and not written.strip():
            self.refuse(name, "empty", "It must not be empty.")
        return text

    def id(self, name: str, default: str | Required = REQUIRED) -> str:
        """An id that a client chose: visible ASCII, at most 255 characters."""
        return self._read(name, lambda value: texts.clean_id(_text(value)), default, "id", "")

    def path_id(self, name: str) -> str:
        """An id that is also part of an address."""
        return self._read(name, lambda value: texts.clean_path_id(_text(value)), REQUIRED, "id", "")

    def key(self, name: str, default: str | Required = REQUIRED) -> str:
        """A key of the catalogue, such as ``output-tokens``."""
        return self._read(name, lambda value: texts.clean_key(_text(value)), default, "key", "")

    def choice(self, name: str, allowed: Sequence[str], default: str | Required = REQUIRED) -> str:
        def chosen(value: Any) -> str:
            if value not in allowed or not isinstance(value, str):
                raise ValueError(f"Write one of: {', '.join(allowed)}.")
            return value

        return self._read(name, chosen, default, "choice", allowed[0])

    def number(
        self,
        name: str,
        default: D | Required = REQUIRED,
        *,
        least: Decimal | None = None,
        most: Decimal | None = None,
        below: Decimal | None = None,
    ) -> Decimal | D:
        """A decimal in bounds (``least`` and ``most`` included, ``below`` not), as JSON number or string."""

        def within(value: Any) -> Decimal:
            number = money.parse_number(value)
            if least is not None and number < least:
                raise ValueError(f"It must be {money.plain(least)} or more.")
            if most is not None and number > most:
                raise ValueError(f"It must be {money.plain(most)} or less.")
            if below is not None and number >= below:
                raise ValueError(f"It must be less than {money.plain(below)}.")
            return number

        return self._read(name, within, default, "number", money.ZERO)

    def integer(self, name: str, default: D | Required = REQUIRED, *, least: int, most: int) -> int | D:
        def whole(value: Any) -> int:
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise ValueError(f"Write a whole number from {least} to {most}.")
            return value

        return self._read(name, whole, default, "integer", least)

    def flag(self, name: str, default: bool | Required = REQUIRED) -> bool:
        def either(value: Any) -> bool:
            if not isinstance(value, bool):
                raise ValueError("Write true or false.")
            return value

        return self._read(name, either, default, "boolean", False)

    def time(self, name: str, default: D | Required = REQUIRED) -> datetime | D:
        """An instant in UTC, from RFC 3339 text with an offset."""
        return self._read(name, times.parse_time, default, "time", times.parse_time(times.EXAMPLE))

    def parsed(
        self, name: str, parse: Callable[[Any], T], default: D | Required, *, code: str, stand_in: T
    ) -> T | D:
        """Any value, through ``parse``, whose ``ValueError`` says what would be right."""
        return self._read(name, parse, default, code, stand_in)

    def object(self, name: str) -> "Fields | None":
        """A nested object, or None where it is absent; its errors are counted here."""
        self.read.add(name)
        return Fields(self.data[name], self.place(name), self.errors) if self.has(name) else None

    def items(self, name: str, *, most: int, default: Sequence[Any] | Required = ()) -> list[Any]:
        """A list of at most ``most`` items, as they came."""

        def listed(value: Any) -> list[Any]:
            if not isinstance(value, list):
                raise ValueError("Write a list: […].")
            if len(value) > most:
                raise ValueError(f"It has {len(value)} items; at most {most} fit.")
            return value

        return list(self._read(name, listed, default, "list", []))

    def objects(self, name: str, *, most: int) -> list["Fields"]:
        """A list of nested objects; empty where it is absent."""
        items = enumerate(self.items(name, most=most))
        return [Fields(item, f"{self.place(name)}[{index}]", self.errors) for index, item in items]

    def close(self) -> None:
        """Note every field that nobody read as unknown."""
        for name in self.data:
            if name not in self.read:
                near = get_close_matches(name, sorted(self.read), n=1)
                known = f"Known are: {', '.join(sorted(self.read))}." if self.read else "None is read."
                hint = f"Did you mean {near[0]!r}?" if near else known
                self.refuse(name, "unknown_field", f"There is no field {name[:80]!r} here. {hint}")

    def done(self) -> None:
        """Raise ``Invalid`` with everything that was wrong, unknown fields included."""
        self.close()
        if self.errors:
            raise Invalid(self.errors[0].detail, tuple(self.errors))

    def _read(
        self, name: str, parse: Callable[[Any], T], default: D | Required, code: str, stand_in: T
    ) -> T | D:
        self.read.add(name)
        value = self.data.get(name)
        if value is None:
            if not isinstance(default, Required):
                return default
            self.refuse(name, "required", "It is required.")
            return stand_in
        try:
            return parse(value)
        except ValueError as error:
            self.refuse(name, code, str(error))
            return stand_in


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("Write a text in quotes.")
    return value
