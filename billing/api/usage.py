"""``/v1/usage``: what was used, by whatever events carry; and ``/v1/usage/properties``: what they carry."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.attribution_schema import PropertiesSchema, UsageSchema
from billing.api.reading import customer_asked_for
from billing.attribution.measures import MEASURES
from billing.attribution.properties import Properties, properties_in_use
from billing.attribution.question import FILTER_HELP, read_question
from billing.attribution.span import read_span
from billing.attribution.usage import UsageAnswer, UsageRow, usage_answer
from billing.rating import catch_up
from core.clock import now
from core.http.pagination import encode_cursor, page_request
from core.http.queries import query_of
from core.http.schema import PAGE_PARAMETERS, refusals
from core.http.views import ApiView, credential_of
from core.times import render_time

CUSTOMER = OpenApiParameter("customer", str, description="its key; every customer if absent")
SPAN = [
    OpenApiParameter(
        "from",
        str,
        description="a day of each customer's own zone, or a time; 30 days before `to` if absent",
    ),
    OpenApiParameter("to", str, description="exclusive; the end of today if absent"),
]
FILTER = OpenApiParameter("filter", str, description=FILTER_HELP)
GROUP_BY = OpenApiParameter(
    "group_by",
    str,
    description="up to three paths with commas: model, customer, run.id, token_kind, day, properties.team, feature, …",
)
MEASURE = OpenApiParameter(
    "measure",
    str,
    description=f"with commas, the first one sorts: {', '.join(MEASURES)}, usage.output and other buckets",
)
TOP = OpenApiParameter("top", int, description="only so many groups; the rest is added up in `other`")


def usage_json(answer: UsageAnswer) -> dict[str, Any]:
    """The answer as the API shows it."""
    question = answer.question
    return {
        "from": question.span.first,
        "to": question.span.last,
        "timezone": question.customer.timezone if question.customer is not None else None,
        "kept_since": None if answer.kept_since is None else render_time(answer.kept_since),
        "group_by": list(question.asked_for),
        "measures": [measure.name for measure in question.measures],
        "results": [_row_json(answer, row) for row in answer.rows],
        "other": [_row_json(answer, row) for row in answer.other],
        "total": _values(answer, None),
        "next": encode_cursor(answer.after) if answer.after else None,
    }


def _row_json(answer: UsageAnswer, row: UsageRow) -> dict[str, Any]:
    names = zip(answer.question.asked_for, row.names, strict=True)
    return {"group": {path: name or None for path, name in names}} | _values(answer, row)


def _values(answer: UsageAnswer, row: UsageRow | None) -> dict[str, Any]:
    sums = answer.total if row is None else row.sums
    currency = answer.currency_of(row)
    told: dict[str, Any] = {
        measure.name: None if answer.value(measure, row) is None else measure.shown(sums)
        for measure in answer.question.measures
    }
    if any(measure.money == "own" for measure in answer.question.measures):
        told["currency"] = currency or None
    return told


def properties_json(properties: Properties) -> dict[str, Any]:
    return {
        "looked_at": properties.looked_at,
        "complete": properties.complete,
        "properties": [
            {
                "path": item.path,
                "events": item.events,
                "values": [{"value": value.text, "events": value.events} for value in item.values],
            }
            for item in properties.found
        ],
    }


class UsageView(ApiView):
    @extend_schema(
        tags=["attribution"],
        summary="Use, grouped and filtered by whatever events carry",
        description=(
            "Cost, revenue and margin are for operators. Prices (`charges`, `revenue`, `margin`) are told where they are "
            "known to the last digit: by customer, type, model, feature and time."
        ),
        operation_id="getUsage",
        parameters=[CUSTOMER, *SPAN, GROUP_BY, FILTER, MEASURE, TOP, *PAGE_PARAMETERS],
        responses={200: UsageSchema, **refusals(404, 422)},
    )
    def get(self, request: Request) -> Response:
        at = now()
        query, credential = query_of(request), credential_of(request)
        customer = customer_asked_for(query, credential)
        question = read_question(query, customer=customer, for_operator=credential.is_operator, now=at)
        page = page_request(query)
        if question.top is not None and page.after:
            query.refuse("cursor", "not_used", "With `top` there is one page.")
        query.done()
        if customer is not None:
            catch_up(customer.id, at)
        return Response(usage_json(usage_answer(question, page)))


class PropertiesView(ApiView):
    @extend_schema(
        tags=["attribution"],
        summary="Names and values to group and filter by",
        description="Read off the newest events of the span, of the customers with most events where none is named; "
        "`complete` says whether these are all of it.",
        operation_id="listUsageProperties",
        parameters=[CUSTOMER, *SPAN],
        responses={200: PropertiesSchema, **refusals(404, 422)},
    )
    def get(self, request: Request) -> Response:
        query, credential = query_of(request), credential_of(request)
        customer = customer_asked_for(query, credential)
        span = read_span(query, customer, now())
        query.done()
        return Response(properties_json(properties_in_use(customer, span.start, span.end)))
