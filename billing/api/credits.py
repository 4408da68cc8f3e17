"""``/v1/credit-grants``, ``/v1/customers/{key}/credits`` and its ledger."""

from dataclasses import replace
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.credits_schema import BalanceSchema, GrantSchema, LedgerTransactionSchema
from billing.api.reading import customer_asked_for
from billing.api.rendering import balance_json, grant_json, movement_json
from billing.api.schema import NewGrantSchema, VoidGrantSchema
from billing.credits.grants import credit_balance, void_grant
from billing.credits.history import credit_transactions, movements
from billing.models import CreditGrant, LedgerTransaction
from billing.rating import catch_up
from billing.reading import customer_named, read_grant
from billing.recounts.overage import grant_with_cover
from core import limits
from core.clock import now
from core.fields import Fields
from core.http.once import answer_once
from core.http.pagination import page_of, page_of_all, page_request
from core.http.queries import query_of
from core.http.schema import IDEMPOTENCY_KEY, PAGE_PARAMETERS, page_schema, refusals
from core.http.views import ApiView, credential_of
from core.idempotency import Answer
from core.ids import parse_public_id
from core.problems import NotFound
from customers.customers import customer_by_key

CUSTOMER = OpenApiParameter("customer", str, description="only this customer's")
EXAMPLE = OpenApiExample(
    "prepaid credits",
    {"customer": "acme", "amount": "1000", "name": "Top-up", "category": "paid", "cost_basis": "0.01"},
    request_only=True,
)


class GrantsView(ApiView):
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["credits"],
        summary="List credit grants",
        description="Newest first, ended ones included.",
        operation_id="listCreditGrants",
        parameters=[*PAGE_PARAMETERS, CUSTOMER],
        responses={200: page_schema("CreditGrantPage", GrantSchema), **refusals(404, 422)},
    )
    def get(self, request: Request) -> Response:
        query = query_of(request)
        page = page_request(query)
        customer = customer_asked_for(query, credential_of(request))
        query.done()
        rows = CreditGrant.objects.select_related("customer")
        if customer is not None:
            catch_up(customer.id, now())
            rows = rows.filter(customer=customer)
        return Response(page_of(rows, page, order=("-created_at", "-id"), render=owned_grant_json))

    @extend_schema(
        tags=["credits"],
        summary="Give credits",
        description=(
            "A grant that starts in the past first covers the overage burnt since then that no invoice has billed. The "
            "same `key` again is a conflict."
        ),
        operation_id="createCreditGrant",
        parameters=[IDEMPOTENCY_KEY],
        request=NewGrantSchema,
        responses={201: GrantSchema, **refusals(409, 413, 415, 422)},
        examples=[EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        query_of(request).done()
        at, fields = now(), Fields(request.data)
        key = fields.path_id("customer")
        new = read_grant(fields, at)
        fields.done()
        customer = customer_named(key, credential_of(request))

        def give() -> Answer:
            given = replace(new, currency=customer.currency)
            return Answer(201, owned_grant_json(grant_with_cover(customer, given, now=at)))

        return answer_once(request, give, now=at, customer_id=customer.id)


class VoidGrantView(ApiView):
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["credits"],
        summary="Take back what is left of a grant",
        description="What it has covered stays covered.",
        operation_id="voidCreditGrant",
        parameters=[IDEMPOTENCY_KEY],
        request=VoidGrantSchema,
        responses={200: GrantSchema, **refusals(404, 409, 413, 415, 422)},
    )
    def post(self, request: Request, id: str) -> Response:
        query_of(request).done()
        at, fields = now(), Fields(request.data)
        reason = fields.text("reason", most=limits.REASON_CHARACTERS_MAX, default="")
        fields.done()
        rows = CreditGrant.objects.filter(id=parse_public_id("grant", id))
        grant = rows.select_related("customer").first()
        if grant is None:
            raise NotFound("There is no such grant.")
        catch_up(grant.customer_id, at)

        def take_back() -> Answer:
            voided = void_grant(grant.customer_id, grant.id, now=at, reason=reason)
            voided.customer = grant.customer
            return Answer(200, owned_grant_json(voided))

        return answer_once(request, take_back, now=at, customer_id=grant.customer_id)


class BalanceView(ApiView):
    @extend_schema(
        tags=["credits"],
        summary="A customer's credits",
        description="Now, with everything sent before the request; or with `as_of`, as they were then.",
        operation_id="getCredits",
        parameters=[OpenApiParameter("as_of", OpenApiTypes.DATETIME)],
        responses={200: BalanceSchema, **refusals(404, 422)},
    )
    def get(self, request: Request, key: str) -> Response:
        query, at = query_of(request), now()
        as_of = query.time("as_of", None)
        query.done()
        customer = customer_by_key(key, credential_of(request))
        catch_up(customer.id, at)
        balance = credit_balance(customer.id, as_of=as_of or at, history=as_of is not None)
        return Response(balance_json(balance))


class CreditLedgerView(ApiView):
    @extend_schema(
        tags=["credits"],
        summary="How a customer's credits moved",
        description="Newest first: each movement in words, with its entries and the balance after it.",
        operation_id="listCreditLedger",
        parameters=PAGE_PARAMETERS,
        responses={200: page_schema("CreditLedgerPage", LedgerTransactionSchema), **refusals(404, 422)},
    )
    def get(self, request: Request, key: str) -> Response:
        query = query_of(request)
        page = page_request(query)
        query.done()
        customer = customer_by_key(key, credential_of(request))
        catch_up(customer.id, now())

        def render_all(rows: list[LedgerTransaction]) -> list[dict[str, Any]]:
            return [movement_json(one) for one in movements(customer.id, rows)]

        return Response(
            page_of_all(credit_transactions(customer.id), page, order=("-id",), render_all=render_all)
        )


def owned_grant_json(grant: CreditGrant) -> dict[str, Any]:
    return {"customer": grant.customer.key} | grant_json(grant)
