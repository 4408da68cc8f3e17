"""``/v1/credit-grants``, ``/v1/customers/{key}/credits`` and its ledger."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.credits_schema import BalanceSchema, GrantSchema, LedgerTransactionSchema
from billing.api.reading import catch_up, customer_asked_for, customer_named
from billing.api.rendering import balance_json, grant_json, movement_json
from billing.api.schema import NewGrantSchema, VoidGrantSchema
from billing.credit_history import credit_transactions, movements
from billing.credits import NewGrant, credit_balance, void_grant
from billing.models import CreditGrant
from billing.overage import grant_with_cover
from core import limits
from core.clock import now
from core.fields import Fields
from core.http.once import answer_once
from core.http.pagination import page_of, page_request
from core.http.queries import query_of
from core.http.schema import IDEMPOTENCY_KEY, PAGE_PARAMETERS, page_schema, refusals
from core.http.views import ApiView, credential_of
from core.idempotency import Answer
from core.ids import new_id, parse_public_id
from core.money import ZERO
from core.problems import NotFound
from customers.customers import customer_by_key
from metering.event_paths import text_reader
from pricing.plan_terms import CREDITS_MAX, GRANT_CATEGORIES, GRANT_PRIORITY_DEFAULT, MONEY_MAX

CUSTOMER = OpenApiParameter("customer", str, description="only this customer's")
PLAN_KEYS = "plan:"
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
        found = page_of(
            credit_transactions(customer.id), page, order=("-id",), render=lambda row: {"row": row}
        )
        told = movements(customer.id, [item["row"] for item in found["results"]])
        return Response({"results": [movement_json(one) for one in told], "next": found["next"]})


def owned_grant_json(grant: CreditGrant) -> dict[str, Any]:
    return {"customer": grant.customer.key} | grant_json(grant)


def read_grant(fields: Fields, at: datetime) -> NewGrant:
    """A new grant from its JSON; what is wrong is noted in the fields. Its currency is the customer's, set later."""
    cost_basis: Decimal = fields.number("cost_basis", ZERO, least=ZERO, most=MONEY_MAX)
    category = fields.choice("category", GRANT_CATEGORIES, "paid" if cost_basis else "promotional")
    amount = fields.number("amount", least=ZERO, most=CREDITS_MAX)
    if fields.has("amount") and amount == 0:
        fields.refuse("amount", "number", "It must be above zero.")
    if cost_basis and category == "promotional":
        detail = "Promotional credits earn nothing: leave it out, or say paid."
        fields.refuse("cost_basis", "contradiction", detail)
    key = fields.id("key", "")
    if key.startswith(PLAN_KEYS):
        fields.refuse(
            "key", "reserved", f"Keys that begin with {PLAN_KEYS!r} are those of plans' own grants."
        )
    starts_at: datetime = fields.time("starts_at", at)
    expires_at = fields.time("expires_at", None)
    if expires_at is not None and expires_at <= starts_at:
        fields.refuse("expires_at", "too_early", "It must lie after the start.")
    return NewGrant(
        key=key or f"api:{new_id().hex}",
        amount=amount,
        starts_at=starts_at,
        expires_at=expires_at,
        name=fields.text("name", default=""),
        category=category,
        cost_basis=cost_basis,
        priority=fields.integer("priority", GRANT_PRIORITY_DEFAULT, least=0, most=limits.GRANT_PRIORITY_MAX),
        applies_to=read_applies_to(fields),
        reason=fields.text("reason", most=limits.REASON_CHARACTERS_MAX, default=""),
    )


def read_applies_to(fields: Fields) -> dict[str, list[str]]:
    """Which events a grant covers: for each path the values that count. Empty: every event."""
    given = fields.object("applies_to")
    if given is None:
        return {}
    if len(given.data) > limits.METER_FILTER_PATHS_MAX:
        given.refuse("", "too_many", f"At most {limits.METER_FILTER_PATHS_MAX} paths fit.")
    found: dict[str, list[str]] = {}
    for path in given.data:
        values = given.items(path, most=limits.METER_FILTER_VALUES_MAX)
        try:
            text_reader(path)
        except ValueError as error:
            given.refuse(path, "path", str(error))
        if not values or not all(isinstance(value, str) for value in values):
            given.refuse(path, "list", 'Write a list of texts: ["claude-opus-4-5"].')
        found[path] = values
    return found
