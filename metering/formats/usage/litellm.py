"""LiteLLM's usage object, in OpenAI's shape whatever provider served the call, and all-inclusive."""

from collections.abc import Mapping
from typing import Any

from core.money import to_stored
from metering.formats.usage.fields import Fields
from metering.formats.usage.media import read_images, read_speech, read_transcription
from metering.formats.usage.normalized import Reading
from metering.formats.usage.openai import read_tokens
from metering.formats.usage.reply import Reply, open_reply, short_text

_OWN_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")

_CALLS = {
    "image_generation": read_images,
    "image_edit": read_images,
    "transcription": read_transcription,
    "speech": read_speech,
}


def is_payload(response: Mapping[str, Any]) -> bool:
    """Whether this is a whole `StandardLoggingPayload`, as LiteLLM's callbacks send it."""
    return "litellm_call_id" in response


def open_payload(response: Mapping[str, Any]) -> Reply:
    """The payload's usage: the usage object in its metadata, which tells most, or its own three counts."""
    if not is_payload(response):
        return open_reply(response)
    path = "response"
    model, name = response.get("model"), response.get("id")
    metadata = response.get("metadata")
    nested = metadata.get("usage_object") if isinstance(metadata, Mapping) else None
    if isinstance(nested, Mapping) and nested:
        usage = Fields(nested, f"{path}.metadata.usage_object")
    else:
        usage = Fields({key: response[key] for key in _OWN_COUNTS if key in response}, path)
    return Reply(
        response,
        path,
        usage,
        short_text(model, f"{path}.model") if model else None,
        name if isinstance(name, str) else None,
    )


def read_litellm(reply: Reply) -> Reading:
    """Read a payload, or a usage object out of one. Raises ``UsageError``."""
    usage = reply.usage
    usage.skip("cost", "speed", "inference_geo")
    kind = reply.body.get("call_type")
    read = _CALLS.get(kind.removeprefix("a"), read_tokens) if isinstance(kind, str) else read_tokens
    reading = read_tokens(reply) if usage.has("prompt_tokens") else read(reply)
    for entry in usage.children("iterations"):
        entry.skip(*entry.keys())
        if entry.text("type") not in ("message", "fallback_message"):
            reading.flag(f"unknown:{entry.path}")
    cost = Fields(reply.body, reply.path).money("response_cost")
    reading.reported_cost = None if cost is None else to_stored(cost)
    if reply.body.get("cache_hit") is True:
        reading.flag("cache_hit")  # answered by LiteLLM itself: the provider billed nothing
    return reading
