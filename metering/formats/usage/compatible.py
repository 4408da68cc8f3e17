"""Providers in OpenAI's shape, with a difference: DeepSeek, xAI, OpenRouter, Perplexity; and all others."""

from decimal import Decimal

from core.money import to_stored
from metering.formats.usage.anthropic import read_messages
from metering.formats.usage.fields import ZERO, Fields, UsageError
from metering.formats.usage.normalised import Reading, UsagePart, added
from metering.formats.usage.openai import read_responses, read_tokens
from metering.formats.usage.reply import Reply

_USD_PER_TICK = Decimal(1).scaleb(-10)  # xAI reports its charge in ticks, ten thousand million to the dollar


def read_compatible(reply: Reply) -> Reading:
    """Any provider in OpenAI's shape; thinking is placed by the total, so that both habits come out right."""
    if reply.usage.has("prompt_tokens"):
        return read_tokens(reply, place="by_total")
    return read_responses(reply)


def read_deepseek(reply: Reply) -> Reading:
    """DeepSeek, which splits the prompt into hits and misses of its cache; together they are the prompt."""
    usage = reply.usage
    if usage.has("prompt_cache_miss_tokens"):
        hit, missed = usage.count("prompt_cache_hit_tokens"), usage.count("prompt_cache_miss_tokens")
        told = usage.required("prompt_tokens")
        if hit + missed != told:
            raise UsageError(
                usage.path_of("prompt_tokens"),
                f"It tells {told}, but hits and misses add up to {hit + missed}.",
            )
    return read_compatible(reply)


def read_xai(reply: Reply) -> Reading:
    """xAI, whose chat counts thinking beside the answer, and whose responses count it inside."""
    usage = reply.usage
    ticks = usage.money("cost_in_usd_ticks")
    if usage.has("prompt_tokens"):
        # Without a total there is nothing to decide by, and beside is what the API documents.
        reading = read_tokens(reply, place="by_total" if usage.count("total_tokens") else "outside")
    elif _is_messages(usage):
        reading = read_messages(reply)
    else:
        reading = read_responses(reply)
    if ticks is not None:
        reading.reported_cost = to_stored(ticks * _USD_PER_TICK)
    return reading


def read_openrouter(reply: Reply) -> Reading:
    """OpenRouter, which tells what it charged. With keys of one's own, the provider's bill comes on top."""
    usage = reply.usage
    cost = usage.money("cost")
    upstream = usage.child("cost_details").money("upstream_inference_cost")
    usage.skip("cost_details", "is_byok", "server_tool_use_details")
    reading = read_messages(reply) if _is_messages(usage) else read_compatible(reply)
    if usage.value.get("is_byok") is True:
        reading.flag("byok")
        cost = None if cost is None else cost + (upstream or ZERO)
    reading.reported_cost = None if cost is None else to_stored(cost)
    return reading


def read_perplexity(reply: Reply) -> Reading:
    """Perplexity: thinking, cited sources and searches are all counted beside the answer."""
    usage = reply.usage
    if not usage.has("prompt_tokens"):
        return read_responses(reply)
    cost = usage.child("cost").money("total_cost") if usage.is_object("cost") else usage.money("cost")
    usage.skip("cost")
    reading = read_tokens(reply, place="outside" if usage.has("reasoning_tokens") else "by_total")
    beside = {"citation": usage.count("citation_tokens"), "web_search": usage.count("num_search_queries")}
    part = reading.parts[0]
    reading.parts[0] = UsagePart(part.model, added([part.buckets, beside]))
    reading.reported_cost = None if cost is None else to_stored(cost)
    return reading


def _is_messages(usage: Fields) -> bool:
    """Whether this is Anthropic's shape, which some offer beside OpenAI's."""
    return (
        usage.has("input_tokens") and not usage.has("input_tokens_details") and not usage.has("total_tokens")
    )
