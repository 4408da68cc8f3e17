"""OpenAI's chat completions, responses, embeddings and batches, and the shape that most others took over.

The prompt's count holds cached, cache-written, audio and image tokens; the answer's count holds reasoning,
audio and image tokens, and predictions that were rejected. Everything is taken out of the whole it is part
of.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from metering.formats.usage.disjoint import (
    MODALITIES,
    Prompt,
    answer_buckets,
    check_total,
    prompt_buckets,
    writes_by_lifetime,
)
from metering.formats.usage.fields import Fields
from metering.formats.usage.normalized import Reading, UsagePart, added
from metering.formats.usage.reply import Reply, short_text

# Where the tokens of thought stand: in the answer's count, beside it, or to be told by the total.
Place = Literal["inside", "outside", "by_total"]

_PROMPT = ("prompt_tokens", "input_tokens")
_ANSWER = ("completion_tokens", "output_tokens")
_PROMPT_DETAILS = ("prompt_tokens_details", "input_tokens_details", "input_token_details")
_ANSWER_DETAILS = ("completion_tokens_details", "output_tokens_details", "output_token_details")

# How long it took and how fast it went, which several providers tell among the counts.
_TIMINGS = (
    "queue_time",
    "prompt_time",
    "completion_time",
    "total_time",
    "start_time",
    "end_time",
    "time_to_first_token",
    "total_latency",
    "total_tokens_per_sec",
    "completion_tokens_per_sec",
    "completion_tokens_after_first_per_sec",
    "completion_tokens_after_first_per_sec_first_ten",
    "acceptance_rate",
    "latency_checkpoint",
)


def read_chat(reply: Reply) -> Reading:
    """Chat completions, completions, embeddings: ``prompt_tokens`` and ``completion_tokens``."""
    return read_tokens(reply)


def read_embeddings(reply: Reply) -> Reading:
    """Embeddings, which have no answer: some tell one count, the total."""
    if any(reply.usage.has(name) for name in _PROMPT):
        return read_tokens(reply)
    return Reading(parts=[UsagePart(reply.model, {"input": reply.usage.required("total_tokens")})])


def read_responses(reply: Reply) -> Reading:
    """Responses: ``input_tokens`` and ``output_tokens``, and what the hosted tools used."""
    reading = read_tokens(reply)
    _hosted_tools(reply, reading)
    return reading


def read_tokens(reply: Reply, *, place: Place = "inside", write_lifetime: str = "other") -> Reading:
    """Read counts in this shape into one part.

    ``write_lifetime`` names the cache lifetime where none is told. Raises ``UsageError``.
    """
    usage = reply.usage
    usage.skip(*_TIMINGS)
    reading = Reading(service_tier=service_tier(reply))
    prompt = _prompt(usage, write_lifetime)
    answer = usage.first(*_ANSWER)
    details = usage.first_child(*_ANSWER_DETAILS)
    details.skip("text_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens")
    reasoning = _reasoning(usage, details)
    told = usage.count("total_tokens")
    beside = place == "outside" or (
        place == "by_total" and _stands_beside(prompt.total, answer, reasoning, told)
    )
    total = answer + reasoning if beside else answer
    buckets = prompt_buckets(prompt, reading) | answer_buckets(
        total,
        usage.path_of(_present(usage, _ANSWER)),
        reasoning=reasoning,
        modalities={name: details.count(f"{name}_tokens") for name in MODALITIES},
    )
    # Where thinking stands beside the answer, some count it in the total and some do not.
    sums = [prompt.total + total, prompt.total + answer] if beside else [prompt.total + total]
    check_total(told, *sums, path=usage.path_of("total_tokens"), reading=reading)
    reading.parts.append(UsagePart(reply.model, buckets | _searches(usage)))
    return reading


def service_tier(reply: Reply) -> str | None:
    """The tier that served the call, from the response or its usage; the request's wish does not count."""
    tier = reply.body.get("service_tier") or reply.usage.text("service_tier")
    return None if tier is None else short_text(tier, f"{reply.path}.service_tier")


def _prompt(usage: Fields, write_lifetime: str) -> Prompt:
    total = usage.required(*_PROMPT)
    field = usage.path_of(_present(usage, _PROMPT))
    details = usage.first_child(*_PROMPT_DETAILS)
    details.skip("text_tokens")
    return Prompt(
        total,
        field,
        modalities={name: details.count(f"{name}_tokens") for name in MODALITIES},
        cached=_cached(usage, details),
        cached_modalities=_cached_modalities(details.child("cached_tokens_details")),
        writes=_writes(usage, details, write_lifetime, field),
    )


def _cached(usage: Fields, details: Fields) -> Decimal:
    """Cached tokens of the prompt, under all the names they go by in this shape."""
    usage.skip("prompt_cache_miss_tokens")
    here = details.first("cached_tokens", "cache_read_input_tokens")
    outside = usage.first(
        "prompt_cache_hit_tokens",
        "cached_tokens",
        "num_cached_tokens",
        "cached_prompt_text_tokens",
        "cache_read_input_tokens",
    )
    return here or outside


def _cached_modalities(split: Fields) -> dict[str, Decimal]:
    split.skip("text_tokens", "cached_text_tokens")
    return {name: split.first(f"{name}_tokens", f"cached_{name}_tokens") for name in MODALITIES}


def _writes(usage: Fields, details: Fields, write_lifetime: str, field: str) -> dict[str, Decimal]:
    here = details.first("cache_write_tokens", "cache_creation_tokens")
    outside = usage.count("cache_creation_input_tokens")
    split = details.first_child("cache_write_tokens_details", "cache_creation_token_details")
    if not split.value:
        split = usage.child("cache_creation")
    return writes_by_lifetime(here or outside, split, rest=write_lifetime, field=field)


def _reasoning(usage: Fields, details: Fields) -> Decimal:
    here = details.first("reasoning_tokens", "thinking_tokens")
    return here or usage.count("reasoning_tokens")


def _stands_beside(prompt: Decimal, answer: Decimal, reasoning: Decimal, told: Decimal) -> bool:
    """Whether thinking is counted beside the answer: the total decides; without one, what fits is not."""
    if not told:
        return reasoning > answer
    return bool(reasoning) and told == prompt + answer + reasoning


def _searches(usage: Fields) -> dict[str, Decimal]:
    """Searches that routers and proxies report inside the usage; they are charged on top of the tokens."""
    tools = usage.child("server_tool_use")
    details = usage.first_child(*_PROMPT_DETAILS)
    tools.skip("web_fetch_requests", "tool_calls_requested", "tool_calls_executed")
    searches = tools.count("web_search_requests") or details.count("web_search_requests")
    maps = details.count("google_maps_grounding_requests")
    return {"web_search": searches, "maps_search": maps}


def _present(usage: Fields, names: tuple[str, ...]) -> str:
    return next((name for name in names if usage.has(name)), names[0])


def _hosted_tools(reply: Reply, reading: Reading) -> None:
    """Count the hosted tools' calls, from ``tool_usage`` beside the usage, or from the output's items.

    Only a search is billed as one; opening a page or finding a word on it is not.
    """
    body = Fields(reply.body, reply.path)
    calls = (
        [item for item in reply.body.get("output") or [] if isinstance(item, Mapping)]
        if _listed(reply)
        else []
    )
    counted = {"file_search": Decimal(sum(item.get("type") == "file_search_call" for item in calls))}
    if body.is_object("tool_usage"):
        tools = body.child("tool_usage")
        counted["web_search"] = tools.child("web_search").count("num_requests")
        for path in tools.unread():
            reading.flag(f"unknown:{path}")
    else:
        counted["web_search"] = Decimal(sum(map(_is_search, calls)))
    if any(item.get("type") == "code_interpreter_call" for item in calls):
        # Billed by container and time, neither of which the response tells.
        reading.flag(f"unknown:{body.path_of('output')}.code_interpreter_call")
    reading.parts[0] = UsagePart(reading.parts[0].model, added([reading.parts[0].buckets, counted]))


def _listed(reply: Reply) -> bool:
    return isinstance(reply.body.get("output"), list)


def _is_search(item: Mapping[str, object]) -> bool:
    action = item.get("action")
    kind = action.get("type") if isinstance(action, Mapping) else None
    return item.get("type") == "web_search_call" and kind in (None, "search")
