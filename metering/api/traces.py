"""``/v1/traces``: an OTLP/HTTP receiver, as the protocol's specification asks of one."""

import json
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from rest_framework.request import Request
from rest_framework.response import Response

from core import limits
from core.http.handler import UnsupportedMediaType
from core.http.views import ApiView
from core.problems import TooLarge
from metering.api import telemetry_schema as schema
from metering.api.doors import media_type, receive
from metering.deliveries import Delivery
from metering.formats import genai_spans, otlp
from metering.intake import Intake, customer_key_of, take_in

log = structlog.get_logger(__name__)
READERS = {otlp.PROTOBUF: otlp.read_protobuf, otlp.JSON: otlp.read_json}
# An exporter drops what is answered 4xx, and tries again after these alone.
UNREADABLE = 422


class TracesView(ApiView):
    """The address that OpenTelemetry's exporters and Collectors post spans to."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "POST":
            return receive(
                request,
                answer_spans,
                door=genai_spans.DOOR,
                most=limits.TELEMETRY_BYTES_MAX,
                refuse=as_status,
            )
        return super().dispatch(request, *args, **kwargs)

    @extend_schema(operation_id="send_traces", request=schema.TRACES_BODIES, responses=schema.TRACES_ANSWERS)
    def post(self, request: Request) -> Response:
        """Take in the GenAI spans of a trace export; spans of other work are accepted and passed over."""
        raise NotImplementedError("POST is answered in dispatch().")


def answer_spans(request: HttpRequest, body: bytes, delivery: Delivery) -> HttpResponse:
    """Store the calls that the spans tell of; what cannot be stored is named in ``partial_success``."""
    read = READERS.get(media_type(request))
    if read is None:
        raise UnsupportedMediaType(f"Send {otlp.PROTOBUF} or {otlp.JSON}.")
    spans = read(body, genai_spans.is_wanted)
    reading = genai_spans.read_spans(spans, now=delivery.now, customer=customer_key_of(delivery.credential))
    if len(reading.events) > limits.TELEMETRY_EVENTS_MAX:
        raise TooLarge(f"An export holds at most {limits.TELEMETRY_EVENTS_MAX:,} calls; send it in parts.")
    return _rendered(request, _response(take_in(reading, delivery)), 200)


def as_status(request: HttpRequest, problem: HttpResponse) -> HttpResponse:
    """The refusal as the protocol has it: a ``Status`` with its message, in the type that was sent."""
    told = json.loads(problem.content)
    answer = _rendered(
        request,
        Status(message=told["detail"]),
        400 if problem.status_code == UNREADABLE else problem.status_code,
    )
    for name in ("Retry-After", "WWW-Authenticate"):
        if name in problem:
            answer[name] = problem[name]
    return answer


def _response(intake: Intake) -> ExportTraceServiceResponse:
    response = ExportTraceServiceResponse()
    if intake.refusals:
        count, first = len(intake.refusals), intake.refusals[0].detail
        log.warning("spans_refused", count=count, first=first)
        response.partial_success.rejected_spans = count
        response.partial_success.error_message = first if count == 1 else f"{first} And {count - 1} more."
    return response


def _rendered(request: HttpRequest, message: Message, status: int) -> HttpResponse:
    if media_type(request) == otlp.PROTOBUF:
        return HttpResponse(message.SerializeToString(), status=status, content_type=otlp.PROTOBUF)
    text = MessageToJson(message, indent=None)
    return HttpResponse(text, status=status, content_type=otlp.JSON)
