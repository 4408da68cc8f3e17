"""``/v1/value-events``: outcomes that customers value, and what the work that led to them cost."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.reading import customer_asked_for, nothing_to_read
from billing.api.usage import CUSTOMER, SPAN
from billing.api.value_events_schema import NewValueEventSchema, ValueEventSchema, ValueReportSchema
from billing.attribution.patience import TooBroad
from billing.attribution.question import read_paths
from billing.attribution.span import read_span
from billing.attribution.usage import removed_before
from billing.attribution.value import ValueQuestion, ValueReport, ValueRow, value_report
from billing.attribution.value_events import (
    archive_value_event,
    create_value_event,
    read_value_event,
    value_event_by_key,
)
from billing.models import ValueEvent
from core import limits
from core.clock import now
from core.http.once import answer_once
from core.http.pagination import page_of, page_request
from core.http.queries import query_of
from core.http.schema import IDEMPOTENCY_KEY, PAGE_PARAMETERS, page_schema, refusals
from core.http.views import ApiView, credential_of
from core.idempotency import Answer
from core.money import plain, shown
from core.times import render_time
from metering.event_columns import TOKEN_KIND

EXAMPLE = OpenApiExample(
    "tickets that an agent resolved",
    {
        "key": "tickets",
        "name": "Tickets resolved",
        "event_type": "ticket.resolved",
        "links": ["run", "session"],
        "window_days": 7,
        "reversed_by": "ticket.reopened",
        "reversal_days": 14,
    },
    request_only=True,
)
GROUP_BY = OpenApiParameter(
    "group_by", str, description="up to three paths with commas: feature, customer, week, properties.channel"
)


def value_event_json(row: ValueEvent) -> dict[str, Any]:
    """The value event as the API shows it."""
    return {
        "key": row.key,
        "name": row.name,
        "event_type": row.event_type,
        "filter": row.filter,
        "links": row.links,
        "window_days": row.window_days,
        "reversed_by": row.reversed_by or None,
        "reversal_days": row.reversal_days,
        "created_at": render_time(row.created_at),
        "archived_at": None if row.archived_at is None else render_time(row.archived_at),
    }


def report_json(question: ValueQuestion, report: ValueReport, asked_for: tuple[str, ...]) -> dict[str, Any]:
    """The report as the API shows it; amounts are provider costs in USD."""
    mark = removed_before(question.customer, question.span)
    return {
        "value_event": question.value_event.key,
        "from": question.span.first,
        "to": question.span.last,
        "kept_since": None if mark is None else render_time(mark),
        "group_by": list(asked_for),
        "results": [
            {"group": {path: name or None for path, name in zip(asked_for, row.names, strict=True)}}
            | _row_json(row)
            for row in report.rows
        ],
        "total": _row_json(report.total)
        | {"spent": plain(report.spent), "earlier": plain(report.earlier), "later": plain(report.later)},
    }


def _row_json(row: ValueRow) -> dict[str, Any]:
    return {
        "outcomes": row.outcomes,
        "cost": plain(row.cost),
        "cost_each": None if row.cost_each is None else shown(row.cost_each),
        "calls": row.calls,
        "reversed": row.reversed,
        "reversed_cost": plain(row.reversed_cost),
        "unattributed": plain(row.unattributed),
        "unattributed_calls": row.unattributed_calls,
        "all_in_each": None if row.all_in_each is None else shown(row.all_in_each),
    }


class ValueEventsView(ApiView):
    operator_methods = frozenset({"GET", "POST"})

    @extend_schema(
        tags=["attribution"],
        summary="List value events",
        operation_id="listValueEvents",
        parameters=PAGE_PARAMETERS,
        responses={200: page_schema("ValueEventPage", ValueEventSchema), **refusals(422)},
    )
    def get(self, request: Request) -> Response:
        query = query_of(request)
        page = page_request(query)
        query.done()
        return Response(page_of(ValueEvent.objects.all(), page, order=("key",), render=value_event_json))

    @extend_schema(
        tags=["attribution"],
        summary="Say which events are outcomes",
        description="A value event never changes once made: a new rule is a new one, and the old one is archived.",
        operation_id="createValueEvent",
        parameters=[IDEMPOTENCY_KEY],
        request=NewValueEventSchema,
        responses={201: ValueEventSchema, **refusals(409, 413, 415, 422)},
        examples=[EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        query_of(request).done()
        terms = read_value_event(request.data)
        at = now()
        return answer_once(
            request, lambda: Answer(201, value_event_json(create_value_event(terms, now=at))), now=at
        )


class ValueEventView(ApiView):
    operator_methods = frozenset({"GET"})

    @extend_schema(
        tags=["attribution"],
        summary="Read a value event",
        operation_id="getValueEvent",
        responses={200: ValueEventSchema, **refusals(404, 422)},
    )
    def get(self, request: Request, key: str) -> Response:
        query_of(request).done()
        return Response(value_event_json(value_event_by_key(key)))


class ArchiveValueEventView(ApiView):
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["attribution"],
        summary="Take a value event off the pages",
        operation_id="archiveValueEvent",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses={200: ValueEventSchema, **refusals(404, 409, 413, 415, 422)},
    )
    def post(self, request: Request, key: str) -> Response:
        query_of(request).done()
        nothing_to_read(request)
        at = now()
        return answer_once(
            request, lambda: Answer(200, value_event_json(archive_value_event(key, now=at))), now=at
        )


class ValueReportView(ApiView):
    operator_methods = frozenset({"GET"})

    @extend_schema(
        tags=["attribution"],
        summary="What outcomes took",
        description=(
            "`cost` is that of the work before the outcomes that stand, `reversed_cost` before those taken back, "
            "`unattributed` of work in the span that no outcome follows. Of the total, `spent` = `cost` + `reversed_cost` "
            "− `earlier` + `later` + `unattributed`."
        ),
        operation_id="getValueReport",
        parameters=[CUSTOMER, *SPAN, GROUP_BY],
        responses={200: ValueReportSchema, **refusals(404, 422)},
    )
    def get(self, request: Request, key: str) -> Response:
        query, credential = query_of(request), credential_of(request)
        found = value_event_by_key(key)
        customer = customer_asked_for(query, credential)
        span = read_span(query, customer, now())
        asked_for, group_by = read_paths(query)
        if TOKEN_KIND in group_by:
            query.refuse("group_by", "path", "Outcomes are not told by token kind.")
        query.done()
        question = ValueQuestion(found, customer, span, group_by)
        report = value_report(question)
        if len(report.rows) > limits.USAGE_ROWS_MAX:
            raise TooBroad(f"It has more than {limits.USAGE_ROWS_MAX:,} rows; group by less.")
        return Response(report_json(question, report, asked_for))
