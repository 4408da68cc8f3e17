"""Events as Lago's clients send them: ``{"event": {…}}``, or ``{"events": [{…}, …]}`` in a batch.

``external_subscription_id`` names a subscription, else a customer; ``code`` is the event's type, ``transaction_id`` its id.
"""

from collections.abc import Callable
from datetime import datetime
from difflib import get_close_matches
from functools import partial
from typing import Any

from core import limits
from core.problems import Invalid
from metering.formats.gateway_fields import in_their_words, time_of_epoch
from metering.formats.native import read_event
from metering.formats.plain_tokens import flag_uncounted, is_litellms, kept_numbers, take_out_tokens
from metering.new_event import NewEvent
from metering.reading import Reading, read_each, read_one

DOOR = "lago"
# An event that its customer's own key brought is that customer's, whatever subscriptions are called.
OWN_DOOR = "lago.own"
SOURCE = "lago"
AMOUNT = "precise_total_amount_cents"
# Their field for each of ours: refusals name what the client wrote.
FIELDS = {
    "id": "transaction_id",
    "customer": "external_subscription_id",
    "type": "code",
    "time": "timestamp",
    "properties": "properties",
}
KNOWN = frozenset([*FIELDS.values(), AMOUNT])

# From the name of a subscription or customer to the customer's key.
CustomerOf = Callable[[str], str | None]


def is_lago(tree: Any) -> bool:
    """Whether the body has the envelope of Lago's clients."""
    return isinstance(tree, dict) and ("event" in tree or "events" in tree)


def read_one_tree(tree: Any, *, now: datetime, customer: str | None, customer_of: CustomerOf) -> Reading:
    """The event of ``{"event": {…}}``. Raises ``Invalid`` where it is not there."""
    if not isinstance(tree, dict) or not isinstance(tree.get("event"), dict):
        raise Invalid.one("event", "object", 'Write {"event": {"transaction_id": "…", "code": "…", …}}.')
    return read_one(
        tree["event"], partial(read_lago_event, now=now, customer=customer, customer_of=customer_of)
    )


def read_batch_tree(tree: Any, *, now: datetime, customer: str | None, customer_of: CustomerOf) -> Reading:
    """The events of ``{"events": [{…}, …]}``. Raises ``Invalid`` for an empty list, or too long a one."""
    events = tree.get("events") if isinstance(tree, dict) else None
    if not isinstance(events, list) or not 0 < len(events) <= limits.BATCH_EVENTS_MAX:
        raise Invalid.one(
            "events", "list", f'Write {{"events": […]}} with 1 to {limits.BATCH_EVENTS_MAX} events.'
        )
    return read_each(events, partial(read_lago_event, now=now, customer=customer, customer_of=customer_of))


def read_lago_event(
    item: Any, path: str = "", *, now: datetime, customer: str | None, customer_of: CustomerOf
) -> NewEvent:
    """The event that one of Lago's tells. Raises ``Invalid`` in the words of their fields.

    ``customer`` is the key of the customer that the credential is bound to: its own subscriptions it may name, too.
    """
    if not isinstance(item, dict):
        raise Invalid.one(path, "object", 'Write an event: {"transaction_id": "…", "code": "…", …}.')
    place = f"{path}." if path else ""
    unknown = sorted(item.keys() - KNOWN)
    if unknown:
        near = get_close_matches(unknown[0], sorted(KNOWN), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else " Data of your own goes into `properties`."
        raise Invalid.one(place + unknown[0][:80], "unknown_field", f"There is no such field.{hint}")
    native, from_litellm = _native(kept_numbers(item), place)
    named = native.get("customer")
    if customer is not None and isinstance(named, str) and customer_of(named) == customer:
        native["customer"] = customer
    try:
        door = DOOR if customer is None else OWN_DOOR
        event = read_event(native, path, now=now, customer=customer, door=door)
    except Invalid as refused:
        raise in_their_words(refused, place, FIELDS) from None
    return flag_uncounted(event) if from_litellm else event


def _native(item: dict[str, Any], place: str) -> tuple[dict[str, Any], bool]:
    """The event in our own shape, not yet checked, and whether LiteLLM made it."""
    native = {ours: item[theirs] for ours, theirs in FIELDS.items() if item.get(theirs) is not None}
    native["source"] = SOURCE
    written = native.pop("time", None)
    # Seconds since 1970, as Lago takes them, or the time that its own answers write.
    is_text = isinstance(written, str) and "T" in written
    at = written if is_text else time_of_epoch(written, f"{place}timestamp")
    if at is not None:
        native["time"] = at
    properties = native.setdefault("properties", {})
    from_litellm = is_litellms(native)
    if isinstance(properties, dict):
        if item.get(AMOUNT) is not None:
            native["properties"] = properties | {AMOUNT: item[AMOUNT]}
        take_out_tokens(native)
    return native, from_litellm
