"""Anthropic's messages, from Anthropic itself, Bedrock, Vertex or Azure.

The prompt's count holds neither cache reads nor cache writes. What the API did on the side for the same
request, a compaction or an advisor's answer, stands only in ``iterations``, and may come from another model
at another price.
"""

from collections.abc import Iterable
from decimal import Decimal

from core.money import ZERO
from metering.formats.usage.disjoint import answer_buckets, writes_by_lifetime
from metering.formats.usage.fields import Fields
from metering.formats.usage.normalized import Reading, UsagePart, added
from metering.formats.usage.openai import read_tokens, service_tier
from metering.formats.usage.reply import Reply, short_text

# A write whose lifetime is not told has the API's default one.
DEFAULT_LIFETIME = "5m"

# Turns of the conversation, which the top level adds up; all other iterations come on top of it.
_TURNS = ("message", "fallback_message")
_ASIDE = ("compaction", "advisor_message")

_ORDINARY = {"speed": ("standard",), "inference_geo": ("global", "not_available")}


def read_messages(reply: Reply) -> Reading:
    """Messages: one part a model, the response's own first. Raises ``UsageError``."""
    usage = reply.usage
    if usage.has("prompt_tokens"):
        return read_tokens(reply, place="by_total", write_lifetime=DEFAULT_LIFETIME)
    reading = Reading(service_tier=service_tier(reply))
    top = _buckets(usage, required=True)
    turns, aside = _iterations(usage, reply.model, reading)
    thinking = usage.child("output_tokens_details").count("thinking_tokens")
    parts = _turns_or_top(reply.model, top, turns, usage, reading)
    parts[0] = _think(parts, thinking, usage, reading)
    tools = usage.child("server_tool_use")
    tools.skip("web_fetch_requests")  # free of charge; the pages it reads are counted as input
    searches = UsagePart(parts[0].model, {"web_search": tools.count("web_search_requests")})
    reading.parts = _by_model([*parts, searches, *aside])
    if reply.begins_stream:
        # Its first event tells the prompt, and of the answer one token or a few; the last one tells all.
        reading.flag(f"unknown:{usage.path_of('output_tokens')}")
    _notes(usage, reading)
    return reading


def _buckets(counts: Fields, *, required: bool = False) -> dict[str, Decimal]:
    """The counts of the whole response, or of one iteration."""
    read, wrote = "cache_read_input_tokens", "cache_creation_input_tokens"
    return {
        "input": counts.required("input_tokens") if required else counts.count("input_tokens"),
        "cache_read": counts.count(read),
        **writes_by_lifetime(
            counts.count(wrote),
            counts.child("cache_creation"),
            rest=DEFAULT_LIFETIME,
            field=counts.path_of(wrote),
        ),
        "output": counts.count("output_tokens"),
    }


def _iterations(
    usage: Fields, model: str | None, reading: Reading
) -> tuple[list[UsagePart], list[UsagePart]]:
    """Turns, which the top level already counts, and what came on top of it."""
    turns: list[UsagePart] = []
    aside: list[UsagePart] = []
    for entry in usage.children("iterations"):
        kind = entry.text("type")
        named = entry.value.get("model")
        part = UsagePart(short_text(named, entry.path_of("model")) if named else model, _buckets(entry))
        (turns if kind in _TURNS else aside).append(part)
        if kind not in _TURNS + _ASIDE:
            reading.flag(f"unknown:{entry.path_of('type')}")
    return turns, aside


def _turns_or_top(
    model: str | None, top: dict[str, Decimal], turns: list[UsagePart], usage: Fields, reading: Reading
) -> list[UsagePart]:
    """The turns by model where several models took turns, else the top level; the response's own model first.

    Where the two disagree, the one with more tokens counts, and the event is flagged.
    """
    if not turns:
        return [UsagePart(model, top)]
    by_model = sorted(_by_model(turns), key=lambda part: part.model != model)
    in_turns, in_top = (_size(added(several)) for several in ((part.buckets for part in turns), [top]))
    if in_turns != in_top:
        reading.flag(f"mismatch:{usage.path_of('iterations')}")
    if in_turns < in_top:
        return [UsagePart(model, top)]
    if in_turns == in_top and len(by_model) == 1:
        # The top level knows the same tokens better: it alone tells lifetimes and thinking for certain.
        return [UsagePart(by_model[0].model, top)]
    return by_model


def _size(buckets: dict[str, Decimal]) -> Decimal:
    return sum(buckets.values(), ZERO)


def _think(parts: list[UsagePart], thinking: Decimal, usage: Fields, reading: Reading) -> UsagePart:
    """The first part with its thinking apart from its answer. The response tells one number for all."""
    first = parts[0]
    answer = first.buckets.get("output", ZERO)
    if thinking > answer and len(parts) > 1:
        reading.flag(f"ambiguous:{usage.path_of('output_tokens_details')}")
        thinking = answer
    apart = answer_buckets(answer, usage.path_of("output_tokens"), reasoning=thinking)
    return UsagePart(first.model, first.buckets | {"output": ZERO} | apart)


def _by_model(parts: Iterable[UsagePart]) -> list[UsagePart]:
    """One part a model, in order of first appearance."""
    found: dict[str | None, list[dict[str, Decimal]]] = {}
    for part in parts:
        found.setdefault(part.model, []).append(part.buckets)
    return [UsagePart(model, added(buckets)) for model, buckets in found.items()]


def _notes(usage: Fields, reading: Reading) -> None:
    """Say what changes the price without being a count: a faster mode, a region, a repriced fallback."""
    for name, ordinary in _ORDINARY.items():
        told = usage.text(name)
        if told and told not in ordinary:
            reading.flag(f"{name}:{short_text(told, usage.path_of(name))}")
    usage.skip("fallback_credit")
    if usage.has("fallback_credit"):
        reading.flag("fallback_credit")
