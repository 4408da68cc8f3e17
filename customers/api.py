from django.conf import settings
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core import limits
from core.clock import now
from core.fields import Fields
from core.http.once import answer_once
from core.http.pagination import page_of, page_request
from core.http.queries import query_of
from core.http.schema import IDEMPOTENCY_KEY, PAGE_PARAMETERS, SEARCH, page_schema, refusals
from core.http.views import ApiView, credential_of
from core.idempotency import Answer
from core.times import render_time
from customers.customers import change_customer, create_customer, customer_by_key
from customers.portal_links import create_portal_link
from customers.queries import customer_json, customers_seen_by
from customers.reading import read_change, read_new_customer
from customers.schema import (
    ChangeCustomerSchema,
    CustomerSchema,
    NewCustomerSchema,
    NewPortalLinkSchema,
    PortalLinkSchema,
)

EXAMPLE = OpenApiExample(
    "a customer",
    {
        "key": "acme",
        "name": "Acme Ltd",
        "email": "billing@acme.example",
        "currency": "USD",
        "timezone": "America/New_York",
        "tax_rate": "0.19",
        "tax_name": "VAT",
        "address": "1 Main Street\nSpringfield",
    },
    request_only=True,
)


class CustomersView(ApiView):
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["customers"],
        summary="List customers",
        description="In the order of their keys. A customer's own key sees that customer alone.",
        operation_id="listCustomers",
        parameters=[*PAGE_PARAMETERS, SEARCH],
        responses={200: page_schema("CustomerPage", CustomerSchema), **refusals(422)},
    )
    def get(self, request: Request) -> Response:
        query = query_of(request)
        page, words = page_request(query), query.search()
        query.done()
        rows = customers_seen_by(credential_of(request), words=words)
        return Response(page_of(rows, page, order=("key",), render=customer_json))

    @extend_schema(
        tags=["customers"],
        summary="Create a customer",
        description="409 when the key is taken. The currency is fixed from then on.",
        operation_id="createCustomer",
        parameters=[IDEMPOTENCY_KEY],
        request=NewCustomerSchema,
        responses={201: CustomerSchema, **refusals(409, 413, 415, 422)},
        examples=[EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        query_of(request).done()
        fields = Fields(request.data)
        new = read_new_customer(fields)
        at = now()
        return answer_once(
            request, lambda: Answer(201, customer_json(create_customer(now=at, **new))), now=at
        )


class CustomerView(ApiView):
    operator_methods = frozenset({"PATCH"})

    @extend_schema(
        tags=["customers"],
        summary="Read a customer",
        operation_id="getCustomer",
        responses={200: CustomerSchema, **refusals(404, 422)},
    )
    def get(self, request: Request, key: str) -> Response:
        query_of(request).done()
        return Response(customer_json(customer_by_key(key, credential_of(request))))

    @extend_schema(
        tags=["customers"],
        summary="Change a customer",
        description=(
            "Only the fields that are sent change. A new time zone is shown as `next_timezone` and takes "
            "over at the next period. Key and currency are fixed. Finalized invoices keep what they show."
        ),
        operation_id="changeCustomer",
        request=ChangeCustomerSchema,
        responses={200: CustomerSchema, **refusals(404, 413, 415, 422)},
        examples=[OpenApiExample("a move", {"timezone": "Europe/Berlin"}, request_only=True)],
    )
    def patch(self, request: Request, key: str) -> Response:
        query_of(request).done()
        change = read_change(Fields(request.data))
        customer = customer_by_key(key, credential_of(request))
        return Response(customer_json(change_customer(customer, change)))


class PortalLinkView(ApiView):
    @extend_schema(
        tags=["customers"],
        summary="Make a link into the customer's portal",
        description="Whoever opens the link sees the customer's usage and invoices until it expires.",
        operation_id="createPortalLink",
        parameters=[IDEMPOTENCY_KEY],
        request=NewPortalLinkSchema,
        responses={201: PortalLinkSchema, **refusals(404, 413, 415, 422)},
    )
    def post(self, request: Request, key: str) -> Response:
        query_of(request).done()
        fields = Fields(request.data)
        seconds = fields.integer(
            "expires_in_seconds",
            limits.PORTAL_LINK_SECONDS_DEFAULT,
            least=limits.PORTAL_LINK_SECONDS_MIN,
            most=limits.PORTAL_LINK_SECONDS_MAX,
        )
        fields.done()
        at = now()
        customer = customer_by_key(key, credential_of(request))

        def make() -> Answer:
            link = create_portal_link(customer, now=at, base_url=public_address(request), seconds=seconds)
            return Answer(201, {"url": link.url, "expires_at": render_time(link.expires_at)})

        return answer_once(request, make, now=at, customer_id=customer.id)


def public_address(request: Request) -> str:
    """Scheme and host for links that people open: the configured ones, or on one's own machine those of the
    request.
    """
    return request.build_absolute_uri("/").rstrip("/") if settings.LOCAL else settings.BASE_URL
