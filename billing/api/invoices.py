"""``/v1/invoices``: documents, their files, and the events behind each line."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.credits_schema import LineEventSchema
from billing.api.reading import customer_asked_for, visible_text
from billing.api.rendering import invoice_json
from billing.api.schema import InvoiceSchema
from billing.documents import invoice_pdf
from billing.drafts import refresh_drafts
from billing.models import Invoice, InvoiceLine, InvoiceNumber, Subscription
from billing.rating import catch_up
from billing.statements.line_events import events_of_line, not_kept_before
from core.clock import now
from core.http.credentials import Credential
from core.http.pagination import page_of_all, page_request, sifted_page_of
from core.http.queries import query_of
from core.http.schema import PAGE_PARAMETERS, page_schema, refusals
from core.http.views import ApiView, credential_of
from core.ids import parse_public_id
from core.money import plain
from core.problems import Gone, NotFound
from core.times import render_time
from metering.models import Event
from metering.queries import NEWEST_FIRST, event_as_json

FILTERS = [
    OpenApiParameter("customer", str, description="only this customer's"),
    OpenApiParameter("status", str, enum=Invoice.Status.values),
]


class PdfRenderer(BaseRenderer):
    """Lets a client ask for ``application/pdf``; a refusal is a problem in JSON all the same."""

    media_type = "application/pdf"
    format = "pdf"
    charset = None
    render_style = "binary"

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        return bytes(JSONRenderer().render(data))


class InvoicesView(ApiView):
    @extend_schema(
        tags=["invoices"],
        summary="List invoices",
        description="Newest first, drafts included. One customer's drafts are worked out anew first.",
        operation_id="listInvoices",
        parameters=[*PAGE_PARAMETERS, *FILTERS],
        responses={200: page_schema("InvoicePage", InvoiceSchema), **refusals(404, 422)},
    )
    def get(self, request: Request) -> Response:
        query = query_of(request)
        page, status = page_request(query), query.choice("status", Invoice.Status.values, "")
        customer = customer_asked_for(query, credential_of(request))
        query.done()
        rows = Invoice.objects.select_related("customer")
        if customer is not None:
            catch_up(customer.id, now())
            refresh_drafts(customer.id)
            rows = rows.filter(customer=customer)
        if status:
            rows = rows.filter(status=status)
        return Response(page_of_all(rows, page, order=("-created_at", "-id"), render_all=invoices_json))


class InvoiceView(ApiView):
    @extend_schema(
        tags=["invoices"],
        summary="Read an invoice",
        description="By its id or its number. A draft is worked out anew first.",
        operation_id="getInvoice",
        responses={200: InvoiceSchema, **refusals(404, 422)},
    )
    def get(self, request: Request, id: str) -> Response:
        query_of(request).done()
        return Response(invoices_json([present_invoice(id, credential_of(request))])[0])


class InvoicePdfView(ApiView):
    renderer_classes = [JSONRenderer, PdfRenderer]

    @extend_schema(
        tags=["invoices"],
        summary="An invoice as a PDF",
        operation_id="getInvoicePdf",
        responses={(200, "application/pdf"): OpenApiTypes.BINARY, **refusals(404, 422)},
    )
    def get(self, request: Request, id: str) -> HttpResponse:
        query_of(request).done()
        invoice = present_invoice(id, credential_of(request))
        name = invoice.number or "draft"
        headers = {"Content-Disposition": f'inline; filename="{name}.pdf"'}
        return HttpResponse(invoice_pdf(invoice), content_type="application/pdf", headers=headers)


class LineEventsView(ApiView):
    @extend_schema(
        tags=["invoices"],
        summary="The events behind an invoice line",
        description=(
            "Newest first, each with the quantity that counts. A fee has none. A page may hold fewer events than its "
            "limit and still have a next one. 410 where the installation no longer keeps them."
        ),
        operation_id="listInvoiceLineEvents",
        parameters=PAGE_PARAMETERS,
        responses={200: page_schema("LineEventPage", LineEventSchema), **refusals(404, 410, 422)},
    )
    def get(self, request: Request, id: str, n: int) -> Response:
        query = query_of(request)
        page = page_request(query)
        query.done()
        invoice = present_invoice(id, credential_of(request))
        lines = InvoiceLine.objects.filter(customer_id=invoice.customer_id, invoice_id=invoice.id)
        line = lines.filter(n=n).first() if n < 2**31 else None
        if line is None:
            raise NotFound(f"The invoice has no line {n}.")
        mark = not_kept_before(line)
        if mark is not None:
            raise Gone(
                f"Single events from before {render_time(mark)} are no longer kept; the line stays as it is."
            )
        events, counted = events_of_line(invoice, line)

        def render(event: Event) -> dict[str, Any] | None:
            quantity = counted(event)
            if quantity is None:
                return None
            return event_as_json(event, invoice.customer.key) | {"counted": plain(quantity)}

        return Response(sifted_page_of(events, page, order=NEWEST_FIRST, render=render))


def invoice_named(id: str, credential: Credential) -> Invoice:
    """The invoice with this id or number, where the credential may see it. Raises ``NotFound``."""
    visible_text(id, "invoice")
    rows: QuerySet[Invoice] = Invoice.objects.select_related("customer")
    if credential.customer_id is not None:
        rows = rows.filter(customer_id=credential.customer_id)
    number = InvoiceNumber.objects.filter(number=id).first()
    identity = number.invoice_id if number is not None else parse_public_id("inv", id)
    invoice = rows.filter(id=identity).first()
    if invoice is None:
        raise NotFound(f"There is no object with the id {id[:80]!r}.")
    return invoice


def present_invoice(id: str, credential: Credential) -> Invoice:
    """The invoice as it is now; a draft with everything rated that was sent before."""
    invoice = invoice_named(id, credential)
    catch_up(invoice.customer_id, now())
    if invoice.status == Invoice.Status.DRAFT:
        refresh_drafts(invoice.customer_id)
        return invoice_named(id, credential)
    return invoice


def invoices_json(invoices: list[Invoice]) -> list[dict[str, Any]]:
    """The invoices with their lines, read together."""
    ids, customers = [row.id for row in invoices], {row.customer_id for row in invoices}
    lines: dict[Any, list[InvoiceLine]] = {id: [] for id in ids}
    for line in InvoiceLine.objects.filter(customer_id__in=customers, invoice_id__in=ids).order_by("n"):
        lines[line.invoice_id].append(line)
    wanted = {row.subscription_id for row in invoices}
    keys = dict(
        Subscription.objects.filter(customer_id__in=customers, id__in=wanted).values_list("id", "key")
    )
    return [invoice_json(row, lines[row.id], keys[row.subscription_id]) for row in invoices]
