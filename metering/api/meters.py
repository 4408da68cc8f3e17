from typing import Any

from django.db.models import Q
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core.clock import now
from core.http.once import answer_once
from core.http.pagination import page_of, page_request
from core.http.queries import query_of
from core.http.schema import IDEMPOTENCY_KEY, PAGE_PARAMETERS, SEARCH, page_schema, refusals
from core.http.views import ApiView
from core.idempotency import Answer
from core.times import render_time
from metering.api.meters_schema import MeterSchema, NewMeterSchema
from metering.meters import create_meter, meter_by_key, read_meter
from metering.models import Meter

EXAMPLE = OpenApiExample(
    "output tokens of one model",
    {
        "key": "output_tokens",
        "event_type": "llm.call",
        "aggregation": "sum",
        "value": "usage.output",
        "filter": {"model": ["claude-opus-4-5"]},
        "group_by": ["model"],
    },
    request_only=True,
)


def meter_json(meter: Meter) -> dict[str, Any]:
    """The meter as the API shows it."""
    return {
        "key": meter.key,
        "name": meter.name,
        "unit": meter.unit,
        "event_type": meter.event_type,
        "aggregation": meter.aggregation,
        "value": meter.value or None,
        "filter": meter.filter,
        "group_by": meter.group_by,
        "created_at": render_time(meter.created_at),
        "archived_at": None if meter.archived_at is None else render_time(meter.archived_at),
    }


class MetersView(ApiView):
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["catalogue"],
        summary="List meters",
        operation_id="listMeters",
        parameters=[*PAGE_PARAMETERS, SEARCH],
        responses={200: page_schema("MeterPage", MeterSchema), **refusals(422)},
    )
    def get(self, request: Request) -> Response:
        query = query_of(request)
        page, words = page_request(query), query.search()
        query.done()
        rows = Meter.objects.all()
        if words:
            rows = rows.filter(Q(key__icontains=words) | Q(name__icontains=words))
        return Response(page_of(rows, page, order=("key",), render=meter_json))

    @extend_schema(
        tags=["catalogue"],
        summary="Create a meter",
        description="A meter never changes once made, so no past quantity does: a new rule is a new meter.",
        operation_id="createMeter",
        parameters=[IDEMPOTENCY_KEY],
        request=NewMeterSchema,
        responses={201: MeterSchema, **refusals(409, 413, 415, 422)},
        examples=[EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        query_of(request).done()
        terms = read_meter(request.data)
        at = now()
        return answer_once(request, lambda: Answer(201, meter_json(create_meter(terms, now=at))), now=at)


class MeterView(ApiView):
    @extend_schema(
        tags=["catalogue"],
        summary="Read a meter",
        operation_id="getMeter",
        responses={200: MeterSchema, **refusals(404, 422)},
    )
    def get(self, request: Request, key: str) -> Response:
        query_of(request).done()
        return Response(meter_json(meter_by_key(key)))
