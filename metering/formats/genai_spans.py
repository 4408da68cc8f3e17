"""OpenTelemetry's GenAI spans as events: one for each call of a model.

The conventions have been renamed several times, and every emitter follows the version it was written for: each
fact is looked up under all the names it has had, the newest first.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from core.problems import Invalid
from metering.formats.gateway_fields import (
    fitting_id,
    fitting_text,
    labels,
    milliseconds_between,
    time_of_epoch,
)
from metering.formats.native import read_event
from metering.formats.otlp import Span, Value
from metering.formats.response_ids import own_id
from metering.formats.usage import family_of
from metering.formats.usage.fields import shown
from metering.formats.usage.normalized import FLAGS_MAX
from metering.new_event import NewEvent
from metering.reading import Reading, Refusal

DOOR = "otlp"
TYPE = "llm.call"
API = "opentelemetry"
CUSTOMER = "customer.id"
NOT_NAMED = "unknown"
USAGE_MISSING = "unknown:gen_ai.usage"
COUNTED_APART = "mismatch:gen_ai.usage.input_tokens"
NANOSECONDS = Decimal(10) ** 9

PROVIDER = ("gen_ai.provider.name", "gen_ai.system")
MODEL = ("gen_ai.response.model", "gen_ai.request.model")
OPERATION = ("gen_ai.operation.name",)
RESPONSE_ID = ("gen_ai.response.id",)
INPUT = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.usage.prompt_tokens")
OUTPUT = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.usage.completion_tokens")
TOTAL = ("gen_ai.usage.total_tokens", "llm.usage.total_tokens")
CACHE_READ = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.cached_tokens",
    "gen_ai.usage.cached_input_tokens",
)
CACHE_WRITE = (
    "gen_ai.usage.cache_write.input_tokens",
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_creation_input_tokens",
    "gen_ai.usage.cache_write_input_tokens",
)
WRITES = {
    lifetime: tuple(
        f"{maker}.usage.cache_creation.ephemeral_{lifetime}_input_tokens" for maker in ("anthropic", "gen_ai")
    )
    for lifetime in ("5m", "1h")
}
REASONING = (
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.reasoning_tokens",
    "gen_ai.usage.reasoning_output_tokens",
)
MODALITIES_IN = {name: (f"gen_ai.usage.{name}.input_tokens",) for name in ("audio", "image", "video")}
MODALITIES_OUT = {name: (f"gen_ai.usage.{name}.output_tokens",) for name in ("audio", "image", "video")}
TIER = (
    "openai.response.service_tier",
    "gen_ai.openai.response.service_tier",
    "anthropic.response.service_tier",
    "anthropic.usage.service_tier",
    "gen_ai.response.service_tier",
)
LABELS = {
    "user": ("gen_ai.user", "enduser.id", "user.id"),
    "session": ("session.id",),
    "conversation": ("gen_ai.conversation.id",),
    "agent": ("gen_ai.agent.name", "gen_ai.agent.id"),
    "feature": ("burnline.feature",),
    "task": ("burnline.task",),
    "team": ("burnline.team",),
}
SERVICE = ("service.name",)

WANTED = frozenset(
    name
    for names in (
        *(
            PROVIDER,
            MODEL,
            OPERATION,
            RESPONSE_ID,
            INPUT,
            OUTPUT,
            TOTAL,
            CACHE_READ,
            CACHE_WRITE,
            REASONING,
            TIER,
        ),
        *(*WRITES.values(), *MODALITIES_IN.values(), *MODALITIES_OUT.values(), *LABELS.values()),
        *(SERVICE, (CUSTOMER,)),
    )
    for name in names
)

# Under it stands what a call used. What we do not know there may be billed, unless it is a part of what we do know, or money.
USAGE = "gen_ai.usage."
KNOWN_PARTS = re.compile(
    r"gen_ai\.usage\.(details\.|text\.|.*cost|(accepted|rejected)_prediction_tokens$|raw$)", re.ASCII
)

# A model was asked; without usage, something billed was not told.
CALLS = frozenset({"chat", "generate_content", "text_completion", "completion", "embeddings"})
# An agent's span adds up the calls below it, and the others ask no model: counting them would count twice.
AROUND_CALLS = frozenset(
    {"invoke_agent", "create_agent", "invoke_workflow", "plan", "execute_tool", "fetch_response"}
)


def is_wanted(name: str) -> bool:
    """Whether an attribute of this name says something of a call, or may."""
    return name in WANTED or name.startswith(USAGE)


def read_spans(spans: Iterable[Span], *, now: datetime, customer: str | None) -> Reading:
    """The calls that the spans tell of; spans of other work are passed over.

    ``customer`` is the key of the customer that the credential is bound to.
    """
    reading = Reading(lone=False)
    for index, span in enumerate(spans):
        if not _is_call(span):
            continue
        try:
            event = read_call(span, f"spans[{index}]", now=now, customer=customer)
        except Invalid as refused:
            reading.refusals.append(Refusal(index, span.span_id or None, refused.errors, span))
            continue
        reading.events.append(event)
        reading.positions.append(index)
    return reading


def read_call(span: Span, path: str, *, now: datetime, customer: str | None) -> NewEvent:
    """The event that one call's span tells. Raises ``Invalid``."""
    usage, flags = usage_of(span.attributes)
    event = read_event(_native(span, path, usage), path, now=now, customer=customer, door=DOOR)
    if not usage and not span.failed:
        flags = (USAGE_MISSING,)
    flags = (*flags, *_unknown(span.attributes))[:FLAGS_MAX]
    return msgspec.structs.replace(
        event, flags=(*event.flags, *flags), incomplete=event.incomplete or bool(flags)
    )


def usage_of(told: Mapping[str, Value]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The counts in OpenAI's shape, whole sides of the call, and a flag where they were not told as whole sides.

    >>> usage_of({"gen_ai.usage.input_tokens": 10, "gen_ai.usage.cached_tokens": 6})[0]
    {'prompt_tokens': 10, 'prompt_tokens_details': {'cached_tokens': 6}}
    """
    prompt, answer = _first(told, INPUT), _first(told, OUTPUT)
    if prompt is None and answer is None:
        return {}, ()
    within = {
        "cached_tokens": _first(told, CACHE_READ),
        "cache_write_tokens": _first(told, CACHE_WRITE),
    }
    flags: tuple[str, ...] = ()
    apart = [count for count in within.values() if type(count) is int]
    if type(prompt) is int and sum(apart) > prompt:
        # More cannot come out of a prompt than is in it: this emitter counts the rest of the prompt alone.
        prompt, flags = prompt + sum(apart), (COUNTED_APART,)
    writes = {f"ephemeral_{ttl}_input_tokens": _first(told, names) for ttl, names in WRITES.items()}
    usage: dict[str, Any] = {
        "prompt_tokens": 0 if prompt is None else prompt,
        "completion_tokens": answer,
        "total_tokens": None if flags else _first(told, TOTAL),
        "prompt_tokens_details": _present(
            within
            | {"cache_creation_token_details": _present(writes)}
            | {f"{name}_tokens": _first(told, names) for name, names in MODALITIES_IN.items()}
        ),
        "completion_tokens_details": _present(
            {"reasoning_tokens": _first(told, REASONING)}
            | {f"{name}_tokens": _first(told, names) for name, names in MODALITIES_OUT.items()}
        ),
    }
    return _present(usage), flags


def _unknown(told: Mapping[str, Value]) -> list[str]:
    """A flag for each count that nobody reads."""
    return [
        f"unknown:{shown(name)}"
        for name, value in told.items()
        if name not in WANTED
        and not KNOWN_PARTS.match(name)
        and isinstance(value, int | Decimal)
        and not isinstance(value, bool)
        and value
    ]


def _is_call(span: Span) -> bool:
    operation = _first(span.attributes, OPERATION)
    if operation in AROUND_CALLS:
        return False
    return operation in CALLS or any(_first(span.attributes, names) is not None for names in (INPUT, OUTPUT))


def _native(span: Span, path: str, usage: dict[str, Any]) -> dict[str, Any]:
    """The span in our own shape, not yet checked."""
    told, resource = span.attributes, span.resource
    provider = fitting_text(_first(told, PROVIDER)) or NOT_NAMED
    named = _first(told, RESPONSE_ID)
    response_id = fitting_id(own_id(named)) if isinstance(named, str) else None
    event: dict[str, Any] = {
        "id": response_id or _span_identity(span, path),
        "response_id": response_id,
        "source": f"genai:{family_of(provider)}"[:200],
        "customer": told.get(CUSTOMER, resource.get(CUSTOMER)),
        "type": TYPE,
        "time": time_of_epoch(
            span.started_ns / NANOSECONDS if span.started_ns else None, f"{path}.startTimeUnixNano"
        ),
        "provider": provider,
        "model": _first(told, MODEL),
        "status": "error" if span.failed else "ok",
        "latency_ms": milliseconds_between(span.started_ns / NANOSECONDS, span.ended_ns / NANOSECONDS),
        "properties": _properties(span),
    }
    if fitting_id(span.trace_id):
        event["run"] = {"id": span.trace_id}
    if usage:
        event["api"] = API
        event["response"] = _present({"service_tier": fitting_text(_first(told, TIER), 20), "usage": usage})
    return {name: value for name, value in event.items() if value is not None}


def _span_identity(span: Span, path: str) -> str:
    if not span.trace_id or not span.span_id:
        raise Invalid.one(f"{path}.spanId", "required", "Send traceId and spanId, or gen_ai.response.id.")
    return f"{span.trace_id}:{span.span_id}"


def _properties(span: Span) -> dict[str, Any]:
    told = {name: _first(span.attributes, names) for name, names in LABELS.items()}
    return labels(
        told
        | {
            "operation": _first(span.attributes, OPERATION),
            "service": _first(span.resource, SERVICE),
            "emitter": span.scope,
            "span": span.span_id,
            # A span, not a run: what is above the trace, no span tells.
            "parent_span": span.parent_id,
        }
    )


def _first(told: Mapping[str, Value], names: Iterable[str]) -> Value | None:
    return next((told[name] for name in names if name in told), None)


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None and value != {}}
