"""Numbers out of a provider's object: strictly read, named by path, and none overlooked."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from core.money import CONTEXT, ZERO, NumberError, parse_number

LIST_MAX = (
    1000  # entries of a list inside a usage object; the longest real ones are server-side turns, some dozens
)
PATH_MAX = 200  # a path is shown to people and stored with the event


class UsageError(ValueError):
    """The usage cannot be read. ``field`` is the path of the culprit, ``detail`` says what would be right."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field = field
        self.detail = detail


def shown(text: str) -> str:
    """A name from outside, fit to be stored and shown: printable, and not endless."""
    if len(text) <= 80 and text.isprintable():
        return text
    clean = "".join(letter if letter.isprintable() else "?" for letter in text[:80])
    return clean if len(text) <= 80 else f"{clean}…"


class Fields:
    """One object inside a provider's usage, its place, and which of its numbers have been read.

    Absent and ``null`` are the same: zero for a number, empty for an object or a list. What nobody read by
    the end is what we do not know, see ``unread``.
    """

    def __init__(self, value: Mapping[str, Any], path: str, seen: set[str] | None = None) -> None:
        self.value = value
        self.path = path
        self._seen: set[str] = set() if seen is None else seen

    def path_of(self, name: str) -> str:
        """The full path of one of this object's fields."""
        return f"{self.path}.{shown(name)}"[-PATH_MAX:]

    def keys(self) -> Iterator[str]:
        """The names in this object, as they came. Raises ``UsageError`` for one that is not text."""
        for key in self.value:
            if not isinstance(key, str):
                raise UsageError(self.path, "Write names as text.")
            yield key

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self.value.get(name) is not None

    def is_object(self, name: str) -> bool:
        """Whether the field is there and is an object."""
        return isinstance(self.value.get(name), Mapping)

    def count(self, name: str) -> Decimal:
        """A whole number, zero or more; zero when absent. Raises ``UsageError``."""
        raw = self._take(name)
        if raw is None:
            return ZERO
        if type(raw) is int and 0 <= raw < 10**20:
            return Decimal(raw)
        number = self._number(name, raw)
        if number != number.to_integral_value(context=CONTEXT):
            raise UsageError(self.path_of(name), "Write a whole number, such as 1200.")
        return number.to_integral_value(context=CONTEXT)

    def quantity(self, name: str) -> Decimal:
        """A number with decimals, zero or more; zero when absent. Raises ``UsageError``."""
        return self._number(name, self._take(name))

    def first(self, *names: str) -> Decimal:
        """The count told under any of these names for one thing; where several count, they must agree."""
        told = [(name, number) for name in names if (number := self.count(name))]
        for name, number in told[1:]:
            if number != told[0][1]:
                raise UsageError(
                    self.path_of(name),
                    f"It contradicts {told[0][0]}, which counts the same tokens; give one of them.",
                )
        return told[0][1] if told else ZERO

    def required(self, *names: str) -> Decimal:
        """As ``first``, but one of them must be there."""
        if not any(self.has(name) for name in names):
            raise UsageError(self.path_of(names[0]), "It is missing; write a whole number, zero or more.")
        return self.first(*names)

    def money(self, name: str) -> Decimal | None:
        """An amount that the provider reports, in its unit; exponents are taken. Raises ``UsageError``."""
        raw = self._take(name)
        if raw is None:
            return None
        if isinstance(raw, Decimal) and raw.is_finite() and ZERO <= raw < 10**20:
            return raw
        return self._number(name, raw)

    def text(self, name: str) -> str | None:
        """A short text, or None when absent or of another kind."""
        raw = self.value.get(name)
        return raw if isinstance(raw, str) else None

    def child(self, name: str) -> "Fields":
        """The object under this name; empty when absent. Raises ``UsageError`` when it is something else."""
        raw = self.value.get(name)
        if raw is None:
            raw = {}
        if not isinstance(raw, Mapping):
            raise UsageError(self.path_of(name), "Write an object, or leave it out.")
        return Fields(raw, self.path_of(name), self._seen)

    def first_child(self, *names: str) -> "Fields":
        """The object under the first of these names that is there; empty when none is."""
        return self.child(next((name for name in names if self.has(name)), names[0]))

    def children(self, name: str) -> list["Fields"]:
        """The objects listed under this name; none when absent. Raises ``UsageError`` when it is no list."""
        raw = self.value.get(name)
        if raw is None:
            return []
        path = self.path_of(name)
        if not isinstance(raw, list | tuple) or not all(isinstance(entry, Mapping) for entry in raw):
            raise UsageError(path, "Write a list of objects, or leave it out.")
        if len(raw) > LIST_MAX:
            raise UsageError(path, f"Write at most {LIST_MAX} entries.")
        return [Fields(entry, f"{path}[{n}]", self._seen) for n, entry in enumerate(raw)]

    def skip(self, *names: str) -> None:
        """Mark fields, and all below them, as known and not billed."""
        self._seen.update(self.path_of(name) for name in names if name in self.value)

    def unread(self) -> Iterator[str]:
        """The paths of numbers other than zero that nobody read or skipped, in the order they came.

        >>> usage = Fields({"input": 1, "tools": {"robots": 2, "none": 0}}, "usage")
        >>> _ = usage.count("input")
        >>> list(usage.unread())
        ['usage.tools.robots']
        """
        # A stack, not recursion: the depth is the client's.
        stack: list[tuple[str, Any]] = [(self.path, self.value)]
        while stack:
            path, value = stack.pop()
            if path in self._seen:
                continue
            if isinstance(value, Mapping):
                below: Iterable[tuple[str, Any]] = [
                    (f"{path}.{shown(str(k))}"[-PATH_MAX:], v) for k, v in value.items()
                ]
                stack.extend(reversed(list(below)))
            elif isinstance(value, list | tuple):
                stack.extend(reversed([(f"{path}[{n}]"[-PATH_MAX:], entry) for n, entry in enumerate(value)]))
            elif _counts(value):
                yield path

    def _take(self, name: str) -> Any:
        raw = self.value.get(name)
        if raw is not None:
            self._seen.add(self.path_of(name))
        return raw

    def _number(self, name: str, raw: Any) -> Decimal:
        if raw is None:
            return ZERO
        try:
            return parse_number(raw, negative=False)
        except NumberError as wrong:
            raise UsageError(self.path_of(name), str(wrong)) from wrong


def _counts(value: Any) -> bool:
    """Whether an unknown value may be something billed: a number other than zero, also as text."""
    if isinstance(value, bool) or value is None:
        return False
    if isinstance(value, Decimal):
        return not value.is_zero()
    if isinstance(value, int | float):
        return value != 0
    try:
        return isinstance(value, str) and parse_number(value) != 0
    except NumberError:
        return False
