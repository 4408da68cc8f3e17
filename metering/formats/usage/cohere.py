"""Cohere, which bills `billed_units`; `tokens`, beside them, counts what its own prompts added, for free."""

from decimal import Decimal

from metering.formats.usage.fields import Fields, UsageError
from metering.formats.usage.normalized import Reading, UsagePart
from metering.formats.usage.openai import read_tokens
from metering.formats.usage.reply import Reply

_UNITS = {
    "output_tokens": "output",
    "image_tokens": "input_image",
    "search_units": "search_units",
    "classifications": "classifications",
    "pages": "pages",
}


def read_billed_units(reply: Reply) -> Reading:
    """chat, embed, rerank, classify: `usage.billed_units`, or `meta.billed_units`. Raises ``UsageError``."""
    if reply.usage.has("prompt_tokens"):
        return read_tokens(reply, place="by_total")
    holder = reply.usage.child("meta") if reply.usage.is_object("meta") else reply.usage
    if not holder.is_object("billed_units"):
        raise UsageError(
            holder.path_of("billed_units"),
            "It is missing. Cohere bills these units, and not what `tokens` counts.",
        )
    units = holder.child("billed_units")
    buckets = {bucket: units.count(name) for name, bucket in _UNITS.items()}
    buckets["input"] = _text(units)
    units.skip("images")  # billed by their tokens
    _skip_rest(reply.usage, holder)
    return Reading(parts=[UsagePart(reply.model, buckets)])


def _text(units: Fields) -> Decimal:
    """Text tokens: by themselves where they are told apart, else the input, which then holds no images."""
    given = units.count("input_tokens")
    text = units.count("text_tokens")
    return text or given


def _skip_rest(usage: Fields, holder: Fields) -> None:
    holder.skip("tokens", "cached_tokens", "api_version")
    if holder is not usage:
        usage.skip(*(name for name in usage.keys() if name != "meta"))  # noqa: SIM118 (Fields is no mapping)
