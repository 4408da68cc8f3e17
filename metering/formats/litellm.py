"""LiteLLM's ``generic_api`` callback: one ``StandardLoggingPayload`` for each call that its gateway served.

A payload is 15 kB around 200 bytes of usage: the prompt, the answer, a price list. Only the fields below are read
at all; the rest is skipped over byte by byte, so that no prompt is ever held, nor can be stored.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from core import limits, strict_json
from core.problems import Invalid, Malformed, TooLarge
from metering.costing import CACHE_HIT
from metering.formats.event_json import NDJSON_TYPES
from metering.formats.gateway_fields import (
    fitting_id,
    in_their_words,
    labels,
    milliseconds_between,
    time_of_epoch,
)
from metering.formats.native import read_event
from metering.formats.reported_usage import USAGE_MISSING
from metering.new_event import NewEvent
from metering.reading import Reading, read_each, read_one

SOURCE = "litellm"
DOOR = "litellm"
# Our fields by the names that LiteLLM gives them, for its operator to find.
FIELDS = {
    "id": "litellm_call_id",
    "customer": "end_user",
    "time": "startTime",
    "provider": "custom_llm_provider",
}
TYPE = "llm.call"
# Beside the properties that tell what LiteLLM itself knows, the tags that its operator may set for a call.
_OPERATORS_TAGS = "spend_logs_metadata"
_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
NOT_TOLD = msgspec.Raw(b"null")
# A model was asked, so it read or wrote something: a stream that was not asked for its usage counts zeros.
_ASK_A_MODEL = frozenset(
    {
        "completion",
        "text_completion",
        "embedding",
        "responses",
        "anthropic_messages",
        "generate_content",
        "generate_content_stream",
    }
)

_METADATA = (
    "usage_object",
    "user_api_key_end_user_id",
    "user_api_key_user_id",
    "user_api_key_team_id",
    "user_api_key_project_id",
    "user_api_key_alias",
    _OPERATORS_TAGS,
)
_PAYLOAD = (
    "id",
    "litellm_call_id",
    "trace_id",
    "session_id",
    "call_type",
    "stream",
    "status",
    "cache_hit",
    "custom_llm_provider",
    "model",
    "model_group",
    "startTime",
    "endTime",
    "end_user",
    "request_tags",
    "response_cost",
    *_COUNTS,
)
Metadata = msgspec.defstruct("Metadata", [(name, msgspec.Raw, NOT_TOLD) for name in _METADATA])
Payload = msgspec.defstruct(
    "Payload",
    [*((name, msgspec.Raw, NOT_TOLD) for name in _PAYLOAD), ("metadata", Metadata | None, None)],
)
_read_batch = msgspec.json.Decoder(list[msgspec.Raw]).decode
_read_payload = msgspec.json.Decoder(Payload).decode


def read_body(body: bytes, content_type: str, *, now: datetime, customer: str | None) -> Reading:
    """The events of a callback: an array, one payload a line, or a single payload.

    ``customer`` is the key of the customer that the credential is bound to. Raises ``Malformed`` where the body cannot
    be read, ``Invalid`` where it holds no payload, ``TooLarge`` where it holds too many.
    """
    read = partial(read_payload, now=now, customer=customer)
    text = body.strip()
    if text.startswith(b"["):
        return read_each(_checked(_decoded(text)), read)
    # LiteLLM calls its lines application/json, too.
    if content_type in NDJSON_TYPES or b"\n" in text and _is_whole(text.partition(b"\n")[0]):
        return read_each(_checked(line for line in text.split(b"\n") if line.strip()), read)
    return read_one(text, read)


def read_payload(item: Any, path: str = "", *, now: datetime, customer: str | None = None) -> NewEvent:
    """The event that one payload tells, from its bytes. Raises ``Invalid``."""
    told = _told(bytes(item), path)
    try:
        event = read_event(_native(told, path), path, now=now, customer=customer, door=DOOR)
    except Invalid as refused:
        raise in_their_words(refused, f"{path}." if path else "", FIELDS) from None
    if told["cache_hit"] is True:
        # No provider was asked, so nothing that one bills can be missing.
        return msgspec.structs.replace(event, incomplete=False, flags=_with(event.flags, CACHE_HIT))
    if not event.usage and (told["response_cost"] or _must_have_counted(told)):
        # LiteLLM saw a price, or a model answered: something was used that it did not count.
        return msgspec.structs.replace(event, incomplete=True, flags=_with(event.flags, USAGE_MISSING))
    return event


def _must_have_counted(told: dict[str, Any]) -> bool:
    kind = told["call_type"]
    asked = isinstance(kind, str) and not _ASK_A_MODEL.isdisjoint({kind, kind.removeprefix("a")})
    return asked and told["status"] in (None, "success")


def _with(flags: tuple[str, ...], flag: str) -> tuple[str, ...]:
    return flags if flag in flags else (*flags, flag)


def _decoded(text: bytes) -> Iterable[Any]:
    try:
        return _read_batch(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed(f"The body is not a JSON array of payloads: {error}.") from None


def _is_whole(line: bytes) -> bool:
    """Whether the line is a JSON document by itself."""
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _checked(items: Iterable[Any]) -> list[Any]:
    payloads = list(items)
    if not payloads:
        raise Invalid.one("", "empty", "Send at least one payload.")
    if len(payloads) > limits.TELEMETRY_EVENTS_MAX:
        raise TooLarge(f"A batch holds at most {limits.TELEMETRY_EVENTS_MAX:,} payloads; send it in parts.")
    return payloads


def _told(payload: bytes, path: str) -> dict[str, Any]:
    """The fields that are read, each None where it is absent. LiteLLM writes floats, such as ``1.5e-05``."""
    try:
        found: Any = _read_payload(payload)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid.one(path, "payload", f"Write a StandardLoggingPayload of LiteLLM: {error}.") from None
    metadata = found.metadata or Metadata()
    parts = [(name, getattr(found, name)) for name in _PAYLOAD]
    parts += [(name, getattr(metadata, name)) for name in _METADATA]
    written = b",".join(b'"%s":%s' % (name.encode(), bytes(raw)) for name, raw in parts)
    try:
        told: dict[str, Any] = strict_json.decode(b"{" + written + b"}", wide=True)
    except Malformed as error:
        raise Invalid.one(path, "payload", error.detail) from None
    return told


def told_fields(payload: Any) -> dict[str, Any] | None:
    """The fields of a payload that are read at all, in its own shape; None where it is no payload."""
    try:
        told = _told(bytes(payload), "")
    except (Invalid, TypeError):
        return None
    metadata = {name: told.pop(name) for name in _METADATA if told[name] is not None}
    return {name: value for name, value in told.items() if value is not None} | {"metadata": metadata}


def _native(told: dict[str, Any], path: str) -> dict[str, Any]:
    """The payload in our own shape, not yet checked."""
    place = f"{path}." if path else ""
    failed = told["status"] not in (None, "success")
    event: dict[str, Any] = {
        "id": _identity(told, failed=failed),
        "source": SOURCE,
        "customer": told["end_user"] or told["user_api_key_end_user_id"],
        "type": TYPE,
        "time": time_of_epoch(told["startTime"], f"{place}startTime"),
        "provider": told["custom_llm_provider"],
        "model": told["model"],
        "status": "error" if failed else "ok",
        "latency_ms": milliseconds_between(told["startTime"], told["endTime"]),
        "properties": _properties(told),
    }
    if not failed and told["cache_hit"] is not True:
        # An answer out of a cache bears the id of the call that filled it, and a failed try no provider's id.
        event["response_id"] = fitting_id(told["id"])
    run = fitting_id(told["session_id"]) or fitting_id(told["trace_id"])
    if run is not None:
        event["run"] = {"id": run}
    usage = _usage(told)
    if usage is not None:
        event["api"] = "litellm"
        event["provider"] = event["provider"] or "litellm"
        event["response"] = {name: told[name] for name in ("call_type", "cache_hit")} | {"usage": usage}
    return {name: value for name, value in event.items() if value is not None}


def _identity(told: dict[str, Any], *, failed: bool) -> Any:
    """The call's id. Tries that fail before a fallback answers share it, so each is told apart by when it began."""
    call_id = told["litellm_call_id"]
    return f"{call_id}:failed:{told['startTime']}" if failed and isinstance(call_id, str) else call_id


def _usage(told: dict[str, Any]) -> dict[str, Any] | None:
    """The usage object, which tells most, or the payload's own three counts; None where it counts nothing."""
    usage = told["usage_object"]
    if isinstance(usage, dict) and usage:
        return usage
    counts = {name: told[name] for name in _COUNTS if told[name] is not None}
    return counts if any(counts.values()) else None


def _properties(told: dict[str, Any]) -> dict[str, Any]:
    tags = told["request_tags"]
    known = {
        "response_id": told["id"],
        "call_type": told["call_type"],
        "model_group": told["model_group"],
        "stream": told["stream"],
        "user": told["user_api_key_user_id"],
        "team": told["user_api_key_team_id"],
        "project": told["user_api_key_project_id"],
        "key": told["user_api_key_alias"],
        "tags": ",".join(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else None,
    }
    own = told[_OPERATORS_TAGS]
    return labels((own if isinstance(own, dict) else {}) | {k: v for k, v in known.items() if v is not None})
