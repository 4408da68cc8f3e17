"""Where the usage stands in a provider's answer: a response, a stream's last event, a batch line, or bare."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metering.formats.usage.fields import Fields, UsageError, shown

TEXT_MAX = 200  # the width of the event's model column; ids of responses are shorter still

# An answer may come wrapped: a stream's last event (response, message, metadata), a batch line
# (response.body, result.message), Cloudflare's result.
_WRAPPERS = ("response", "message", "body", "result", "metadata")
_WRAPPERS_DEEP = 3

_USAGE = ("usage", "usageMetadata", "usage_metadata", "usage_info", "amazon-bedrock-invocationMetrics")


@dataclass(frozen=True, slots=True)
class Reply:
    """A provider's answer: the object around the usage, and the usage itself; one and the same if bare."""

    body: Mapping[str, Any]
    path: str
    usage: Fields
    model: str | None
    response_id: str | None
    from_batch: bool = False
    begins_stream: bool = False


def open_reply(response: Mapping[str, Any]) -> Reply:
    """Find the usage. An object that holds none under any known name is taken for the bare usage itself.

    Raises ``UsageError`` when the answer names its usage and leaves it empty.
    """
    body: Mapping[str, Any] = response
    path = "response"
    from_batch = "custom_id" in response
    for _ in range(_WRAPPERS_DEEP):
        name = _usage_name(body)
        if name is not None:
            usage = Fields(body[name], f"{path}.{name}")
            begins = response.get("type") == "message_start"
            return Reply(body, path, usage, _model(body, path), _response_id(body), from_batch, begins)
        wrapper = next(
            (key for key in _WRAPPERS if isinstance(body.get(key), Mapping) and _wraps(body[key])), None
        )
        if wrapper is None:
            break
        body, path = body[wrapper], f"{path}.{wrapper}"
    emptied = next((name for name in _USAGE if name in body), None)
    if emptied is not None:
        raise UsageError(
            f"{path}.{emptied}",
            "It is empty. Send the finished response; for a stream, the last event, with usage asked for "
            '(OpenAI: "stream_options": {"include_usage": true}).',
        )
    return Reply(body, path, Fields(body, path), _model(body, path), _response_id(body), from_batch)


def _usage_name(body: Mapping[str, Any]) -> str | None:
    return next((name for name in _USAGE if isinstance(body.get(name), Mapping)), None)


def _wraps(inner: Mapping[str, Any]) -> bool:
    return any(key in inner for key in _USAGE) or any(
        isinstance(inner.get(key), Mapping) for key in _WRAPPERS
    )


def _model(body: Mapping[str, Any], path: str) -> str | None:
    for name in ("model", "modelVersion", "model_version"):
        if body.get(name) is not None:
            return short_text(body[name], f"{path}.{name}")
    return None


def _response_id(body: Mapping[str, Any]) -> str | None:
    """As it came, of any length: usage is not refused for the name of its response."""
    names = ("id", "responseId", "response_id")
    return next((body[name] for name in names if isinstance(body.get(name), str)), None)


def short_text(value: Any, path: str) -> str:
    """A name fit to be stored. Raises ``UsageError`` for anything else."""
    if not isinstance(value, str) or len(value) > TEXT_MAX or not value.isprintable():
        raise UsageError(shown(path), f"Write at most {TEXT_MAX} printable characters.")
    return value
