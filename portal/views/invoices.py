from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from billing.documents import invoice_pdf
from billing.models import InvoiceLine
from billing.statements.line_days import LineDay, all_calls_of_line, calls_of_line, days_of_line
from billing.statements.line_events import not_kept_before
from core.money import from_minor
from core.pages import charts
from core.pages.figures import compact
from core.pages.spreadsheet import csv_response
from core.pages.streams import before_of
from core.pages.tables import Column, address, day_of, listing, wants_csv
from core.pages.times import day, short_day
from core.pages.units import counted_compactly
from core.periods import Period
from portal.queries.invoices import invoice_page, invoices_of, line_of
from portal.visits import Visit, portal_page

COLUMNS = (
    Column("number", "Invoice", order=("number", "id")),
    Column("period", "Period", order=("period_start", "id"), descending_first=True),
    Column("status", "Status"),
    Column("due", "Due by", low=True, order=("due_at", "id"), descending_first=True),
    Column("total", "Total", number=True, order=("total_minor", "id"), descending_first=True),
    Column("pdf", "Document"),
)
DEFAULT = "-period"
CALLS_SHOWN = 20


@portal_page
def invoices(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    found = invoices_of(visit.customer.id)
    if wants_csv(request):
        return csv_response(
            "invoices",
            ("number", "period_start", "period_end", "status", "currency", "subtotal", "tax", "total"),
            (
                (
                    row.number,
                    row.period_start,
                    row.period_end,
                    row.status,
                    row.currency,
                    *(
                        from_minor(minor, row.exponent)
                        for minor in (row.subtotal_minor, row.tax_minor, row.total_minor)
                    ),
                )
                for row in found.order_by("-period_start", "id").iterator()
            ),
        )
    page = listing(request, COLUMNS, found, default=DEFAULT)
    return render(request, "portal/invoices.html", {"visit": visit, "listing": page})


@portal_page
def invoice(request: HttpRequest, public_id: str, visit: Visit) -> HttpResponseBase:
    page = invoice_page(visit.customer.id, public_id)
    if wants_csv(request):
        return csv_response(
            page.invoice.number,
            ("line", "description", "charge", "quantity", "unit", "unrounded", "amount", "currency"),
            (
                (
                    line.n,
                    line.description,
                    line.charge,
                    line.quantity,
                    line.unit,
                    line.unrounded,
                    from_minor(line.amount_minor, page.invoice.exponent),
                    page.invoice.currency,
                )
                for line in page.lines
            ),
        )
    return render(
        request,
        "portal/invoice.html",
        {"visit": visit, "page": page, "invoice": page.invoice, "public_id": public_id},
    )


@portal_page
def pdf(request: HttpRequest, public_id: str, visit: Visit) -> HttpResponse:
    page = invoice_page(visit.customer.id, public_id)
    response = HttpResponse(invoice_pdf(page.invoice), content_type="application/pdf")
    response["Content-Disposition"] = f'inline; filename="{page.invoice.number}.pdf"'
    return response


@portal_page
def line(request: HttpRequest, public_id: str, n: int, visit: Visit) -> HttpResponseBase:
    """A line by day, then the very calls that it counts."""
    page = invoice_page(visit.customer.id, public_id)
    found = line_of(page, n)
    asked_day = day_of(request)
    days = days_of_line(visit.customer.id, found, visit.zone)
    if wants_csv(request):
        name = f"{page.invoice.number}-line-{n}"
        calls = all_calls_of_line(page.invoice, found, visit.zone, day=asked_day)
        head = ("id", "source", "occurred_at", "model", "counts")
        return csv_response(
            name,
            head,
            (
                (c.event.event_id, c.event.source, c.event.occurred_at, c.event.model, c.quantity)
                for c in calls
            ),
        )
    before = before_of(request)
    mark = not_kept_before(found)
    counted = calls_of_line(page.invoice, found, visit.zone, size=CALLS_SHOWN, day=asked_day, before=before)
    context = {
        "visit": visit,
        "invoice": page.invoice,
        "public_id": public_id,
        "line": found,
        "days": days,
        "day": asked_day,
        "chart": line_chart(found, days) if days else None,
        "period": Period(found.period_start, found.period_end),
        "calls": counted.calls,
        "kept_since": mark,
        "older_href": address(request, {"before": str(counted.older_than)}) if counted.older_than else "",
        "newest_href": address(request, {"before": None}) if before is not None else "",
        "csv_href": address(request, {"format": "csv", "before": None}),
    }
    return render(request, "portal/invoice_line.html", context)


def line_chart(found: InvoiceLine, days: list[LineDay]) -> charts.BarChart:
    return charts.stacked_bars(
        title=f"{found.description} by day",
        columns=[(short_day(row.day), day(row.day), {found.description: row.quantity}) for row in days],
        label=lambda quantity: counted_compactly(quantity, found.unit),
        axis=compact,
        href=lambda n: f"?day={days[n].day.isoformat()}#calls",
    )
