"""``/v1/backfills``: past usage from a file, looked at before it counts, and taken back if it was wrong."""

from collections.abc import Callable, Iterator
from uuid import UUID

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.backfills_schema import (
    BackfillInFullSchema,
    BackfillRowSchema,
    BackfillSchema,
    BackfillStepSchema,
    CloseBackfillSchema,
    NewBackfillSchema,
)
from billing.api.reading import nothing_to_read
from billing.backfills.jobs import (
    NewBackfill,
    check_backfill,
    close_backfill,
    create_backfill,
    discard_backfill,
    revert_backfill,
)
from billing.backfills.rejected import NOT_TAKEN, rejected_csv
from billing.backfills.summary import PREFIX, backfill_json, in_full, row_json, step_json
from billing.reading import customer_named
from core import limits
from core.clock import now
from core.fields import Fields
from core.http.bodies import read_pieces
from core.http.once import answer_once
from core.http.pagination import page_of, page_request
from core.http.queries import query_of
from core.http.schema import IDEMPOTENCY_KEY, PAGE_PARAMETERS, page_schema, refusals
from core.http.views import ApiView, credential_of
from core.idempotency import Answer
from core.ids import parse_public_id
from core.problems import NotFound
from metering.backfills.columns import read_how
from metering.backfills.file import keep_part, keep_whole
from metering.models import Backfill, BackfillRow, BackfillStep

EXAMPLE = OpenApiExample(
    "a lost day of one customer",
    {
        "customer": "acme",
        "note": "the queue of 3 November",
        "mapping": {"call": "id", "tokens in": "usage.input", "tokens out": "usage.output"},
        "timezone": "Europe/Berlin",
        "defaults": {"type": "llm.call", "provider": "openai"},
    },
    request_only=True,
)
OUTCOME = OpenApiParameter(
    "outcome", str, enum=BackfillRow.Outcome.values, description="rejected and conflict if absent"
)
FILE = {"application/octet-stream": OpenApiTypes.BINARY, "text/csv": OpenApiTypes.BINARY}


class BackfillsView(ApiView):
    operator_methods = frozenset({"GET", "POST"})

    @extend_schema(
        tags=["backfills"],
        summary="List backfills, newest first",
        operation_id="listBackfills",
        parameters=PAGE_PARAMETERS,
        responses={200: page_schema("BackfillPage", BackfillSchema), **refusals(422)},
    )
    def get(self, request: Request) -> Response:
        query = query_of(request)
        page = page_request(query)
        query.done()
        rows = Backfill.objects.select_related("customer")
        return Response(page_of(rows, page, order=("-id",), render=backfill_json))

    @extend_schema(
        tags=["backfills"],
        summary="Create a backfill",
        description="It waits for its file, CSV or Parquet. Nothing counts before it is closed.",
        operation_id="createBackfill",
        parameters=[IDEMPOTENCY_KEY],
        request=NewBackfillSchema,
        responses={201: BackfillInFullSchema, **refusals(409, 413, 415, 422)},
        examples=[EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        query_of(request).done()
        at, credential = now(), credential_of(request)
        fields = Fields(request.data)
        key = fields.id("customer", "")
        note = fields.text("note", most=limits.REASON_CHARACTERS_MAX, default="")
        how = read_how(fields)
        fields.done()
        customer = customer_named(key, credential) if key else None
        new = NewBackfill(how, customer, note, by=credential.by)

        def act() -> Answer:
            return Answer(201, in_full(create_backfill(new, now=at)))

        return answer_once(request, act, now=at)


class BackfillView(ApiView):
    operator_methods = frozenset({"GET"})

    @extend_schema(
        tags=["backfills"],
        summary="Read a backfill: its progress, its rows, what they would change",
        operation_id="getBackfill",
        responses={200: BackfillInFullSchema, **refusals(404, 422)},
    )
    def get(self, request: Request, id: str) -> Response:
        query_of(request).done()
        return Response(in_full(_named(id)))


class FileView(ApiView):
    operator_methods = frozenset({"PUT"})

    @extend_schema(
        tags=["backfills"],
        summary="Send the whole file",
        description=(
            f"CSV in UTF-8, plain or gzip, or Parquet; at most {limits.BACKFILL_FILE_BYTES_MAX:,} bytes as sent. It is "
            "checked in the background: read the backfill until its state is `ready`."
        ),
        operation_id="putBackfillFile",
        request=FILE,
        responses={200: BackfillInFullSchema, **refusals(400, 404, 409, 413, 422)},
    )
    def put(self, request: Request, id: str) -> Response:
        query_of(request).done()
        row = _named(id)
        keep_whole(row.id, _pieces(request))
        return Response(in_full(check_backfill(row.id, now=now())))


class PartView(ApiView):
    operator_methods = frozenset({"PUT"})

    @extend_schema(
        tags=["backfills"],
        summary="Send one part of the file",
        description="Parts are numbered from 1 and put together in order. A part sent again takes the earlier one's place. "
        "`check` says that all have come.",
        operation_id="putBackfillPart",
        request=FILE,
        responses={200: BackfillInFullSchema, **refusals(400, 404, 409, 413, 422)},
    )
    def put(self, request: Request, id: str, number: int) -> Response:
        query_of(request).done()
        row = _named(id)
        keep_part(row.id, number, _pieces(request))
        return Response(in_full(_named(id)))


class CheckView(ApiView):
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["backfills"],
        summary="Check a file that came in parts",
        operation_id="checkBackfill",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses={200: BackfillInFullSchema, **refusals(404, 409, 413, 415, 422)},
    )
    def post(self, request: Request, id: str) -> Response:
        at = now()
        return _act(request, id, lambda row_id: check_backfill(row_id, now=at))


class CloseView(ApiView):
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["backfills"],
        summary="Close a backfill: its new rows count",
        description="In the background, batch by batch. 409 `periods_finalized` where rows lie in invoiced periods, with "
        "these periods; `finalized` then says to correct them on the next invoice, or to skip the rows.",
        operation_id="closeBackfill",
        parameters=[IDEMPOTENCY_KEY],
        request=CloseBackfillSchema,
        responses={200: BackfillInFullSchema, **refusals(404, 409, 413, 415, 422)},
    )
    def post(self, request: Request, id: str) -> Response:
        query_of(request).done()
        at, by = now(), credential_of(request).by
        fields = Fields(request.data)
        finalized = fields.choice("finalized", Backfill.Finalized.values, Backfill.Finalized.REFUSE)
        fields.done()
        row = _named(id)
        return answer_once(
            request,
            lambda: Answer(200, in_full(close_backfill(row.id, finalized=finalized, by=by, now=at))),
            now=at,
        )


class RevertView(ApiView):
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["backfills"],
        summary="Revert a backfill: every event that it brought is taken back",
        description="Usage, credits and charges are what they would be without it. An invoice that was finalized meanwhile "
        "stays; the difference is a line on the next one.",
        operation_id="revertBackfill",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses={200: BackfillInFullSchema, **refusals(404, 409, 413, 415, 422)},
    )
    def post(self, request: Request, id: str) -> Response:
        at, by = now(), credential_of(request).by
        return _act(request, id, lambda row_id: revert_backfill(row_id, by=by, now=at))


class DiscardView(ApiView):
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["backfills"],
        summary="Discard a backfill that has not been closed",
        operation_id="discardBackfill",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses={200: BackfillInFullSchema, **refusals(404, 409, 413, 415, 422)},
    )
    def post(self, request: Request, id: str) -> Response:
        return _act(request, id, discard_backfill)


class BackfillCustomersView(ApiView):
    operator_methods = frozenset({"GET"})

    @extend_schema(
        tags=["backfills"],
        summary="Read what a backfill changes, customer by customer",
        operation_id="listBackfillCustomers",
        parameters=PAGE_PARAMETERS,
        responses={200: page_schema("BackfillCustomerPage", BackfillStepSchema), **refusals(404, 422)},
    )
    def get(self, request: Request, id: str) -> Response:
        query = query_of(request)
        page = page_request(query)
        query.done()
        rows = BackfillStep.objects.filter(backfill=_named(id)).select_related("customer")
        return Response(page_of(rows, page, order=("customer_id",), render=step_json))


class BackfillRowsView(ApiView):
    operator_methods = frozenset({"GET"})

    @extend_schema(
        tags=["backfills"],
        summary="List the rows that are not taken, and why",
        operation_id="listBackfillRows",
        parameters=[*PAGE_PARAMETERS, OUTCOME],
        responses={200: page_schema("BackfillRowPage", BackfillRowSchema), **refusals(404, 422)},
    )
    def get(self, request: Request, id: str) -> Response:
        query = query_of(request)
        page = page_request(query)
        outcome = query.choice("outcome", BackfillRow.Outcome.values, "")
        query.done()
        rows = BackfillRow.objects.filter(
            backfill=_named(id), outcome__in=[outcome] if outcome else list(NOT_TAKEN)
        )
        return Response(page_of(rows, page, order=("n",), render=row_json))


class RejectedFileView(ApiView):
    operator_methods = frozenset({"GET"})

    @extend_schema(
        tags=["backfills"],
        summary="Download the rows that are not taken, with the reasons, as CSV",
        operation_id="getBackfillRejectedCsv",
        responses={(200, "text/csv"): OpenApiTypes.STR, **refusals(404, 422)},
    )
    def get(self, request: Request, id: str) -> HttpResponseBase:
        query_of(request).done()
        return rejected_csv(_named(id))


def _act(request: Request, id: str, act: Callable[[UUID], Backfill]) -> Response:
    query_of(request).done()
    nothing_to_read(request)
    row = _named(id)
    return answer_once(request, lambda: Answer(200, in_full(act(row.id))), now=now())


def _pieces(request: Request) -> Iterator[bytes]:
    return read_pieces(request._request, most=limits.BACKFILL_FILE_BYTES_MAX)


def _named(id: str) -> Backfill:
    row = Backfill.objects.select_related("customer").filter(id=parse_public_id(PREFIX, id)).first()
    if row is None:
        raise NotFound("There is no such backfill.")
    return row
