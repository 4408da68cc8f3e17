"""Which column of a file is which field of an event, and a row's cells as an event in our own JSON."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from core.fields import Fields
from core.problems import Malformed
from core.texts import whole_of
from core.times import parse_time, parse_zone, render_time
from metering.backfills.csv_rows import DELIMITERS, Cells
from metering.backfills.trouble import FileTrouble, RowTrouble
from metering.formats.event_json import decode_events
from metering.formats.usage import is_bucket

TEXTS = (
    *("id", "source", "customer", "type", "provider", "model", "service_tier", "status", "hold", "api"),
    "response_id",
)
NUMBERS = ("quantity",)
WHOLE = ("latency_ms", "run.step", "run.attempt")
OBJECTS = ("usage", "response", "properties")
PLAIN = frozenset([*TEXTS, *NUMBERS, *WHOLE, *OBJECTS, "time", "run.id", "run.parent"])
DEFAULTS = ("source", "type", "provider", "model", "service_tier", "status", "api")
IGNORED = "-"

# Names that other systems' exports give what we call otherwise. None of them is taken for tokens: "prompt tokens" hold
# cached ones with some providers and not with others, so a person says which bucket they are.
ALSO_CALLED = {
    "event_id": "id",
    "transaction_id": "id",
    "idempotency_key": "id",
    "timestamp": "time",
    "occurred_at": "time",
    "event_time": "time",
    "customer_key": "customer",
    "customer_id": "customer",
    "external_customer_id": "customer",
    "subject": "customer",
    "event_type": "type",
    "event_name": "type",
    "code": "type",
    "model_name": "model",
    "run_id": "run.id",
    "step": "run.step",
    "attempt": "run.attempt",
    "parent": "run.parent",
    "run_step": "run.step",
    "run_attempt": "run.attempt",
    "run_parent": "run.parent",
}
_LOCAL = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d{1,9})?)", re.ASCII)
_WITH_OFFSET = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\S*)", re.ASCII)


@dataclass(frozen=True)
class HowToRead:
    """How a file's rows become events.

    ``mapping`` names columns and the field each is (``-``: none); columns it does not name are told by their own names.
    ``timezone`` is for times without an offset; ``defaults`` for fields that no column gives, or whose cell is empty.
    """

    mapping: dict[str, str] = field(default_factory=dict)
    timezone: str = ""
    delimiter: str = ""
    defaults: dict[str, str] = field(default_factory=dict)
    others: str = "ignore"

    def as_json(self) -> dict[str, Any]:
        return {
            "mapping": self.mapping,
            "timezone": self.timezone,
            "delimiter": self.delimiter,
            "defaults": self.defaults,
            "others": self.others,
        }


def read_how(fields: Fields) -> HowToRead:
    """The wishes of a request; what is wrong is noted in its errors."""
    mapping = fields.object("mapping")
    defaults = fields.object("defaults")
    return HowToRead(
        {} if mapping is None else {name: _field_of(mapping, name) for name in list(mapping.data)},
        fields.parsed("timezone", parse_zone, "", code="timezone", stand_in=""),
        fields.parsed("delimiter", _delimiter, "", code="choice", stand_in=""),
        {} if defaults is None else _defaults(defaults),
        fields.choice("others", ("ignore", "properties"), "ignore"),
    )


def is_field(name: str) -> bool:
    """Whether a column can be this: a field of an event, a bucket of its usage or one of its properties.

    >>> [is_field(name) for name in ("time", "usage.input", "properties.team", "tokens")]
    [True, True, True, False]
    """
    if name in PLAIN:
        return True
    head, _, rest = name.partition(".")
    return bool(rest) and (head == "properties" or (head == "usage" and is_bucket(rest)))


def assign(head: Sequence[str], how: HowToRead, *, with_customer: bool) -> list[tuple[str, str | None]]:
    """Each column and the field it is, or ``None``. ``with_customer``: whether a column must name the customer.

    Raises ``FileTrouble`` where the mapping names a column that is not there, two columns are one field, or one that is
    needed is missing.
    """
    absent = sorted(how.mapping.keys() - set(head))
    if absent:
        raise FileTrouble(
            f"The mapping names the column {absent[0]!r}; the file has: {', '.join(head)[:300]}."
        )
    taken: dict[str, str] = {}
    told: list[tuple[str, str | None]] = []
    for column in head:
        name = how.mapping.get(column) or _guess(column, how.others)
        if name == IGNORED or name is None:
            told.append((column, None))
            continue
        if name in taken:
            raise FileTrouble(
                f"The columns {taken[name]!r} and {column!r} are both {name}; map one of them to {IGNORED!r}."
            )
        taken[name] = column
        told.append((column, name))
    needed = ["id", "time", *(["customer"] if with_customer else [])]
    needed += [] if how.defaults.get("type") else ["type"]
    missing = [name for name in needed if name not in taken]
    if missing:
        raise FileTrouble(
            f"No column is the event's {missing[0]}. The file has: {', '.join(head)[:300]}. Name it in the mapping."
        )
    return told


class Assembly:
    """Makes events, in our own JSON, of rows of cells."""

    def __init__(
        self, columns: Sequence[tuple[str, str | None]], how: HowToRead, customer: str | None
    ) -> None:
        self._columns = [(column, name) for column, name in columns if name is not None]
        self._zone = ZoneInfo(how.timezone) if how.timezone else None
        self._defaults = how.defaults
        self._customer = customer
        self._column_of = {name: column for column, name in self._columns}

    def event_of(self, cells: Cells) -> dict[str, Any] | RowTrouble:
        """The event that a row tells, still to be checked, or what is wrong with the row."""
        event: dict[str, Any] = dict(self._defaults)
        try:
            for column, name in self._columns:
                if text := cells[column].strip():
                    _put(event, name, self._value(name, text))
        except (ValueError, Malformed) as error:
            return RowTrouble(column, str(error))
        if self._customer is not None:
            if event.get("customer", self._customer) != self._customer:
                return RowTrouble(
                    self.column_of("customer"), f"This backfill is for the customer {self._customer!r} alone."
                )
            event["customer"] = self._customer
        if "time" not in event:
            return RowTrouble(self.column_of("time"), "It is required.")
        return event

    def column_of(self, path: str) -> str:
        """The column that a field's value came from, by the field's path; the path where none did."""
        while path:
            if path in self._column_of:
                return self._column_of[path]
            path = path.rpartition(".")[0]
        return ""

    def _value(self, name: str, text: str) -> Any:
        if name == "time":
            return instant(text, self._zone)
        if name in WHOLE:
            number = whole_of(text)
            return text if number is None else number
        if name in OBJECTS:
            return _object(text)
        return text


def instant(text: str, zone: ZoneInfo | None) -> str:
    """A time as RFC 3339 in UTC; one without an offset is the zone's. Raises ``ValueError``.

    A local time that the clocks show twice, or skip, names no instant.

    >>> instant("2026-03-01 10:00:00", ZoneInfo("Europe/Berlin"))
    '2026-03-01T09:00:00Z'
    >>> instant("2026-10-25 02:30:00", ZoneInfo("Europe/Berlin"))
    Traceback (most recent call last):
    ValueError: The clocks of Europe/Berlin show this time twice; write it with its offset.
    """
    local = _LOCAL.fullmatch(text)
    if local is None:
        spaced = _WITH_OFFSET.fullmatch(text)
        return render_time(parse_time(f"{spaced[1]}T{spaced[2]}" if spaced else text))
    if zone is None:
        raise ValueError("It has no offset; write one, or say the file's time zone.")
    naive = parse_time(f"{local[1]}T{local[2]}Z").replace(tzinfo=None)
    first, second = (naive.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() != second.utcoffset():
        back = datetime.fromtimestamp(first.timestamp(), zone).replace(tzinfo=None)
        what = "twice" if back == naive else "never"
        raise ValueError(f"The clocks of {zone.key} show this time {what}; write it with its offset.")
    return render_time(first)


def _guess(column: str, others: str) -> str | None:
    name = re.sub(r"[\s\-]+", "_", column.strip()).lower()
    name = ALSO_CALLED.get(name, name)
    if name in PLAIN:
        return name
    if is_bucket(name):
        return f"usage.{name}"
    for start in ("usage", "properties"):
        if name.startswith((f"{start}.", f"{start}_")):
            # The rest of a property's name is the customer's own, letter by letter.
            rest = column.strip()[len(start) + 1 :] if start == "properties" else name[len(start) + 1 :]
            return f"{start}.{rest}" if is_field(f"{start}.{rest}") else None
    return f"properties.{column.strip()}" if others == "properties" else None


def _put(event: dict[str, Any], name: str, value: Any) -> None:
    head, _, rest = name.partition(".")
    if not rest:
        rest_of_it = event.get(name, {}) if name in OBJECTS else {}
        _refuse_twice(name, rest_of_it.keys() & value.keys() if rest_of_it else set())
        event[name] = rest_of_it | value if rest_of_it else value
        return
    inner = event.setdefault(head, {})
    _refuse_twice(head, {rest} & inner.keys())
    inner[rest] = value


def _refuse_twice(where: str, names: Collection[str]) -> None:
    if names:
        raise ValueError(f"{min(names)!r} is given twice: by a column of its own, and within {where}.")


def _object(text: str) -> dict[str, Any]:
    tree = decode_events(text.encode())
    if not isinstance(tree, dict):
        raise ValueError('Write a JSON object: {"feature": "chat"}.')
    return tree


def _field_of(mapping: Fields, column: str) -> str:
    name = mapping.raw(column)
    if name is None or name == IGNORED:
        return IGNORED
    if not isinstance(name, str) or not is_field(name):
        mapping.refuse(
            column[:80],
            "choice",
            f"Write a field of an event, usage.BUCKET, properties.NAME, or {IGNORED!r}. Fields: {', '.join(sorted(PLAIN))}.",
        )
        return IGNORED
    return name


def _defaults(fields: Fields) -> dict[str, str]:
    found = {name: fields.text(name, default="") for name in DEFAULTS if fields.has(name)}
    fields.close()
    return found


def _delimiter(value: Any) -> str:
    if not isinstance(value, str) or len(value) != 1 or value not in DELIMITERS:
        raise ValueError("Write one of: comma, semicolon, tab, bar.")
    return value


def how_from_json(data: Mapping[str, Any]) -> HowToRead:
    """What ``HowToRead.as_json`` wrote down."""
    return HowToRead(**data)
