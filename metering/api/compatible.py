"""``/api/v1/events``: the address that Lago's and OpenMeter's clients post to, answered as each expects."""

import json
from collections.abc import Callable
from datetime import datetime
from functools import cache
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core import strict_json
from core.http.views import ApiView
from core.problems import FieldError, Invalid
from core.times import render_time
from metering.api import compatible_schema as schema
from metering.api.doors import json_answer, receive, refusal
from metering.customer_lookup import customer_ids
from metering.deliveries import Delivery
from metering.formats import lago, openmeter
from metering.formats.event_json import plain_values
from metering.intake import customer_key_of, problem_of, take_in
from metering.new_event import NewEvent
from metering.reading import Reading, Refusal
from metering.rejections import note_refused_body

# Of a body that could not be read as either client's.
COMPATIBLE = "compatible"


class CompatibleEventsView(ApiView):
    """One event of Lago's, or OpenMeter's CloudEvents."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return (
            receive(request, answer_events, door=COMPATIBLE)
            if request.method == "POST"
            else super().dispatch(request, *args, **kwargs)
        )

    @extend_schema(operation_id="send_compatible_events", request=schema.BODIES, responses=schema.ANSWERS)
    def post(self, request: Request) -> Response:
        """Take in one event in Lago's shape, or CloudEvents from OpenMeter's clients."""
        raise NotImplementedError("POST is answered in dispatch().")


class CompatibleBatchView(ApiView):
    """Several events of Lago's."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return (
            receive(request, answer_batch, door=lago.DOOR)
            if request.method == "POST"
            else super().dispatch(request, *args, **kwargs)
        )

    @extend_schema(
        operation_id="send_compatible_batch", request=schema.BATCH_BODIES, responses=schema.BATCH_ANSWERS
    )
    def post(self, request: Request) -> Response:
        """Take in several events in Lago's shape."""
        raise NotImplementedError("POST is answered in dispatch().")


def answer_events(request: HttpRequest, body: bytes, delivery: Delivery) -> HttpResponse:
    """Store what either client sent; its shape tells whose it is."""
    tree = strict_json.decode(body, wide=True)
    if openmeter.is_openmeter(tree):
        delivery.door = openmeter.DOOR
        bound = customer_key_of(delivery.credential)
        return _answer_openmeter(openmeter.read_tree(tree, now=delivery.now, customer=bound), delivery)
    if lago.is_lago(tree):
        delivery.door = lago.DOOR
        return _answer_lago(tree, lago.read_one_tree, delivery)
    detail = "Send a CloudEvent, as OpenMeter's clients do, or {\"event\": {…}}, as Lago's do."
    raise Invalid.one("", "shape", detail)


def answer_batch(request: HttpRequest, body: bytes, delivery: Delivery) -> HttpResponse:
    """Store a batch of Lago's."""
    tree = strict_json.decode(body, wide=True)
    return _answer_lago(tree, lago.read_batch_tree, delivery)


def _answer_openmeter(reading: Reading, delivery: Delivery) -> HttpResponse:
    """204, or the reasons why some events were refused; the others are stored all the same."""
    intake = take_in(reading, delivery)
    problem = problem_of(reading, intake)
    if problem is None and intake.refusals:
        errors = tuple(error for refused in intake.refusals for error in refused.errors)
        detail = f"{len(intake.refusals)} of the events could not be taken in; the others are stored."
        problem = Invalid(detail, errors, intake.as_json())
    return refusal(problem) if problem else HttpResponse(status=204)


Read = Callable[..., Reading]


def _answer_lago(tree: Any, read: Read, delivery: Delivery) -> HttpResponse:
    """The events as Lago would answer them, or its validation errors."""
    bound = customer_key_of(delivery.credential)

    @cache
    def customer_of(name: str) -> str | None:
        return (
            bound
            if customer_ids([name], subscriptions=True).get(name) == delivery.credential.customer_id
            else None
        )

    try:
        reading = read(tree, now=delivery.now, customer=bound, customer_of=customer_of)
    except Invalid as refused:
        note_refused_body(delivery, refused)
        return _validation_errors([Refusal(0, None, refused.errors)], lone=True)
    intake = take_in(reading, delivery)
    if intake.refusals:
        return _validation_errors(intake.refusals, lone=reading.lone)
    sent = [tree["event"]] if reading.lone else tree["events"]
    events = [_as_lago(item, event, delivery.now) for item, event in zip(sent, reading.events, strict=True)]
    return json_answer({"event": events[0]} if reading.lone else {"events": events})


def _as_lago(sent: dict[str, Any], event: NewEvent, now: datetime) -> dict[str, Any]:
    """What was sent, as Lago reads it back. Ids of Lago's own rows there are none."""
    return {
        "lago_id": None,
        "transaction_id": sent["transaction_id"],
        "lago_customer_id": None,
        "code": sent["code"],
        "timestamp": render_time(event.occurred_at),
        "precise_total_amount_cents": _as_text(sent.get(lago.AMOUNT)),
        "properties": plain_values(sent.get("properties") or {}),
        "lago_subscription_id": None,
        "external_subscription_id": sent.get("external_subscription_id", event.customer),
        "created_at": render_time(now),
    }


def _as_text(amount: Any) -> str | None:
    return None if amount is None else str(plain_values(amount))


def _validation_errors(refusals: list[Refusal], *, lone: bool) -> HttpResponse:
    """Lago's 422: reasons by field; in a batch, by place and field."""
    details = {str(refused.index): _by_field(refused.errors) for refused in refusals}
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    body = {
        "status": int(status),
        "error": "Unprocessable Entity",
        "code": "validation_errors",
        "error_details": details["0"] if lone else details,
    }
    return HttpResponse(json.dumps(body), status=int(status), content_type="application/json")


# The codes that Lago's clients know; where it has none, ours.
_LAGO_CODES = {"required": "value_is_mandatory", "conflict": "value_already_exist"}


def _by_field(errors: tuple[FieldError, ...]) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for error in errors:
        name = error.field.rpartition("].")[2] or "event"
        name = lago.FIELDS.get(name, name)
        reasons.setdefault(name, []).append(_LAGO_CODES.get(error.code, error.detail))
    return reasons
