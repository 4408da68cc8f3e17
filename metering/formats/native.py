"""Our own JSON, and with it the one place where an event's fields are checked.

Readers of other shapes turn theirs into ours and come through ``read_event`` too, so that every door is
equally strict.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from difflib import get_close_matches
from functools import partial
from typing import Any

from core import limits, money, strict_json, texts, times
from core.money import ONE
from core.problems import FieldError, Invalid, Malformed
from metering.formats import plain_events
from metering.formats.event_json import NDJSON_TYPES, decode_events, plain_values
from metering.formats.plain_events import AGE, COMMON_TIME, CONTEXTS, FUTURE, SOURCE_DEFAULT
from metering.formats.reported_usage import ReportedUsage, read_response, read_usage
from metering.formats.response_ids import own_id
from metering.new_event import NewEvent
from metering.reading import Reading, read_each, read_one

FIELDS = frozenset(
    [
        "id",
        "source",
        "customer",
        "type",
        "time",
        "provider",
        "model",
        "service_tier",
        "usage",
        "response",
        "api",
        "quantity",
        "status",
        "latency_ms",
        "hold",
        "response_id",
        "run",
        "properties",
    ]
)
RUN_FIELDS = frozenset({"id", "step", "attempt", "parent"})
DOOR = "native"
TEXT_ALONE = frozenset({str})
NO_USAGE = ReportedUsage()


def read_body(body: bytes, content_type: str, *, now: datetime, customer: str | None) -> Reading:
    """The events of a JSON or NDJSON body: one, an array, or ``{"events": [...]}``.

    ``customer`` is the key of the customer that the credential is bound to; events then need not name it, and
    may name no other. Raises ``Malformed`` where the body cannot be read, ``Invalid`` where it holds no
    events or too many.
    """
    read = partial(read_event, now=now, customer=customer)
    if content_type in NDJSON_TYPES:
        told = plain_events.read_lines(body, now=now, customer=customer)
        return told or read_each(_checked_batch(_lines(body)), read)
    plain = plain_events.read_body(body, now=now, customer=customer)
    if plain is not None:
        return plain
    tree = decode_events(body)
    if isinstance(tree, list):
        return read_each(_checked_batch(tree), read)
    if not isinstance(tree, dict) or "events" not in tree:
        return read_one(tree, read)
    unknown = sorted(tree.keys() - {"events"})
    if unknown:
        raise Invalid.one(
            unknown[0], "unknown_field", "Beside `events` nothing is read; put it into each event."
        )
    if not isinstance(tree["events"], list):
        raise Invalid.one("events", "list", "Write a list of events: [{…}, …].")
    return read_each(_checked_batch(tree["events"]), read)


def read_event(
    data: Any, path: str = "", *, now: datetime, customer: str | None = None, door: str = DOOR
) -> NewEvent:
    """The event that one JSON object in our shape tells; ``path`` is its place, for messages.

    Raises ``Invalid`` with every field that is wrong.
    """
    if type(data) is not dict:
        raise Invalid.one(path, "object", 'Write an event: {"id": "…", "type": "llm.call", …}.')
    event = _EventFields(data, path)
    fields: dict[str, Any] = {
        "id": event.id("id"),
        "source": event.id("source", SOURCE_DEFAULT),
        "customer": event.customer(customer),
        "type": event.text("type", limits.EVENT_TYPE_CHARACTERS_MAX, required=True),
        "time_given": data.get("time") is not None,
        "occurred_at": event.time(now),
        "provider": event.text("provider", limits.EVENT_PROVIDER_CHARACTERS_MAX),
        "quantity": event.quantity(),
        "status": event.text("status", limits.EVENT_STATUS_CHARACTERS_MAX) or "ok",
        "latency_ms": event.whole("latency_ms", limits.LATENCY_MS_MAX),
        "hold": event.id("hold", "", most=limits.HOLD_CHARACTERS_MAX),
        "properties": event.properties(),
        "door": door,
    }
    model = event.text("model", limits.EVENT_MODEL_CHARACTERS_MAX)
    context = event.context()
    run_id, run = event.run()
    usage = event.usage()
    response_id = own_id(event.id("response_id", "")) or usage.response_id
    if not data.keys() <= FIELDS:
        event.refuse_unknown(data, FIELDS)
    if event.errors:
        raise Invalid(event.errors[0].detail, _most_telling(data, path, event.errors))
    return NewEvent(
        **fields,
        model=model or usage.model,
        context=context or usage.context,
        run_id=run_id,
        response_id=response_id,
        run=run,
        usage=usage.buckets,
        raw=usage.raw,
        flags=usage.flags,
        incomplete=usage.incomplete,
        mapping_version=usage.mapping_version,
    )


class _EventFields:
    """Reads one event's fields; what is wrong is noted, and a stand-in handed back."""

    __slots__ = ("data", "errors", "path")

    def __init__(self, data: Mapping[str, Any], path: str) -> None:
        self.data = data
        self.path = path
        self.errors: list[FieldError] = []

    def refuse(self, name: str, code: str, detail: str) -> None:
        self.errors.append(FieldError(f"{self.path}.{name}" if self.path else name, code, detail))

    def refuse_unknown(self, data: Mapping[str, Any], known: frozenset[str], prefix: str = "") -> None:
        for name in sorted(data.keys() - known):
            near = get_close_matches(name, sorted(known), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else " Data of your own goes into `properties`."
            self.refuse(prefix + name[:80], "unknown_field", f"There is no such field.{hint}")

    def id(self, name: str, default: str | None = None, *, most: int = limits.ID_CHARACTERS_MAX) -> str:
        return self.id_of(name, self.data.get(name), default, most)

    def id_of(self, name: str, value: Any, default: str | None, most: int) -> str:
        if type(value) is str and 0 < len(value) <= most and _visible(value):
            return value
        if value is not None:
            self.refuse(
                name, "id", f"Write 1 to {most} printable ASCII characters, without blanks, in quotes."
            )
        elif default is None:
            why = " Without one, a retry would be counted twice." if name == "id" else ""
            self.refuse(name, "required", f"It is required.{why}")
        return default or ""

    def customer(self, bound: str | None) -> str:
        if bound is None:
            return self.id("customer")
        if self.data.get("customer", bound) != bound:
            self.refuse("customer", "customer", "This key belongs to one customer; leave the field out.")
        return bound

    def text(self, name: str, most: int, *, required: bool = False) -> str:
        value = self.data.get(name)
        if value is None or value == "":
            if required:
                self.refuse(name, "required", "It is required.")
            return ""
        if type(value) is not str:
            self.refuse(name, "text", "Write a text in quotes.")
            return ""
        if len(value) <= most and _visible(value):
            return value
        try:
            return texts.clean_text(value, most=most)
        except texts.TextError as error:
            self.refuse(name, "text", str(error))
            return ""

    def time(self, now: datetime) -> datetime:
        value = self.data.get("time")
        if value is None:
            return now
        try:
            common = type(value) is str and COMMON_TIME.fullmatch(value)
            at = datetime.fromisoformat(value) if common else times.parse_time(value)
        except ValueError:
            at = self._odd_time(value, now)
        if at - now > FUTURE:
            self.refuse(
                "time", "in_future", f"It lies more than {limits.EVENT_FUTURE_SECONDS_MAX} seconds ahead."
            )
        elif now - at > AGE:
            self.refuse("time", "too_old", f"It lies more than {limits.EVENT_AGE_DAYS_MAX} days back.")
        return at

    def _odd_time(self, value: Any, now: datetime) -> datetime:
        """A leap second, which only the longer way reads, or a refusal."""
        try:
            return times.parse_time(value)
        except times.TimeError as error:
            self.refuse("time", "time", str(error))
            return now.astimezone(UTC)

    def quantity(self) -> Decimal:
        value = self.data.get("quantity")
        if value is None or value == "1":
            return ONE
        try:
            return money.parse_number(value, negative=False)
        except money.NumberError as error:
            self.refuse("quantity", "number", str(error))
            return ONE

    def whole(
        self, name: str, most: int, data: Mapping[str, Any] | None = None, prefix: str = ""
    ) -> int | None:
        value = (self.data if data is None else data).get(name)
        if value is None or (type(value) is int and 0 <= value <= most):
            return value
        self.refuse(prefix + name, "integer", f"Write a whole number from 0 to {most}.")
        return None

    def context(self) -> str:
        value = self.data.get("service_tier")
        if value is None:
            return ""
        context = CONTEXTS.get(value) if type(value) is str else None
        if context is None:
            self.refuse("service_tier", "choice", "Write one of: standard, batch, flex, priority.")
        return context or ""

    def run(self) -> tuple[str, dict[str, Any] | None]:
        value = self.data.get("run")
        if value is None:
            return "", None
        if type(value) is not dict:
            self.refuse("run", "object", 'Write {"id": "…", "step": 1, "attempt": 1, "parent": "…"}.')
            return "", None
        if not value.keys() <= RUN_FIELDS:
            self.refuse_unknown(value, RUN_FIELDS, "run.")
        rest: dict[str, Any] = {}
        for name in ("step", "attempt"):
            number = self.whole(name, limits.RUN_STEP_MAX, value, "run.")
            if number is not None:
                rest[name] = number
        if value.get("parent") is not None:
            rest["parent"] = self.id_of("run.parent", value["parent"], "", limits.ID_CHARACTERS_MAX)
        return self.id_of("run.id", value.get("id"), None, limits.ID_CHARACTERS_MAX), rest

    def properties(self) -> dict[str, Any]:
        value = self.data.get("properties")
        if value is None:
            return {}
        if type(value) is not dict:
            self.refuse("properties", "object", 'Write an object: {"feature": "chat"}.')
            return {}
        if len(value) > limits.EVENT_PROPERTIES_MAX:
            detail = f"It has {len(value)} names; at most {limits.EVENT_PROPERTIES_MAX} fit."
            self.refuse("properties", "too_many", detail)
            return {}
        if set(map(type, value.values())) <= TEXT_ALONE:
            return value
        properties: dict[str, Any] = plain_values(value)
        self.errors.extend(
            strict_json.faults(properties, f"{self.path}.properties" if self.path else "properties")
        )
        return properties

    def usage(self) -> ReportedUsage:
        usage, response = self.data.get("usage"), self.data.get("response")
        if usage is None and response is None:
            return NO_USAGE
        if usage is not None and response is not None:
            self.refuse(
                "response", "contradiction", "Send `usage` or `response`, not both: they tell the same."
            )
            return NO_USAGE
        try:
            if usage is not None:
                return read_usage(usage)
            return read_response(response, provider=self.data.get("provider"), api=self.data.get("api"))
        except Invalid as refused:
            for error in refused.errors:
                self.refuse(error.field, error.code, error.detail)
            return NO_USAGE


def _visible(text: str) -> bool:
    """What ``texts.VISIBLE_ASCII`` says of a text that is not empty, several times faster."""
    return text.isascii() and text.isprintable() and " " not in text


def _most_telling(data: Mapping[str, Any], path: str, errors: list[FieldError]) -> tuple[FieldError, ...]:
    """What is wrong with a number or a text says more than that the field cannot hold what stands there."""
    told = {error.field: error for error in strict_json.faults(data, path)}
    return tuple(told.get(error.field, error) for error in errors)


def _lines(body: bytes) -> list[Any]:
    events = []
    for number, line in enumerate(body.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            events.append(decode_events(line))
        except Malformed as error:
            raise Malformed(f"Line {number}: {error.detail}", error.errors) from None
        if len(events) > limits.BATCH_EVENTS_MAX:
            break
    return events


def _checked_batch(events: list[Any]) -> list[Any]:
    if not events:
        raise Invalid.one("events", "empty", "Send at least one event.")
    if len(events) > limits.BATCH_EVENTS_MAX:
        detail = f"A batch holds at most {limits.BATCH_EVENTS_MAX} events; send the rest in another."
        raise Invalid.one("events", "too_many", detail)
    return events
