"""Prompt and completion tokens among an event's properties, as LiteLLM's callbacks for Lago and OpenMeter send them.

Nothing tells cached tokens or thinking here: all of the prompt counts as input, all of the answer as output.
"""

from decimal import Decimal
from typing import Any

import msgspec

from core import strict_json
from core.money import NumberError, parse_number, to_stored
from metering.formats.event_json import INTEGER_LIMIT
from metering.new_event import NewEvent

PROMPT = "prompt_tokens"
ANSWER = "completion_tokens"
TOTAL = "total_tokens"
# What the call cost the operator. A customer sees an event's properties, and never costs.
COSTS = frozenset({"cost", "response_cost"})
# How LiteLLM's callback for OpenMeter names itself; its callback for Lago alone tells a `response_cost`.
LITELLM = "litellm-proxy"
UNCOUNTED = f"unknown:{TOTAL}"


def take_out_tokens(native: dict[str, Any]) -> None:
    """Turn token counts in the event's properties into its usage, and the model among them into its model.

    Leaves an event as it is that is not LiteLLM's and has no such counts, or tells its usage otherwise.
    """
    properties = native["properties"]
    if "usage" in native or "response" in native:
        return
    if _counts(properties):
        native["usage"] = {"input": properties[PROMPT], "output": properties.get(ANSWER) or 0}
    elif not is_litellms(native):
        return
    if isinstance(properties.get("model"), str) and not native.get("model"):
        native["model"] = properties["model"]
    provider, slash, _ = str(native.get("model", "")).partition("/")
    if slash and not native.get("provider"):
        native["provider"] = provider
    taken = COSTS | {PROMPT, ANSWER, TOTAL, "model"}
    native["properties"] = {name: value for name, value in properties.items() if name not in taken}


def is_litellms(native: dict[str, Any]) -> bool:
    """Whether LiteLLM made the event, which tells of one call of a model and never of anything else."""
    properties = native.get("properties")
    return isinstance(properties, dict) and (
        "response_cost" in properties or (native.get("source") == LITELLM and "cost" in properties)
    )


def flag_uncounted(event: NewEvent) -> NewEvent:
    """LiteLLM's event, which is not free for telling no tokens, as it does of streams and of OpenAI's responses."""
    if event.usage:
        return event
    return msgspec.structs.replace(event, flags=(*event.flags, UNCOUNTED), incomplete=True)


def kept_numbers(value: Any) -> Any:
    """A tree of other programs' JSON with its numbers as they are kept: floats such as ``1.5e-05`` at 18 decimals."""
    if isinstance(value, Decimal):
        return to_stored(value) if abs(value) < INTEGER_LIMIT else strict_json.RefusedNumber(str(value))
    if isinstance(value, dict):
        return {name: kept_numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [kept_numbers(item) for item in value]
    return value


def _counts(properties: dict[str, Any]) -> bool:
    return _is_count(properties.get(PROMPT)) and _is_count(properties.get(ANSWER, 0) or 0)


def _is_count(value: Any) -> bool:
    try:
        return parse_number(value, negative=False) == parse_number(value).to_integral_value()
    except NumberError:
        return False
