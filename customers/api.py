from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core import limits
from core.clock import now
from core.currencies import parse_currency
from core.fields import Fields
from core.http.once import answer_once
from core.http.pagination import page_of, page_request
from core.http.queries import query_of
from core.http.schema import IDEMPOTENCY_KEY, PAGE_PARAMETERS, SEARCH, page_schema, refusals
from core.http.views import ApiView, credential_of
from core.idempotency import Answer
from core.money import ZERO, parse_number
from core.times import parse_zone, render_time
from customers.customers import CustomerChange, change_customer, create_customer, customer_by_key
from customers.portal_links import create_portal_link
from customers.queries import customer_json, customers_seen_by
from customers.schema import (
    ChangeCustomerSchema,
    CustomerSchema,
    NewCustomerSchema,
    NewPortalLinkSchema,
    PortalLinkSchema,
)

TAX_RATE_DIGITS = 6
EMAIL_CHARACTERS_MAX = 254
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
        new: dict[str, Any] = {
            "key": fields.path_id("key"),
            "name": fields.text("name"),
            "email": read_email(fields),
            "currency": fields.parsed("currency", parse_currency, "USD", code="currency", stand_in="USD"),
            "timezone": fields.parsed("timezone", parse_zone, "UTC", code="timezone", stand_in="UTC"),
            "tax_rate": read_tax_rate(fields) or ZERO,
            "tax_name": fields.text("tax_name", most=40, default=""),
            "address": read_address(fields),
        }
        fields.done()
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


def read_change(fields: Fields) -> CustomerChange:
    """The fields sent, checked. Raises ``Invalid``, also for the ones that are fixed."""
    for name in ("key", "currency"):
        if fields.raw(name) is not None:
            fields.refuse(name, "fixed", "It is fixed once the customer exists; leave it out.")
    zone: str | None = fields.parsed("timezone", parse_zone, None, code="timezone", stand_in="UTC")
    change = CustomerChange(
        name=fields.text("name") if fields.has("name") else None,
        email=read_email(fields) if fields.has("email") else None,
        timezone=zone,
        tax_rate=read_tax_rate(fields),
        tax_name=fields.text("tax_name", most=40) if fields.has("tax_name") else None,
        address=read_address(fields) if fields.has("address") else None,
    )
    fields.done()
    return change


def public_address(request: Request) -> str:
    """Scheme and host for links that people open: the configured ones, or on one's own machine those of the
    request.
    """
    return request.build_absolute_uri("/").rstrip("/") if settings.LOCAL else settings.BASE_URL


def read_email(fields: Fields) -> str:
    """An e-mail address, or an empty text."""

    def checked(value: Any) -> str:
        try:
            validate_email(value)
        except (ValidationError, TypeError):
            raise ValueError("Write one e-mail address, such as billing@example.com.") from None
        if len(value) > EMAIL_CHARACTERS_MAX:
            raise ValueError(f"It has {len(value)} characters; at most {EMAIL_CHARACTERS_MAX} fit.")
        return str(value)

    if fields.raw("email") == "":
        return ""
    return fields.parsed("email", checked, "", code="email", stand_in="")


def read_tax_rate(fields: Fields) -> Decimal | None:
    """A share from 0 up to, not including, 1, of at most six decimals; None where it is absent."""

    def checked(value: Any) -> Decimal:
        rate = parse_number(value)
        if not 0 <= rate < 1 or rate != round(rate, TAX_RATE_DIGITS):
            raise ValueError(
                f"Write a share from 0 to below 1 with at most {TAX_RATE_DIGITS} decimals: 0.19 is 19 %."
            )
        return rate

    return fields.parsed("tax_rate", checked, None, code="number", stand_in=ZERO)


def read_address(fields: Fields) -> str:
    """A postal address, in lines."""
    return fields.text("address", most=limits.ADDRESS_CHARACTERS_MAX, default="", lines=True)
