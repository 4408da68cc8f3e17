"""``/v1/events/rejected`` and ``/v1/events/unmatched``: what could not be stored, and the ways on. For operators alone."""

from typing import Any

import msgspec
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core import limits
from core.clock import now
from core.fields import Fields
from core.http.once import answer_once
from core.http.pagination import page_of, page_request
from core.http.queries import Query, query_of
from core.http.schema import IDEMPOTENCY_KEY, PAGE_PARAMETERS, page_schema, refusals
from core.http.views import ApiView, credential_of
from core.idempotency import Answer
from core.ids import parse_public_id, public_id
from core.problems import Invalid
from core.times import render_time
from customers.models import Customer
from metering.api import rejected_schema as schema
from metering.events import take_in_for
from metering.models import RejectedEvent, UnmatchedEvent
from metering.outcomes import Outcome
from metering.replays import discard, rejection, replay
from metering.unmatched import discard_unmatched, waiting_events

PREFIX = "rej"
STATES = ("open", "settled", "all")
READS_AND_WRITES = frozenset({"GET", "POST"})
_encode = msgspec.json.Encoder(decimal_format="number").encode


class RejectedEventsView(ApiView):
    operator_methods = READS_AND_WRITES

    @extend_schema(
        tags=["events"],
        summary="List refused events",
        description="What the doors refused, the latest first. Prompts and answers are never kept.",
        operation_id="listRejectedEvents",
        parameters=[
            *PAGE_PARAMETERS,
            OpenApiParameter("id", str, description="only refusals of the event with this id"),
            OpenApiParameter("customer", str, description="only events that name this customer"),
            OpenApiParameter("door", str, description="only what came by this door"),
            OpenApiParameter("code", str, description="only what was refused for this"),
            OpenApiParameter("state", str, enum=STATES, description="open if absent"),
        ],
        responses={200: page_schema("RejectedEventPage", schema.RejectedEventSchema), **refusals(422)},
    )
    def get(self, request: Request) -> Response:
        query = query_of(request)
        page, rows = page_request(query), _refused(query)
        query.done()
        return Response(page_of(rows, page, order=("-latest_at", "-id"), render=_rejected_json))


class ReplayView(ApiView):
    operator_methods = READS_AND_WRITES

    @extend_schema(
        tags=["events"],
        summary="Send a refused event again",
        description="As it came, or as `event` says, by the door it came through. It counts once, however often it is sent.",
        operation_id="replayRejectedEvent",
        parameters=[IDEMPOTENCY_KEY],
        request=schema.NewReplaySchema,
        responses={200: schema.ReplayedSchema, **refusals(404, 409, 413, 415, 422)},
    )
    def post(self, request: Request, id: str) -> Response:
        query_of(request).done()
        fields = Fields(request.data)
        event = fields.raw("event")
        if event is not None and not isinstance(event, dict):
            fields.refuse("event", "object", "Write the event as an object.")
        fields.done()
        row = rejection(parse_public_id(PREFIX, id))
        body, at, by = None if event is None else _encode(event), now(), credential_of(request).by

        def act() -> Answer:
            done = replay(row, by=by, now=at, body=body)
            errors = [error.as_json() for error in done.errors]
            told = {"outcome": done.outcome, "detail": done.detail, "errors": errors, "settled": done.settled}
            return Answer(200, told)

        return answer_once(request, act, now=at, customer_id=row.customer_id)


class DiscardView(ApiView):
    operator_methods = READS_AND_WRITES

    @extend_schema(
        tags=["events"],
        summary="Give a refused event up",
        operation_id="discardRejectedEvent",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses={200: schema.DiscardedSchema, **refusals(404, 409, 413, 415, 422)},
    )
    def post(self, request: Request, id: str) -> Response:
        query_of(request).done()
        Fields(request.data or {}).done()
        row = rejection(parse_public_id(PREFIX, id))
        at, by = now(), credential_of(request).by

        def act() -> Answer:
            return Answer(200, {"discarded": discard([row], by=by, now=at)})

        return answer_once(request, act, now=at, customer_id=row.customer_id)


class UnmatchedEventsView(ApiView):
    operator_methods = READS_AND_WRITES

    @extend_schema(
        tags=["events"],
        summary="List events of unknown customers",
        operation_id="listUnmatchedEvents",
        parameters=[
            *PAGE_PARAMETERS,
            OpenApiParameter("customer", str, description="only of this unknown key"),
        ],
        responses={200: page_schema("UnmatchedEventPage", schema.UnmatchedEventSchema), **refusals(422)},
    )
    def get(self, request: Request) -> Response:
        query = query_of(request)
        page, key = page_request(query), query.id("customer", "")
        query.done()
        order = ("-recorded_at", "-customer_key", "-event_id", "-source")
        return Response(page_of(waiting_events(key or None), page, order=order, render=_unmatched_json))


class TakeInView(ApiView):
    operator_methods = READS_AND_WRITES

    @extend_schema(
        tags=["events"],
        summary="Take unmatched events in for a customer",
        description="What waits under the unknown key is stored as the customer's. Events that come later wait again.",
        operation_id="takeInUnmatchedEvents",
        parameters=[IDEMPOTENCY_KEY],
        request=schema.TakeInSchema,
        responses={200: schema.TakenInSchema, **refusals(413, 415, 422)},
    )
    def post(self, request: Request) -> Response:
        query_of(request).done()
        fields = Fields(request.data)
        key, named = fields.id("key"), fields.id("customer")
        fields.done()
        customer = Customer.objects.filter(key=named).first()
        if customer is None:
            raise Invalid.one(
                "customer", "unknown_customer", f"There is no customer with the key {named[:80]!r}."
            )
        at, by, owner = now(), credential_of(request).by, customer

        def act() -> Answer:
            ends = take_in_for(key, owner, by=by, now=at, most=limits.UNMATCHED_AT_ONCE_MAX)
            told = {
                "accepted": ends[Outcome.ACCEPTED],
                "duplicates": ends[Outcome.DUPLICATE],
                "conflicts": ends[Outcome.CONFLICT],
                "left": waiting_events(key).filter(assigned_id=owner.id).count(),
            }
            return Answer(200, told)

        return answer_once(request, act, now=at, customer_id=customer.id)


class DiscardUnmatchedView(ApiView):
    operator_methods = READS_AND_WRITES

    @extend_schema(
        tags=["events"],
        summary="Give unmatched events up",
        operation_id="discardUnmatchedEvents",
        parameters=[IDEMPOTENCY_KEY],
        request=schema.KeySchema,
        responses={200: schema.DiscardedSchema, **refusals(413, 415, 422)},
    )
    def post(self, request: Request) -> Response:
        query_of(request).done()
        fields = Fields(request.data)
        key = fields.id("key")
        fields.done()
        at, by = now(), credential_of(request).by

        def act() -> Answer:
            return Answer(200, {"discarded": discard_unmatched(key, by=by, now=at)})

        return answer_once(request, act, now=at)


def _refused(query: Query) -> QuerySet[RejectedEvent]:
    rows = RejectedEvent.objects.all()
    state = query.choice("state", STATES, "open")
    if state != "all":
        rows = rows.filter(closed_at__isnull=state == "open")
    asked = {
        "event_id": query.id("id", ""),
        "customer_key": query.id("customer", ""),
        "door": query.text("door", most=20, default=""),
        "code": query.text("code", most=60, default=""),
    }
    return rows.filter(**{name: value for name, value in asked.items() if value})


def _rejected_json(row: RejectedEvent) -> dict[str, Any]:
    return {
        "id": public_id(PREFIX, row.id),
        "event": row.event_id or None,
        "source": row.source or None,
        "customer": row.customer_key or None,
        "door": row.door,
        "code": row.code,
        "field": row.field or None,
        "detail": row.detail,
        "errors": row.errors,
        "received": row.received,
        "times_seen": row.times_seen,
        "recorded_at": render_time(row.recorded_at),
        "latest_at": render_time(row.latest_at),
        "state": "open" if row.closed_at is None else "settled",
        "outcome": row.outcome or None,
        "closed_by": row.closed_by or None,
    }


def _unmatched_json(row: UnmatchedEvent) -> dict[str, Any]:
    return {
        "id": row.event_id,
        "source": row.source,
        "customer": row.customer_key,
        "type": row.received["type"],
        "door": row.door,
        "recorded_at": render_time(row.recorded_at),
    }
