"""Meters: how events become a quantity. A meter never changes once made; a new rule is a new meter."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction

from core import limits, texts
from core.fields import Fields
from core.money import ONE
from core.problems import Conflict, NotFound
from metering.event_columns import TOKEN_KIND
from metering.event_paths import (
    EventRow,
    PathError,
    ReadNumber,
    ReadText,
    dimension_reader,
    number_reader,
    text_reader,
    token_buckets,
)
from metering.models import Meter
from metering.units import UNIT_CHARACTERS_MAX

COUNT, UNIQUE = Meter.Aggregation.COUNT, Meter.Aggregation.UNIQUE
FILTER_SHOWN = 5
TOKENS = "usage.tokens"

Dimensions = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class MeterTerms:
    """A meter that is read and checked, not yet stored."""

    key: str
    name: str
    unit: str
    event_type: str
    aggregation: str
    value: str
    filter: dict[str, list[str]]
    group_by: list[str]


class CompiledMeter:
    """A meter ready to count: its paths are looked up once, and not for each event."""

    __slots__ = ("_filters", "_number", "_text", "aggregation", "event_type", "value_path")

    def __init__(
        self, event_type: str, aggregation: str, value: str, accepted: Mapping[str, Sequence[str]]
    ) -> None:
        self.event_type = event_type
        self.aggregation = aggregation
        self.value_path = value
        self._filters: list[tuple[ReadText, frozenset[str]]] = [
            (text_reader(path), frozenset(values)) for path, values in accepted.items()
        ]
        self._text: ReadText | None = text_reader(value) if aggregation == UNIQUE else None
        self._number: ReadNumber | None = None if aggregation in (COUNT, UNIQUE) else number_reader(value)

    def matches(self, event: EventRow) -> bool:
        """Whether the event is one that this meter counts, and holds what it counts."""
        return event.type == self.event_type and self.counts(event)

    def counts(self, event: EventRow) -> bool:
        """Whether the event passes the filters and holds what is counted, whatever its type."""
        for read, accepted in self._filters:
            if read(event) not in accepted:
                return False
        return self.value(event) is not None

    def value(self, event: EventRow) -> Decimal | None:
        """What the event adds: 1 for count and unique, else the number at the meter's path; None where there
        is none.
        """
        if self._number is not None:
            return self._number(event)
        return None if self._text is not None and self._text(event) is None else ONE

    def text(self, event: EventRow) -> str:
        """The value that a unique meter counts once; empty where there is none."""
        return (self._text(event) if self._text is not None else None) or ""

    def dimensions(self, event: EventRow, names: Iterable[str]) -> dict[str, str]:
        """The event's values of the named dimensions; those it lacks are left out."""
        found = {name: dimension_reader(name)(event) for name in names if name != TOKEN_KIND}
        return {name: text for name, text in found.items() if text is not None}

    def parts(self, event: EventRow, names: Sequence[str]) -> list[tuple[Dimensions, Decimal]]:
        """The event's quantity by dimensions, sorted by name. It is one part, or, where ``token_kind`` is a
        dimension of a meter of all tokens, one part for each kind of token.
        """
        dimensions = self.dimensions(event, names)
        if TOKEN_KIND in names and self.value_path == TOKENS:
            return [
                (tuple(sorted((dimensions | {TOKEN_KIND: kind}).items())), number)
                for kind, number in token_buckets(event)
            ]
        quantity = self.value(event)
        return [] if quantity is None else [(tuple(sorted(dimensions.items())), quantity)]


def compile_meter(meter: Meter | MeterTerms) -> CompiledMeter:
    """The meter, ready to count."""
    return CompiledMeter(meter.event_type, meter.aggregation, meter.value, meter.filter)


def why_not_counted(meter: Meter, event: EventRow) -> str:
    """What keeps the event out of the meter, as a sentence's end; empty where it is counted."""
    if event.type != meter.event_type:
        return f"counts events of the type {meter.event_type}"
    for path, accepted in meter.filter.items():
        told = text_reader(path)(event)
        if told not in accepted:
            return f"{path} is {'absent' if told is None else told}; counted: {', '.join(accepted[:FILTER_SHOWN])}"
    return "" if compile_meter(meter).matches(event) else f"{meter.value} is absent"


def read_meter(data: Any) -> MeterTerms:
    """A meter from its JSON. Raises ``Invalid`` with every field that is wrong."""
    fields = Fields(data)
    aggregation = fields.choice("aggregation", Meter.Aggregation.values)
    terms = MeterTerms(
        key=fields.key("key"),
        name=fields.text("name", default=""),
        unit=fields.text("unit", most=UNIT_CHARACTERS_MAX, default=""),
        event_type=fields.text("event_type", most=limits.EVENT_TYPE_CHARACTERS_MAX),
        aggregation=aggregation,
        value=_read_value(fields, aggregation),
        filter=_read_filter(fields),
        group_by=_read_group_by(fields),
    )
    fields.done()
    return terms


def create_meter(terms: MeterTerms, *, now: datetime) -> Meter:
    """Store a meter. Raises ``Conflict`` when the key is taken: a meter never changes."""
    try:
        with transaction.atomic():
            return Meter.objects.create(
                key=terms.key,
                name=terms.name,
                unit=terms.unit,
                event_type=terms.event_type,
                aggregation=terms.aggregation,
                value=terms.value,
                filter=terms.filter,
                group_by=terms.group_by,
                created_at=now,
            )
    except IntegrityError:
        raise Conflict(
            f"There is a meter with the key {terms.key!r} already. Meters never change: take another key."
        ) from None


def meter_by_key(key: str) -> Meter:
    """The meter. Raises ``NotFound``."""
    meter = Meter.objects.filter(key=key).first() if texts.KEY.fullmatch(key) else None
    if meter is None:
        raise NotFound("There is no meter with that key.")
    return meter


def counter_of(key: str) -> Callable[[EventRow, Sequence[str]], list[tuple[Dimensions, Decimal]]] | None:
    """How the meter counts an event that is only tried out; None where there is no such meter.

    An event without a type is taken for one of the meter's; where it lacks what the meter reads, its own
    quantity counts.
    """
    meter = Meter.objects.filter(key=key).first()
    if meter is None:
        return None
    compiled = compile_meter(meter)

    def count(event: EventRow, names: Sequence[str]) -> list[tuple[Dimensions, Decimal]]:
        if compiled.matches(event) or (not event.type and compiled.counts(event)):
            return compiled.parts(event, names)
        if event.type:
            return []
        return [(tuple(sorted(compiled.dimensions(event, names).items())), event.quantity)]

    return count


def known_meter_keys(keys: Iterable[str]) -> set[str]:
    """Those of the keys that a meter has."""
    return set(Meter.objects.filter(key__in=set(keys)).values_list("key", flat=True))


def _read_value(fields: Fields, aggregation: str) -> str:
    if fields.raw("aggregation") != aggregation:
        fields.raw("value")  # which paths would do depends on the aggregation, and that one is wrong
        return ""
    if aggregation == COUNT:
        if fields.raw("value") not in (None, ""):
            fields.refuse("value", "not_used", "A count counts events; leave `value` out, or sum a path.")
        return ""
    value = fields.text("value")
    if value:
        try:
            (text_reader if aggregation == UNIQUE else number_reader)(value)
        except PathError as error:
            fields.refuse("value", "path", str(error))
    return value


def _read_filter(fields: Fields) -> dict[str, list[str]]:
    given = fields.raw("filter")
    if given is None:
        return {}
    if not isinstance(given, dict) or len(given) > limits.METER_FILTER_PATHS_MAX:
        detail = f'Write an object of at most {limits.METER_FILTER_PATHS_MAX} paths: {{"model": ["gpt-5"]}}.'
        fields.refuse("filter", "object", detail)
        return {}
    return {path: _read_accepted(fields, path, values) for path, values in given.items()}


def _read_accepted(fields: Fields, path: str, values: Any) -> list[str]:
    try:
        text_reader(path)
    except PathError as error:
        fields.refuse(f"filter.{path}", "path", str(error))
        return []
    listed = values if isinstance(values, list) else [values]
    accepted = [text for text in map(_accepted_text, listed) if text is not None]
    if not accepted or len(accepted) < len(listed) or len(accepted) > limits.METER_FILTER_VALUES_MAX:
        detail = (
            f"Write a list of 1 to {limits.METER_FILTER_VALUES_MAX} texts, each of which lets an event count."
        )
        fields.refuse(f"filter.{path}", "list", detail)
    return accepted


def _accepted_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return value if isinstance(value, str) and 0 < len(value) <= limits.ID_CHARACTERS_MAX else None


def _read_group_by(fields: Fields) -> list[str]:
    paths = fields.items("group_by", most=limits.METER_GROUP_BY_MAX)
    for index, path in enumerate(paths):
        try:
            if not isinstance(path, str) or len(path) > limits.KEY_CHARACTERS_MAX or path in paths[:index]:
                raise PathError("Write different paths, such as model or properties.team.")
            if path != TOKEN_KIND:
                text_reader(path)
        except PathError as error:
            fields.refuse(f"group_by[{index}]", "path", str(error))
    return [path for path in paths if isinstance(path, str)]
