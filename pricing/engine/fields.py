"""Reading a charge's JSON field by field: every fault is collected, none stops the reading."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from core.money import AMOUNT_LIMIT, ZERO, NumberError, parse_number, plain

TEXT_LENGTH_MAX = 255
LIST_LENGTH_MAX = 1000  # cells or tiers of one charge; more is a mistake, and slow to show

AMOUNT_MAX = AMOUNT_LIMIT - 1

_PRINTABLE = re.compile(r"[\x20-\x7e]+")

T = TypeVar("T")


@dataclass(frozen=True)
class ChargeIssue:
    """One wrong field: its path (``tiers[1].up_to``), a stable code, and a sentence that says what would
    be right."""

    field: str
    code: str
    detail: str


class ChargeError(ValueError):
    """A charge that cannot be used; ``issues`` names each wrong field."""

    def __init__(self, issues: Sequence[ChargeIssue]) -> None:
        super().__init__("; ".join(f"{issue.field}: {issue.detail}" for issue in issues))
        self.issues = tuple(issues)


class Fields:
    """One JSON object under reading. A field that is wrong is noted and read as a stand-in, so reading
    goes on."""

    def __init__(
        self, data: Mapping[str, Any], path: str = "", issues: list[ChargeIssue] | None = None
    ) -> None:
        self.data = data
        self.path = path
        self.issues: list[ChargeIssue] = [] if issues is None else issues
        self.known: set[str] = set()

    def refuse(self, name: str, code: str, detail: str) -> None:
        self.issues.append(ChargeIssue(f"{self.path}{name}", code, detail))

    def get(self, name: str) -> Any:
        self.known.add(name)
        return self.data.get(name)

    def has(self, name: str) -> bool:
        return self.get(name) is not None

    def required(self, name: str) -> bool:
        if self.has(name):
            return True
        self.refuse(name, "required", f"{name} is missing.")
        return False

    def number(self, name: str, *, at_most: Decimal | None = None, above_zero: bool = False) -> Decimal:
        """A required number, zero or more."""
        if not self.required(name):
            return ZERO
        return self._number(name, at_most, above_zero)

    def optional_number(
        self, name: str, *, at_most: Decimal | None = None, above_zero: bool = False
    ) -> Decimal | None:
        return self._number(name, at_most, above_zero) if self.has(name) else None

    def amount(self, name: str) -> Decimal:
        """A required amount of money that a document can hold."""
        return self.number(name, at_most=AMOUNT_MAX)

    def optional_amount(self, name: str) -> Decimal | None:
        return self.optional_number(name, at_most=AMOUNT_MAX)

    def number_or_zero(self, name: str) -> Decimal:
        return self._number(name, None, False) if self.has(name) else ZERO

    def fraction(self, name: str) -> Decimal:
        """A required rate between 0 and 1."""
        return self._fraction(name) if self.required(name) else ZERO

    def count(self, name: str) -> int | None:
        """An optional whole number, zero or more."""
        number = self.optional_number(name)
        if number is None:
            return None
        if number != number.to_integral_value():
            self.refuse(name, "not_whole", f"{name} counts events, so it is a whole number.")
        return int(number)

    def text(self, name: str) -> str:
        return self._text(name) if self.required(name) else ""

    def optional_text(self, name: str) -> str | None:
        return self._text(name) if self.has(name) else None

    def flag(self, name: str, default: bool) -> bool:
        value = self.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.refuse(name, "not_a_boolean", f"{name} is true or false.")
            return default
        return value

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        value = self.get(name)
        if value is None:
            return default
        if value not in choices:
            self.refuse(name, "invalid_choice", f"{name} is one of {', '.join(choices)}.")
            return default
        return str(value)

    def objects(self, name: str, read: "Callable[[Fields], T]") -> tuple[T, ...]:
        """A required list, not empty, of JSON objects, each read by ``read``."""
        if not self.required(name):
            return ()
        value = self.data[name]
        if not isinstance(value, list) or not 1 <= len(value) <= LIST_LENGTH_MAX:
            self.refuse(name, "not_a_list", f"{name} is a list of 1 to {LIST_LENGTH_MAX} objects.")
            return ()
        return tuple(self._object(name, index, item, read) for index, item in enumerate(value))

    def finish(self) -> None:
        """Note every field that nothing has asked for."""
        for name in sorted(set(map(str, self.data)) - self.known):
            known = ", ".join(sorted(self.known))
            self.refuse(name, "unknown_field", f"{name[:60]} is not a field here; the fields are {known}.")

    def _object(self, name: str, index: int, item: Any, read: "Callable[[Fields], T]") -> T:
        path = f"{self.path}{name}[{index}]"
        if not isinstance(item, Mapping):
            self.issues.append(ChargeIssue(path, "not_an_object", f"Each of {name} is a JSON object."))
            item = {}
            return read(Fields(item, f"{path}.", []))
        fields = Fields(item, f"{path}.", self.issues)
        result = read(fields)
        fields.finish()
        return result

    def _number(self, name: str, at_most: Decimal | None, above_zero: bool) -> Decimal:
        try:
            number = parse_number(self.data[name], negative=False)
        except NumberError as error:
            self.refuse(name, "not_a_number", str(error))
            return ZERO
        if above_zero and number == 0:
            self.refuse(name, "too_small", f"{name} is above zero.")
        if at_most is not None and number > at_most:
            self.refuse(name, "too_large", f"{name} is at most {plain(at_most)}.")
        return number

    def _fraction(self, name: str) -> Decimal:
        number = self._number(name, None, False)
        if number > 1:
            self.refuse(name, "too_large", f"{name} is a fraction of 1: write 0.029 for 2.9 %.")
        return number

    def _text(self, name: str) -> str:
        value = self.data[name]
        if not isinstance(value, str) or len(value) > TEXT_LENGTH_MAX or not _PRINTABLE.fullmatch(value):
            self.refuse(
                name, "not_a_text", f"{name} is a text of 1 to {TEXT_LENGTH_MAX} printable ASCII characters."
            )
            return ""
        return value
