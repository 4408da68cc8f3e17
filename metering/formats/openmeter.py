"""Events as OpenMeter's clients send them: CloudEvents in JSON, one or several, whatever type the request names."""

from datetime import datetime
from functools import partial
from typing import Any

from core import limits
from core.problems import Invalid
from metering.formats.cloudevents import as_native
from metering.formats.gateway_fields import fitting_id
from metering.formats.native import read_event
from metering.formats.plain_tokens import flag_uncounted, is_litellms, kept_numbers, take_out_tokens
from metering.new_event import NewEvent
from metering.reading import Reading, read_each, read_one

DOOR = "openmeter"


def is_openmeter(tree: Any) -> bool:
    """Whether the body is a CloudEvent, or a list of what may be some."""
    return isinstance(tree, list) or isinstance(tree, dict) and "specversion" in tree


def read_tree(tree: Any, *, now: datetime, customer: str | None) -> Reading:
    """The events of a decoded body. Raises ``Invalid`` for an empty list, or too long a one."""
    read = partial(read_cloud_event, now=now, customer=customer)
    if not isinstance(tree, list):
        return read_one(tree, read)
    if not tree or len(tree) > limits.BATCH_EVENTS_MAX:
        raise Invalid.one("events", "list", f"Write an array of 1 to {limits.BATCH_EVENTS_MAX} CloudEvents.")
    return read_each(tree, read)


def read_cloud_event(item: Any, path: str = "", *, now: datetime, customer: str | None = None) -> NewEvent:
    """The event that one CloudEvent tells, with the tokens that its data counts. Raises ``Invalid``."""
    native = as_native(kept_numbers(item), path)
    from_litellm = is_litellms(native)
    take_out_tokens(native)
    if from_litellm and not native.get("response_id"):
        # LiteLLM names the event by the response, as others that report the call do.
        native["response_id"] = fitting_id(native.get("id"))
    event = read_event(native, path, now=now, customer=customer, door=DOOR)
    return flag_uncounted(event) if from_litellm else event
