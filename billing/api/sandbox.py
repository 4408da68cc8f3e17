"""``/v1/sandbox/clock``: time moved by hand, only where the installation is a sandbox."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.clock import now
from core.fields import Fields
from core.http.queries import query_of
from core.http.schema import refusals
from core.http.views import ApiView
from core.problems import NotFound
from core.sandbox import advance_clock
from core.times import render_time


class ClockSchema(serializers.Serializer[Any]):
    now = serializers.DateTimeField()

    class Meta:
        ref_name = "SandboxClock"


class MovedClockSchema(ClockSchema):
    outcomes = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="pieces of work that fell due: done, again, failed, parked",
    )

    class Meta:
        ref_name = "MovedSandboxClock"


class ClockView(ApiView):
    operator_methods = frozenset({"GET", "POST"})

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        super().initial(request, *args, **kwargs)
        if not settings.SANDBOX:
            raise NotFound("This is no sandbox: its clock is the real one.")

    @extend_schema(
        tags=["sandbox"],
        summary="Read the sandbox's clock",
        operation_id="getSandboxClock",
        responses={200: ClockSchema, **refusals(404, 422)},
    )
    def get(self, request: Request) -> Response:
        query_of(request).done()
        return Response({"now": render_time(now())})

    @extend_schema(
        tags=["sandbox"],
        summary="Move the sandbox's clock",
        description=(
            "Forward only; it runs on from there. Everything that falls due on the way is done at its own time, in order, "
            "before the answer."
        ),
        operation_id="moveSandboxClock",
        request=ClockSchema,
        responses={200: MovedClockSchema, **refusals(404, 409, 413, 415, 422)},
        examples=[OpenApiExample("a month on", {"now": "2027-02-01T00:00:00Z"}, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        query_of(request).done()
        fields = Fields(request.data)
        to = fields.time("now")
        fields.done()
        # No Idempotency-Key: the work it starts takes transactions of its own, and moving twice is refused anyway.
        outcomes = advance_clock(to)
        return Response({"now": render_time(to), "outcomes": dict(sorted(outcomes.items()))})
