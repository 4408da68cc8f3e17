"""Providers in OpenAI's shape, with a difference: DeepSeek, xAI, OpenRouter, Perplexity; and all others."""

from decimal import Decimal

from core.money import ZERO, to_stored
from metering.formats.usage.anthropic import read_messages
from metering.formats.usage.fields import Fields, UsageError
from metering.formats.usage.normalized import Reading, UsagePart, added
from metering.formats.usage.openai import read_responses, read_tokens
from metering.formats.usage.reply import Reply

_XAI_TOOLS = "server_side_tool_usage_details"
_XAI_CALLS = {
    "web_search_calls": "web_search",
    "file_search_calls": "file_search",
    "code_interpreter_calls": "code_execution",
}

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
        # The calls among the output's items are the ones counted in the usage; they must not count twice.
        reading = read_tokens(reply) if usage.has(_XAI_TOOLS) else read_responses(reply)
    tools = usage.child(_XAI_TOOLS)
    tools.skip("mcp_calls")  # one's own tools, free of charge
    usage.skip("num_server_side_tools_used")
    _add(reading, {bucket: tools.count(name) for name, bucket in _XAI_CALLS.items()})
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
    cost = usage.child("cost").money("total_cost") if usage.is_object("cost") else usage.money("cost")
    usage.skip("cost")
    searches = usage.count("num_search_queries") + _invoked(usage, "search_web")
    reading = read_tokens(reply, place="outside" if usage.has("reasoning_tokens") else "by_total")
    _add(reading, {"citation": usage.count("citation_tokens"), "web_search": searches})
    reading.reported_cost = None if cost is None else to_stored(cost)
    return reading


def _invoked(usage: Fields, tool: str) -> Decimal:
    return usage.child("tool_calls_details").child(tool).count("invocation")


def _add(reading: Reading, buckets: dict[str, Decimal]) -> None:
    """Add what stands beside the tokens to the response's own part."""
    part = reading.parts[0]
    reading.parts[0] = UsagePart(part.model, added([part.buckets, buckets]))


def _is_messages(usage: Fields) -> bool:
    """Whether this is Anthropic's shape, which some offer beside OpenAI's."""
    return (
        usage.has("input_tokens") and not usage.has("input_tokens_details") and not usage.has("total_tokens")
    )
