from datetime import datetime
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core import limits
from core.clock import now
from core.fields import Fields
from core.http.once import answer_once
from core.http.pagination import page_of, page_request
from core.http.queries import query_of
from core.http.schema import IDEMPOTENCY_KEY, PAGE_PARAMETERS, page_schema, refusals
from core.http.views import ApiView
from core.idempotency import Answer
from core.times import render_time
from pricing.api.burn_margins import CHECK, PARAMETERS, margins_json, read_question
from pricing.api.prices_schema import (
    BurnMarginsSchema,
    BurnTableSchema,
    BurnVersionSchema,
    NewBurnTableSchema,
    NewBurnVersionSchema,
)
from pricing.burn_tables import BurnHistory, add_version, checked_rates, create_table, table_by_key
from pricing.models import BurnTable, BurnTableVersion

EXAMPLE = OpenApiExample(
    "a table by model and kind of token",
    {
        "key": "standard",
        "name": "Standard credits",
        "rates": [
            {
                "id": "opus-output",
                "match": {"family": "opus", "token_kind": "output"},
                "credits": "75",
                "per": "1000000",
            },
            {"id": "any-token", "match": {"token_kind": "tokens"}, "credits": "5", "per": "1000000"},
        ],
    },
    request_only=True,
)


def version_json(version: BurnTableVersion) -> dict[str, Any]:
    """The version as the API shows it, its rates in the order in which they win."""
    return {
        "number": version.number,
        "effective_at": render_time(version.effective_at),
        "rates": version.rates,
        "unlisted": version.unlisted,
        "note": version.note,
        "created_at": render_time(version.created_at),
    }


def table_json(table: BurnTable, at: datetime) -> dict[str, Any]:
    """The table with the version in force and those announced."""
    history = BurnHistory(table)
    current = history.version_at(at)
    return {
        "key": table.key,
        "name": table.name,
        "created_at": render_time(table.created_at),
        "current": None if current is None else version_json(current),
        "upcoming": [version_json(version) for version in history.versions if version.effective_at > at],
    }


class BurnTablesView(ApiView):
    """Burn tables are published: a customer's key reads them too."""

    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["catalogue"],
        summary="List burn tables",
        operation_id="listBurnTables",
        parameters=PAGE_PARAMETERS,
        responses={200: page_schema("BurnTablePage", BurnTableSchema), **refusals(422)},
    )
    def get(self, request: Request) -> Response:
        query = query_of(request)
        page = page_request(query)
        query.done()
        at = now()
        return Response(
            page_of(
                BurnTable.objects.prefetch_related("versions"),
                page,
                order=("key",),
                render=lambda table: table_json(table, at),
            )
        )

    @extend_schema(
        tags=["catalogue"],
        summary="Create a burn table",
        description="With `check` nothing is stored: the answer is what the rates would earn on each model of the price "
        "book, at `credit_price` a credit.",
        operation_id="createBurnTable",
        parameters=[IDEMPOTENCY_KEY, CHECK, *PARAMETERS],
        request=NewBurnTableSchema,
        responses={201: BurnTableSchema, 200: BurnMarginsSchema, **refusals(409, 413, 415, 422)},
        examples=[EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        query = query_of(request)
        question = read_question(query) if query.flag("check", False) else None
        query.done()
        fields = Fields(request.data)
        key, name = fields.key("key"), fields.text("name")
        effective_at = fields.time("effective_at", None)
        note = fields.text("note", most=limits.REASON_CHARACTERS_MAX, default="")
        unlisted = fields.choice(
            "unlisted", BurnTableVersion.Unlisted.values, BurnTableVersion.Unlisted.PENDING
        )
        rates = fields.raw("rates")
        fields.done()
        at = now()
        if question is not None:
            return Response(margins_json(checked_rates(rates), question, at))

        def act() -> Answer:
            table = create_table(
                key, name, rates, now=at, effective_at=effective_at, note=note, unlisted=unlisted
            )
            return Answer(201, table_json(table, at))

        return answer_once(request, act, now=at)


class BurnTableView(ApiView):
    @extend_schema(
        tags=["catalogue"],
        summary="Read a burn table",
        operation_id="getBurnTable",
        responses={200: BurnTableSchema, **refusals(404, 422)},
    )
    def get(self, request: Request, key: str) -> Response:
        query_of(request).done()
        return Response(table_json(table_by_key(key), now()))


class BurnVersionsView(ApiView):
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["catalogue"],
        summary="List a burn table's versions, newest first",
        operation_id="listBurnTableVersions",
        parameters=PAGE_PARAMETERS,
        responses={200: page_schema("BurnTableVersionPage", BurnVersionSchema), **refusals(404, 422)},
    )
    def get(self, request: Request, key: str) -> Response:
        query = query_of(request)
        page = page_request(query)
        query.done()
        return Response(
            page_of(table_by_key(key).versions.all(), page, order=("-number",), render=version_json)
        )

    @extend_schema(
        tags=["catalogue"],
        summary="Announce a new version",
        description="It holds from effective_at on; what was burned before stays as it was published. With "
        "`correction` it may reach into the past: see POST /v1/re-ratings.",
        operation_id="createBurnTableVersion",
        parameters=[IDEMPOTENCY_KEY],
        request=NewBurnVersionSchema,
        responses={201: BurnVersionSchema, **refusals(404, 409, 413, 415, 422)},
    )
    def post(self, request: Request, key: str) -> Response:
        query_of(request).done()
        fields = Fields(request.data)
        at = now()
        effective_at = fields.time("effective_at", at)
        note = fields.text("note", most=limits.REASON_CHARACTERS_MAX, default="")
        unlisted = fields.choice(
            "unlisted", BurnTableVersion.Unlisted.values, BurnTableVersion.Unlisted.PENDING
        )
        correction = fields.flag("correction", False)
        rates = fields.raw("rates")
        fields.done()

        def act() -> Answer:
            version = add_version(
                table_by_key(key).key,
                rates,
                effective_at=effective_at,
                now=at,
                note=note,
                unlisted=unlisted,
                correction=correction,
            )
            return Answer(201, version_json(version))

        return answer_once(request, act, now=at)
