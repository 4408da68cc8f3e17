"""Events of our own shape that are plainly right, as nearly all are: read by their types, in one pass.

Nothing is refused here. Where anything is unusual, the whole body is left to ``native``, which reads event by event and
says what is wrong; what is read here, it would read alike.
"""

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from core import limits, money
from core.money import ONE
from metering.formats.response_ids import own_id
from metering.formats.usage import BUCKETS
from metering.new_event import NewEvent
from metering.reading import Reading

Id = Annotated[str, Meta(min_length=1, max_length=limits.ID_CHARACTERS_MAX)]
Hold = Annotated[str, Meta(min_length=1, max_length=limits.HOLD_CHARACTERS_MAX)]
Type = Annotated[str, Meta(min_length=1, max_length=limits.EVENT_TYPE_CHARACTERS_MAX)]
Provider = Annotated[str, Meta(max_length=limits.EVENT_PROVIDER_CHARACTERS_MAX)]
Model = Annotated[str, Meta(max_length=limits.EVENT_MODEL_CHARACTERS_MAX)]
Status = Annotated[str, Meta(max_length=limits.EVENT_STATUS_CHARACTERS_MAX)]
Latency = Annotated[int, Meta(ge=0, le=limits.LATENCY_MS_MAX)]
Step = Annotated[int, Meta(ge=0, le=limits.RUN_STEP_MAX)]
Count = Annotated[int, Meta(ge=0)]
Properties = Annotated[dict[str, str], Meta(max_length=limits.EVENT_PROPERTIES_MAX)]

# The form that nearly every client writes; whatever else RFC 3339 allows takes the longer way.
COMMON_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}(\d{3})?)?Z", re.ASCII)
CONTEXTS = {
    "standard": "standard",
    "default": "standard",
    "batch": "batch",
    "flex": "flex",
    "priority": "priority",
}
FUTURE = timedelta(seconds=limits.EVENT_FUTURE_SECONDS_MAX)
AGE = timedelta(days=limits.EVENT_AGE_DAYS_MAX)
SOURCE_DEFAULT = "api"


class _PlainRun(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    id: Id
    step: Step | None | UnsetType = UNSET
    attempt: Step | None | UnsetType = UNSET
    parent: Id | None | UnsetType = UNSET


class _PlainEvent(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The names of ``native.FIELDS`` but for a provider's own response. What is absent stays unset."""

    id: Id
    type: Type
    source: Id | None | UnsetType = UNSET
    customer: Id | UnsetType = UNSET
    time: str | None | UnsetType = UNSET
    provider: Provider | None | UnsetType = UNSET
    model: Model | None | UnsetType = UNSET
    service_tier: str | None | UnsetType = UNSET
    usage: dict[str, Count] | None | UnsetType = UNSET
    quantity: Count | str | None | UnsetType = UNSET
    status: Status | None | UnsetType = UNSET
    latency_ms: Latency | None | UnsetType = UNSET
    hold: Hold | None | UnsetType = UNSET
    response_id: Id | None | UnsetType = UNSET
    run: _PlainRun | None | UnsetType = UNSET
    properties: Properties | None | UnsetType = UNSET


class _Unusual(Exception):
    """Something that is for the longer way to judge."""


class _PlainBatch(msgspec.Struct, forbid_unknown_fields=True):
    events: list[_PlainEvent]


Told = _PlainEvent | _PlainBatch | list[_PlainEvent]
_single = msgspec.json.Decoder(_PlainEvent)
_array = msgspec.json.Decoder(list[_PlainEvent])
_batch = msgspec.json.Decoder(_PlainBatch)
_encode = msgspec.json.Encoder().encode


def read_body(body: bytes, *, now: datetime, customer: str | None) -> Reading | None:
    """The events of a JSON array, of ``{"events": […]}`` or a single object; None where ``native`` must judge."""
    if body[:1] == b"[":
        return _read(body, _array.decode, now, customer)
    if body[:9] == b'{"events"':
        return _read(body, _batch.decode, now, customer)
    return _read(body, _single.decode, now, customer)


def read_lines(body: bytes, *, now: datetime, customer: str | None) -> Reading | None:
    """The events of NDJSON, one a line; None where ``native`` must judge."""
    return _read(body, _single.decode_lines, now, customer)


def _read(
    body: bytes,
    decode: Callable[[bytes], Told],
    now: datetime,
    customer: str | None,
) -> Reading | None:
    # In these bytes every text is of printable ASCII and blanks, and every quotation mark opens or closes one.
    if not body.isascii() or b"\\" in body or b"\x7f" in body:
        return None
    try:
        told = decode(body)
        # Of two equal names the decoder keeps the last: see ``event_json.decode_events``.
        if body.count(b'"') != _encode(told).count(b'"'):
            return None
        found = _listed(told)
        if not 1 <= len(found) <= limits.BATCH_EVENTS_MAX:
            return None
        lone = isinstance(told, _PlainEvent)
        return Reading(lone, _events_of(found, now, customer), list(range(len(found))))
    except (_Unusual, ValueError, RecursionError):
        return None


def _listed(told: Told) -> list[_PlainEvent]:
    if isinstance(told, _PlainBatch):
        return told.events
    return [told] if isinstance(told, _PlainEvent) else told


def _events_of(found: Iterable[_PlainEvent], now: datetime, customer: str | None) -> list[NewEvent]:
    oldest, newest = now - AGE, now + FUTURE
    events = []
    for plain in found:
        if plain.customer is UNSET:
            plain.customer = customer or ""
        run = plain.run or None
        event = NewEvent(
            id=plain.id,
            source=plain.source or SOURCE_DEFAULT,
            customer=plain.customer,
            type=plain.type,
            time_given=bool(plain.time),
            occurred_at=_time_of(plain.time) if plain.time else now,
            provider=plain.provider or "",
            model=plain.model or "",
            context=CONTEXTS.get(plain.service_tier, "") if plain.service_tier else "standard",
            usage=_usage_of(plain.usage) if plain.usage else {},
            quantity=_quantity_of(plain.quantity) if plain.quantity is not UNSET else ONE,
            status=plain.status or "ok",
            latency_ms=None if plain.latency_ms is UNSET else plain.latency_ms,
            hold=plain.hold or "",
            run_id=run.id if run else "",
            response_id=own_id(plain.response_id) if plain.response_id else "",
            run=_place_in(run) if run else None,
            properties=plain.properties or {},
        )
        _check(event, plain, customer)
        if not oldest <= event.occurred_at <= newest:
            raise _Unusual
        events.append(event)
    return events


def _check(event: NewEvent, plain: _PlainEvent, customer: str | None) -> None:
    """Raise for a blank in what may hold none or may need trimming, and for what the types cannot say."""
    ids = event.id + event.source + event.customer + event.run_id + event.response_id + event.hold
    texts = event.type + event.provider + event.model + event.status
    if " " in ids or " " in texts or not event.customer or not event.context:
        raise _Unusual
    if customer is not None and event.customer != customer:
        raise _Unusual
    if plain.time == "" or plain.service_tier == "":
        raise _Unusual


def _time_of(written: str) -> datetime:
    if COMMON_TIME.fullmatch(written) is None:
        raise _Unusual
    return datetime.fromisoformat(written)


def _usage_of(counts: dict[str, int]) -> dict[str, Decimal]:
    usage = {}
    for name, count in counts.items():
        if name not in BUCKETS or count >= 10**20:
            raise _Unusual
        if count:
            usage[name] = Decimal(count)
    return usage


def _quantity_of(written: int | str | None) -> Decimal:
    return ONE if written is None else money.parse_number(written, negative=False)


def _place_in(run: _PlainRun) -> dict[str, int | str]:
    place: dict[str, int | str] = {}
    if run.step is not UNSET and run.step is not None:
        place["step"] = run.step
    if run.attempt is not UNSET and run.attempt is not None:
        place["attempt"] = run.attempt
    if run.parent:
        if " " in run.parent:
            raise _Unusual
        place["parent"] = run.parent
    return place
