"""``/v1/litellm``: what LiteLLM's gateway logs of its calls."""

from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core import limits
from core.http.views import ApiView
from metering.api import telemetry_schema as schema
from metering.api.doors import json_answer, media_type, receive, refusal
from metering.deliveries import Delivery
from metering.formats import litellm
from metering.intake import customer_key_of, problem_of, take_in

log = structlog.get_logger(__name__)


class LiteLLMView(ApiView):
    """The address that LiteLLM's ``generic_api`` callback posts to."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "POST":
            return receive(request, answer_payloads, door=litellm.DOOR, most=limits.TELEMETRY_BYTES_MAX)
        return super().dispatch(request, *args, **kwargs)

    @extend_schema(
        operation_id="send_litellm_payloads", request=schema.LITELLM_BODIES, responses=schema.LITELLM_ANSWERS
    )
    def post(self, request: Request) -> Response:
        """Take in LiteLLM's logging payloads: an array, one a line, or one."""
        raise NotImplementedError("POST is answered in dispatch().")


def answer_payloads(request: HttpRequest, body: bytes, delivery: Delivery) -> HttpResponse:
    """Store the calls that the payloads tell of, and say what became of each."""
    bound = customer_key_of(delivery.credential)
    reading = litellm.read_body(body, media_type(request), now=delivery.now, customer=bound)
    intake = take_in(reading, delivery)
    if intake.refusals:
        # LiteLLM neither reads the answer nor sends again: whoever reads this log is the only one to know.
        log.warning("litellm_calls_refused", count=len(intake.refusals), first=intake.refusals[0].detail)
    problem = problem_of(reading, intake)
    return refusal(problem) if problem else json_answer(intake.as_json())
