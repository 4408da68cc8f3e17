from collections import Counter
from typing import Any

from django.db.models import Q
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core import limits
from core.clock import now
from core.fields import Fields
from core.http.once import answer_once
from core.http.pagination import page_of, page_request
from core.http.queries import query_of
from core.http.schema import IDEMPOTENCY_KEY, PAGE_PARAMETERS, page_schema, refusals
from core.http.views import ApiView, credential_of
from core.idempotency import Answer
from core.money import plain
from core.problems import FieldError, Invalid, NotFound
from core.times import render_time
from pricing.api.prices_schema import (
    DecisionSchema,
    ImportSchema,
    NewPricesSchema,
    PriceSchema,
    PricesMadeSchema,
    SnapshotSchema,
    StagedSnapshotSchema,
)
from pricing.models import PriceRow, PriceSnapshot
from pricing.price_imports import approve_staged, import_price_list, refuse_staged, set_operator_prices
from pricing.price_sources.files import FORMATS, read_prices
from pricing.price_sources.packaged import PACKAGED, import_packaged_prices
from pricing.price_sources.quotes import PriceList, Quote, SourceError
from pricing.price_sources.reading import quote_from_json

EXAMPLE = OpenApiExample(
    "a negotiated price",
    {
        "prices": [
            {"provider": "openai", "model": "gpt-5", "unit": "input", "price": "1.00", "per": "1000000"}
        ]
    },
    request_only=True,
)
FILTERS = ("provider", "model", "unit", "context", "region")
OPERATOR_ONLY = frozenset({"GET", "POST"})


def price_json(row: PriceRow) -> dict[str, Any]:
    """The price as the API shows it."""
    windowed = row.window_start is not None and row.window_end is not None
    return {
        "id": row.id,
        "provider": row.provider,
        "model": row.model,
        "unit": row.unit,
        "context": row.context,
        "region": row.region,
        "input_over": row.input_over,
        "window": f"{row.window_start:%H:%M}-{row.window_end:%H:%M}" if windowed else None,
        "days": row.window_days if windowed else None,
        "price": plain(row.price),
        "is_percent": row.is_percent,
        "currency": row.currency,
        "effective_from": render_time(row.effective_from),
        "effective_to": None if row.effective_to is None else render_time(row.effective_to),
        "layer": PriceRow.Layer(row.layer).name.lower(),
        "source": row.snapshot.source,
        "snapshot": row.snapshot_id,
        "recorded_at": render_time(row.recorded_at),
        "approved_by": row.approved_by,
    }


def snapshot_json(snapshot: PriceSnapshot, *, whole: bool = False) -> dict[str, Any]:
    """An import as the API shows it; ``whole`` with everything that waits."""
    staged = snapshot.diff.get("staged", [])
    told = {
        "id": snapshot.id,
        "source": snapshot.source,
        "version": snapshot.version,
        "sha256": snapshot.sha256,
        "status": snapshot.status,
        "counts": snapshot.diff.get("counts", {}),
        "skipped": snapshot.diff.get("skipped", {}),
        "waiting": dict(Counter(item["reason"] for item in staged)),
        "taken_at": render_time(snapshot.taken_at),
        "decided_at": None if snapshot.decided_at is None else render_time(snapshot.decided_at),
        "decided_by": snapshot.decided_by,
    }
    return told | {"staged": staged} if whole else told


class PricesView(ApiView):
    """Costs are the operator's own: no customer's key sees them."""

    operator_methods = OPERATOR_ONLY

    @extend_schema(
        tags=["prices"],
        summary="List provider prices, newest first",
        operation_id="listPrices",
        parameters=[
            *PAGE_PARAMETERS,
            *(OpenApiParameter(name, OpenApiTypes.STR) for name in FILTERS),
            OpenApiParameter("at", OpenApiTypes.DATETIME, description="only prices in force then"),
        ],
        responses={200: page_schema("PricePage", PriceSchema), **refusals(422)},
    )
    def get(self, request: Request) -> Response:
        query = query_of(request)
        page, at = page_request(query), query.time("at", None)
        wanted = {name: query.text(name, default="") for name in FILTERS if query.has(name)}
        query.done()
        rows = PriceRow.objects.select_related("snapshot").filter(**wanted)
        if at is not None:
            rows = rows.filter(Q(effective_to__isnull=True) | Q(effective_to__gt=at), effective_from__lte=at)
        return Response(page_of(rows, page, order=("-id",), render=price_json))

    @extend_schema(
        tags=["prices"],
        summary="Set your own prices",
        description="They beat every synced price from their start on. A price never changes: a new one follows it.",
        operation_id="setPrices",
        parameters=[IDEMPOTENCY_KEY],
        request=NewPricesSchema,
        responses={201: PricesMadeSchema, **refusals(409, 413, 415, 422)},
        examples=[EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        query_of(request).done()
        quotes = read_quotes(request.data)
        at, by = now(), credential_of(request).by

        def act() -> Answer:
            rows = set_operator_prices(quotes, by=by, now=at)
            return Answer(201, {"results": [price_json(row) for row in rows]})

        return answer_once(request, act, now=at)


class ImportsView(ApiView):
    operator_methods = OPERATOR_ONLY

    @extend_schema(
        tags=["prices"],
        summary="List imports, newest first",
        operation_id="listPriceImports",
        parameters=[
            *PAGE_PARAMETERS,
            OpenApiParameter("status", OpenApiTypes.STR, enum=PriceSnapshot.Status.values),
        ],
        responses={200: page_schema("PriceSnapshotPage", SnapshotSchema), **refusals(422)},
    )
    def get(self, request: Request) -> Response:
        query = query_of(request)
        page = page_request(query)
        status = query.choice("status", PriceSnapshot.Status.values, "")
        query.done()
        rows = PriceSnapshot.objects.defer("content")
        if status:
            rows = rows.filter(status=status)
        return Response(page_of(rows, page, order=("-id",), render=snapshot_json))

    @extend_schema(
        tags=["prices"],
        summary="Import a price list",
        description="What jumps, disagrees with another source or stands alone waits for approval. The same content "
        "again answers 200 with the import that it was.",
        operation_id="importPrices",
        parameters=[IDEMPOTENCY_KEY],
        request=ImportSchema,
        responses={200: SnapshotSchema, 201: SnapshotSchema, **refusals(409, 413, 415, 422)},
    )
    def post(self, request: Request) -> Response:
        query_of(request).done()
        fields = Fields(request.data)
        source = fields.choice("source", [PACKAGED, *FORMATS])
        version = fields.text("version", most=80, default="")
        content = fields.raw("content")
        accept = fields.flag("accept_single_source", False)
        if (source == PACKAGED) == (content is not None) or not isinstance(content, str | None):
            fields.refuse("content", "content", f"Write the file's text; nothing with the source {PACKAGED}.")
        fields.done()
        at, by = now(), credential_of(request).by
        prices = None if content is None else _read(source, content, version)

        def act() -> Answer:
            if prices is None:
                result = import_packaged_prices(now=at)[0]
            else:
                result = import_price_list(prices, now=at, accept_single_source=accept, by=by)
            return Answer(200 if result.repeated else 201, snapshot_json(result.snapshot))

        return answer_once(request, act, now=at)


class ImportView(ApiView):
    operator_methods = OPERATOR_ONLY

    @extend_schema(
        tags=["prices"],
        summary="Read an import and what waits in it",
        operation_id="getPriceImport",
        responses={200: StagedSnapshotSchema, **refusals(404, 422)},
    )
    def get(self, request: Request, id: int) -> Response:
        query_of(request).done()
        return Response(snapshot_json(_snapshot(id), whole=True))


class DecisionView(ApiView):
    """Approve or refuse what waits in an import."""

    operator_methods = OPERATOR_ONLY
    decision = "approve"

    @extend_schema(
        tags=["prices"],
        summary="Decide on prices that wait",
        parameters=[IDEMPOTENCY_KEY],
        request=DecisionSchema,
        responses={200: SnapshotSchema, **refusals(404, 409, 413, 415, 422)},
    )
    def post(self, request: Request, id: int) -> Response:
        query_of(request).done()
        fields = Fields(request.data)
        items = fields.items("items", most=limits.PRICE_ROWS_MAX) if fields.has("items") else None
        reasons = fields.items("reasons", most=20) if fields.has("reasons") else None
        if items is not None and not all(type(item) is int for item in items):
            fields.refuse("items", "list", "Write positions, such as [0, 3].")
        if items is not None and reasons is not None:
            fields.refuse("reasons", "exclusive", "Write either items or reasons.")
        fields.done()
        if reasons is not None:
            staged = _snapshot(id).diff.get("staged", [])
            items = [position for position, item in enumerate(staged) if item["reason"] in reasons]
        decide = approve_staged if self.decision == "approve" else refuse_staged
        at, by = now(), credential_of(request).by
        return answer_once(
            request, lambda: Answer(200, snapshot_json(decide(id, by=by, now=at, only=items))), now=at
        )


def read_quotes(data: object) -> list[Quote]:
    """The prices in a body: one, or several under ``prices``. Raises ``Invalid`` that names every wrong one."""
    listed = isinstance(data, dict) and "prices" in data
    fields = Fields(data)
    told = fields.items("prices", most=limits.PRICE_ROWS_MAX) if listed else [data]
    if listed:
        if not told:
            fields.refuse("prices", "empty", "Write at least one price.")
        fields.done()
    quotes, errors = [], list(fields.errors)
    for index, entry in enumerate(told):
        path = f"prices[{index}]" if listed else ""
        if not isinstance(entry, dict):
            errors.append(FieldError(path, "object", "Write an object: {provider, model, unit, price}."))
            continue
        try:
            quotes.append(quote_from_json(entry))
        except SourceError as error:
            errors.append(FieldError(f"{path}.{error.field}".lstrip("."), "invalid", error.detail))
    if errors:
        raise Invalid(errors[0].detail, tuple(errors))
    return quotes


def _read(source: str, content: str, version: str) -> PriceList:
    try:
        return read_prices(source, content, version=version)
    except SourceError as error:
        raise Invalid.one("content", "unreadable", str(error)) from error


def _snapshot(id: int) -> PriceSnapshot:
    snapshot = PriceSnapshot.objects.defer("content").filter(id=id).first() if id < 2**63 else None
    if snapshot is None:
        raise NotFound("There is no such import.")
    return snapshot
