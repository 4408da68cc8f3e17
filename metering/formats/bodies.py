"""A body by the door it is meant for: what a person pastes, and what is sent again, takes the way of a client's."""

from collections.abc import Callable
from datetime import datetime

from core import strict_json
from core.problems import Invalid
from metering.customer_lookup import customer_ids
from metering.formats import cloudevents, genai_spans, lago, litellm, native, openmeter, otlp
from metering.reading import Reading

NDJSON = "application/x-ndjson"
ReadBody = Callable[[bytes, datetime, str | None], Reading]


def read_as(door: str, body: bytes, *, now: datetime, customer: str | None = None) -> Reading:
    """The events of a body as this door reads it; ``customer`` is the only one whose events it may hold, None for any.

    Raises ``Malformed`` or ``Invalid`` where the body as a whole cannot be taken.
    """
    return READERS[door](body, now, customer)


def _native(body: bytes, now: datetime, customer: str | None) -> Reading:
    # Several objects, one a line, are no JSON document: then they are read line by line.
    lines = [line for line in body.splitlines() if line.strip()]
    by_line = len(lines) > 1 and all(
        line.lstrip()[:1] == b"{" and line.rstrip()[-1:] == b"}" for line in lines
    )
    return native.read_body(body, NDJSON if by_line else "", now=now, customer=customer)


def _cloud_events(body: bytes, now: datetime, customer: str | None) -> Reading:
    several = body.lstrip()[:1] == b"["
    read = cloudevents.read_batch if several else cloudevents.read_structured
    return read(body, now=now, customer=customer)


def _traces(body: bytes, now: datetime, customer: str | None) -> Reading:
    spans = otlp.read_json(body, genai_spans.is_wanted)
    reading = genai_spans.read_spans(spans, now=now, customer=customer)
    if not reading.events and not reading.refusals:
        raise Invalid.one("resourceSpans", "empty", "No span in it is a call of a model.")
    return reading


def _litellm(body: bytes, now: datetime, customer: str | None) -> Reading:
    return litellm.read_body(body, "", now=now, customer=customer)


def _openmeter(body: bytes, now: datetime, customer: str | None) -> Reading:
    return openmeter.read_tree(strict_json.decode(body, wide=True), now=now, customer=customer)


def _lago(body: bytes, now: datetime, customer: str | None) -> Reading:
    tree = strict_json.decode(body, wide=True)

    def customer_of(name: str) -> str | None:
        whose = customer_ids([name, customer or ""], subscriptions=True)
        return customer if customer and whose.get(name) == whose.get(customer) else None

    if isinstance(tree, dict) and "transaction_id" in tree:
        tree = {"event": tree}
    several = isinstance(tree, dict) and "events" in tree
    read = lago.read_batch_tree if several else lago.read_one_tree
    return read(tree, now=now, customer=customer, customer_of=customer_of)


READERS: dict[str, ReadBody] = {
    native.DOOR: _native,
    cloudevents.DOOR: _cloud_events,
    genai_spans.DOOR: _traces,
    litellm.DOOR: _litellm,
    lago.DOOR: _lago,
    openmeter.DOOR: _openmeter,
}
