"""What of a refused event is kept: enough to see what is wrong and to send it again, and nothing that somebody wrote.

No prompt and no answer is ever kept. A field that the door does not know, and every text of a provider's response that is not
the name of something, is replaced by a remark on what stood there; other texts are cut.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from core import limits, texts
from core.strict_json import RefusedNumber, RefusedText
from metering.formats import cloudevents, lago, litellm, otlp
from metering.formats.native import FIELDS
from metering.formats.otlp import Span
from metering.new_event import NewEvent

# Texts of a response that name what was used. All others could be what a person or a model wrote.
RESPONSE_NAMES = frozenset(
    [
        "id",
        "model",
        "modelVersion",
        "object",
        "type",
        "modality",
        "service_tier",
        "serviceTier",
        "trafficType",
    ]
)
LIST_ITEMS_MAX = 50
NAME_CHARACTERS_MAX = 100
WIDE_INTEGER = 2**63  # beyond it an integer is written as a decimal


class Names(NamedTuple):
    """Where a door's events tell id, customer, and source."""

    id: str
    customer: str
    source: str


NATIVE_NAMES = Names("id", "customer", "source")
NAMES = {
    "cloudevents": Names("id", "subject", "source"),
    "openmeter": Names("id", "subject", "source"),
    "lago": Names("transaction_id", "external_subscription_id", ""),
    "litellm": Names("litellm_call_id", "end_user", ""),
}


def kept_item(door: str, item: Any) -> dict[str, Any] | None:
    """The event in its door's own shape, as plain JSON; None where it is no event at all."""
    if isinstance(item, Span):
        return otlp.as_json(item)
    if isinstance(item, NewEvent):
        return None  # it was read in full, and refused for what no other writing of it can mend
    if door == "litellm":
        told = litellm.told_fields(item)
        return None if told is None else _cut(told)
    if not isinstance(item, dict):
        return None
    if door in ("cloudevents", "openmeter"):
        return {_name(name): _cloud_field(name, value) for name, value in _first(item)}
    known = lago.KNOWN if door == "lago" else FIELDS
    return {_name(name): _field(name, value, known) for name, value in _first(item)}


def told_names(door: str, item: Any) -> Names:
    """Id, customer and source as the event tells them, each empty where it does not."""
    if isinstance(item, Span):
        whose = item.attributes.get("customer.id") or item.resource.get("customer.id")
        called = item.attributes.get("gen_ai.response.id") or item.span_id
        return Names(_short(called), _short(whose), "")
    if isinstance(item, NewEvent):
        return Names(item.id, item.customer, item.source)
    told: Any = litellm.told_fields(item) if door == "litellm" else item
    if not isinstance(told, Mapping):
        return Names("", "", "")
    return Names(*(_short(told.get(name)) for name in NAMES.get(door, NATIVE_NAMES)))


def _cloud_field(name: str, value: Any) -> Any:
    if name == "data" and isinstance(value, dict):
        return {_name(inner): _field(inner, item, None) for inner, item in _first(value)}
    return _field(name, value, cloudevents.ATTRIBUTES)


def _field(name: str, value: Any, known: frozenset[str] | None) -> Any:
    if name == "response":
        return _without_texts(value)
    return _cut(value) if known is None or name in known else _remark(value)


def _without_texts(value: Any, name: str = "") -> Any:
    if isinstance(value, str):
        named = name in RESPONSE_NAMES and len(value) <= NAME_CHARACTERS_MAX
        return _cut(value) if named else _remark(value)
    if isinstance(value, dict):
        return {_name(inner): _without_texts(item, inner) for inner, item in _first(value)}
    if isinstance(value, list):
        return [_without_texts(item) for item in value[:LIST_ITEMS_MAX]]
    return _cut(value)


def _cut(value: Any) -> Any:
    """Plain JSON that Postgres can hold, with long texts cut."""
    if isinstance(value, str):
        clean = texts.UNSTORABLE.sub("\ufffd", value)
        most = limits.REJECTED_TEXT_CHARACTERS_MAX
        return clean if len(clean) <= most else f"{clean[:most]}… [{len(clean)} characters]"
    if isinstance(value, dict):
        return {_name(name): _cut(item) for name, item in _first(value)}
    if isinstance(value, list):
        return [_cut(item) for item in value[:LIST_ITEMS_MAX]]
    if isinstance(value, RefusedNumber):
        return f"[{_short(value.written)[:NAME_CHARACTERS_MAX]}, not a number that is read]"
    if isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) < WIDE_INTEGER else Decimal(value)
    return value if value is None or isinstance(value, bool | Decimal) else _remark(value)


def _remark(value: Any) -> Any:
    if isinstance(value, str):
        return f"[text of {len(value)} characters, not kept]"
    if isinstance(value, RefusedText):
        return "[text with a control character, not kept]"
    if isinstance(value, dict | list):
        return f"[{'object' if isinstance(value, dict) else 'list'} of {len(value)}, not kept]"
    return value if value is None or isinstance(value, bool) else "[not kept]"


def _first(value: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return list(value.items())[: limits.JSON_KEYS_MAX]


def _name(name: str) -> str:
    return texts.UNSTORABLE.sub("\ufffd", name)[:NAME_CHARACTERS_MAX]


def _short(value: Any) -> str:
    return texts.UNSTORABLE.sub("\ufffd", value)[: limits.ID_CHARACTERS_MAX] if isinstance(value, str) else ""
