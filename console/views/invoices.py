from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from billing.documents import invoice_pdf
from billing.models import Invoice
from billing.recounts.corrections import differences_of
from console.access import staff_page
from console.queries.currencies import has_several_currencies
from console.queries.invoices import counts_by_status, invoice_page, invoices_like
from core.clock import now as present
from core.money import from_minor
from core.pages.spreadsheet import csv_response
from core.pages.tables import Column, chips_for, listing, order_fields, ordering, searched, wants_csv
from core.problems import NotFound
from pricing.cost_currency import COST_CURRENCY

COLUMNS = (
    Column("number", "Invoice", order=("number", "id")),
    Column("customer", "Customer", order=("customer__name", "id")),
    Column("period", "Period", low=True, order=("period_start", "id"), descending_first=True),
    Column("status", "Status"),
    Column("due", "Due by", low=True, order=("due_at", "id"), descending_first=True),
    Column(
        "total",
        "Total",
        number=True,
        order=("total_minor", "id"),
        descending_first=True,
        within=("place_of_currency",),
    ),
)
DEFAULT = "-period"
STATUSES = [
    ("", "All"),
    (Invoice.Status.DRAFT, "Draft"),
    (Invoice.Status.FINALIZED, "Open"),
    (Invoice.Status.PAID, "Paid"),
    (Invoice.Status.VOID, "Void"),
    (Invoice.Status.UNCOLLECTIBLE, "Uncollectible"),
]


@staff_page
def invoices(request: HttpRequest) -> HttpResponseBase:
    found = invoices_like(searched(request), request.GET.get("status", ""))
    if wants_csv(request):
        rows = found.order_by(*order_fields(*ordering(request, COLUMNS, DEFAULT)))
        return csv_response(
            "invoices",
            (
                "number",
                "customer",
                "period_start",
                "period_end",
                "status",
                "currency",
                "subtotal",
                "tax",
                "total",
                "due",
            ),
            (
                (
                    row.number,
                    row.customer.key,
                    row.period_start,
                    row.period_end,
                    row.status,
                    row.currency,
                    *(
                        from_minor(minor, row.exponent)
                        for minor in (row.subtotal_minor, row.tax_minor, row.total_minor, row.open_minor)
                    ),
                )
                for row in rows.iterator()
            ),
        )
    chips = chips_for(request, "status", STATUSES, counts_by_status())
    page = listing(request, COLUMNS, found, default=DEFAULT, chips=chips)
    column, _ = ordering(request, COLUMNS, DEFAULT)
    several = bool(column.within) and has_several_currencies()
    return render(
        request, "console/invoices.html", {"listing": page, "within": COST_CURRENCY if several else ""}
    )


@staff_page
def invoice(request: HttpRequest, customer_id: int, public_id: str) -> HttpResponse:
    page = invoice_page(customer_id, public_id)
    context = {
        "page": page,
        "invoice": page.invoice,
        "customer": page.invoice.customer,
        "zone": page.invoice.customer.timezone,
        "public_id": public_id,
        "now": present(),
        "differences": differences_of(page.invoice),
    }
    return render(request, "console/invoice.html", context)


@staff_page
def pdf(request: HttpRequest, customer_id: int, public_id: str) -> HttpResponse:
    found = invoice_page(customer_id, public_id).invoice
    response = HttpResponse(invoice_pdf(found), content_type="application/pdf")
    response["Content-Disposition"] = f'inline; filename="{found.number or "draft"}.pdf"'
    return response


@staff_page
def line(request: HttpRequest, customer_id: int, public_id: str, n: int) -> HttpResponse:
    """One line with every step of its reckoning and its events' filter."""
    page = invoice_page(customer_id, public_id)
    found = next((row for row in page.lines if row.n == n), None)
    if found is None:
        raise NotFound("This invoice has no such line.")
    context = {
        "invoice": page.invoice,
        "customer": page.invoice.customer,
        "zone": page.invoice.customer.timezone,
        "public_id": public_id,
        "line": found,
    }
    return render(request, "console/invoice_line.html", context)
