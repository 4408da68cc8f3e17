"""Amazon Bedrock: Converse, and InvokeModel with the bodies of the models behind it.

Converse counts cache reads and writes beside the input. The model's id stands in the request's URL only, so
the parts name no model unless the body does.
"""

from decimal import Decimal

from core.money import ZERO
from metering.formats.usage.anthropic import DEFAULT_LIFETIME, read_messages
from metering.formats.usage.buckets import cache_write
from metering.formats.usage.cohere import read_billed_units
from metering.formats.usage.disjoint import check_total
from metering.formats.usage.fields import Fields, UsageError
from metering.formats.usage.normalized import Reading, UsagePart
from metering.formats.usage.openai import read_tokens
from metering.formats.usage.reply import Reply, short_text

_READ = ("cacheReadInputTokens", "cacheReadInputTokenCount")
_WROTE = ("cacheWriteInputTokens", "cacheWriteInputTokenCount")


def read_converse(reply: Reply) -> Reading:
    """Converse, the last event of ConverseStream, Nova's own body. Raises ``UsageError``."""
    usage = reply.usage
    reading = Reading(service_tier=_tier(reply))
    given, answered = (
        usage.required("inputTokens", "inputTokenCount"),
        usage.first("outputTokens", "outputTokenCount"),
    )
    read = usage.first(*_READ)
    wrote = usage.first(*_WROTE)
    writes = _writes(usage, wrote)
    tools = usage.child("serverToolUsage")
    usage.skip("invocationLatency", "firstByteLatency")
    check_total(
        usage.first("totalTokens", "totalTokenCount"),
        # The total holds the cached tokens for some models and leaves them out for others.
        given + answered + read + wrote,
        given + answered,
        path=usage.path_of("totalTokens"),
        reading=reading,
    )
    reading.parts.append(
        UsagePart(
            reply.model,
            {
                "input": given,
                "cache_read": read,
                **writes,
                "output": answered,
                "web_search": tools.first("webSearchRequests", "web_search_requests"),
            },
        )
    )
    return reading


def read_invoke_model(reply: Reply) -> Reading:
    """InvokeModel: the body is the model's own, and its field names tell whose."""
    usage = reply.usage
    if usage.has("prompt_token_count") or usage.has("generation_token_count"):
        return _llama(reply)
    if usage.has("inputTextTokenCount"):
        return _titan(reply)
    if usage.has("billed_units") or usage.is_object("meta"):
        return read_billed_units(reply)
    if usage.has("prompt_tokens"):
        return read_tokens(reply, place="by_total", write_lifetime=DEFAULT_LIFETIME)
    if usage.has("input_tokens"):
        return read_messages(reply)
    return read_converse(reply)


def _writes(usage: Fields, wrote: Decimal) -> dict[str, Decimal]:
    writes: dict[str, Decimal] = {}
    for entry in usage.children("cacheDetails"):
        name = cache_write(entry.text("ttl") or "other")
        writes[name] = writes.get(name, ZERO) + entry.count("inputTokens")
    told = sum(writes.values(), ZERO)
    if told > wrote > 0:
        raise UsageError(
            usage.path_of("cacheDetails"), f"It adds up to {told}, more than the {wrote} written."
        )
    if wrote > told:
        rest = cache_write("other" if told else DEFAULT_LIFETIME)
        writes[rest] = writes.get(rest, ZERO) + wrote - told
    return writes


def _tier(reply: Reply) -> str | None:
    tier = reply.body.get("serviceTier")
    kind = tier.get("type") if isinstance(tier, dict) else tier
    return None if kind is None else short_text(kind, f"{reply.path}.serviceTier")


def _llama(reply: Reply) -> Reading:
    usage = reply.usage
    buckets = {"input": usage.count("prompt_token_count"), "output": usage.count("generation_token_count")}
    return _bare(reply, buckets)


def _titan(reply: Reply) -> Reading:
    usage = reply.usage
    answers = [entry.count("tokenCount") for entry in usage.children("results")]
    return _bare(reply, {"input": usage.count("inputTextTokenCount"), "output": sum(answers, ZERO)})


def _bare(reply: Reply, buckets: dict[str, Decimal]) -> Reading:
    # These models have no usage object: the counts stand in the answer, among numbers that are none.
    reply.usage.skip(*reply.usage.keys())
    return Reading(parts=[UsagePart(reply.model, buckets)])
