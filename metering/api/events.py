"""``/v1/events``: events come in, and are listed."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core.http.queries import query_of
from core.http.views import ApiView, credential_of
from core.problems import Invalid
from metering.api import events_schema as schema
from metering.api.doors import json_answer, media_type, receive, refusal
from metering.deliveries import Delivery
from metering.dry_run import receipts_of
from metering.formats import cloudevents, native
from metering.intake import customer_key_of, problem_of, take_in
from metering.queries import events_page, read_event_filter
from metering.reading import Reading


class EventsView(ApiView):
    """Events of one customer, newest first.

    And the door for new ones, which goes past the framework for speed.
    """

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "POST":
            return receive(request, answer_events, door=_door(request), rehearses=True)
        return super().dispatch(request, *args, **kwargs)

    @extend_schema(
        operation_id="list_events",
        parameters=[OpenApiParameter(name, str, description=text) for name, text in schema.FILTERS.items()],
        responses=schema.PAGE,
    )
    def get(self, request: Request) -> Response:
        """The events of a customer, newest first."""
        query = query_of(request)
        wanted, page = read_event_filter(query, credential_of(request))
        query.done()
        return Response(events_page(wanted, page))

    @extend_schema(
        operation_id="send_events",
        parameters=[OpenApiParameter("dry_run", bool, description="Answer receipts and store nothing.")],
        request=schema.BODIES,
        responses=schema.ANSWERS,
    )
    def post(self, request: Request) -> Response:
        """Take in one event or a batch. The answer is given once everything accepted is committed."""
        raise NotImplementedError("POST is answered in dispatch().")


def answer_events(request: HttpRequest, body: bytes, delivery: Delivery) -> HttpResponse:
    """Read the events by the body's type, store them, and say what became of them."""
    delivery.rehearsal = _wants_dry_run(request)
    reading = _read(request, body, customer_key_of(delivery.credential), delivery.now)
    if delivery.rehearsal and reading.events:
        receipts = receipts_of(reading.events, for_operator=delivery.credential.is_operator)
        rejected = [refused.as_json() for refused in reading.refusals]
        return json_answer({"receipts": receipts} | ({"rejected": rejected} if rejected else {}))
    intake = take_in(reading, delivery)
    problem = problem_of(reading, intake)
    return refusal(problem) if problem else json_answer(intake.as_json())


def _read(request: HttpRequest, body: bytes, customer: str | None, now: datetime) -> Reading:
    kind = media_type(request)
    if kind == cloudevents.STRUCTURED:
        return cloudevents.read_structured(body, now=now, customer=customer)
    if kind == cloudevents.BATCH:
        return cloudevents.read_batch(body, now=now, customer=customer)
    if "ce-specversion" in request.headers:
        return cloudevents.read_binary(request.headers, body, now=now, customer=customer)
    return native.read_body(body, kind, now=now, customer=customer)


def _door(request: HttpRequest) -> str:
    told = media_type(request) in (cloudevents.STRUCTURED, cloudevents.BATCH)
    return cloudevents.DOOR if told or "ce-specversion" in request.headers else native.DOOR


def _wants_dry_run(request: HttpRequest) -> bool:
    if not request.META.get("QUERY_STRING"):
        return False
    unknown = sorted(request.GET.keys() - {"dry_run"})
    if unknown:
        raise Invalid.one(unknown[0], "unknown_field", "Only `dry_run` is read from the address.")
    value = request.GET["dry_run"]
    if len(request.GET.getlist("dry_run")) > 1:
        raise Invalid.one("dry_run", "repeated", "It stands twice in the address; write it once.")
    if value not in {"true", "false"}:
        raise Invalid.one("dry_run", "boolean", "Write true or false.")
    return value == "true"
