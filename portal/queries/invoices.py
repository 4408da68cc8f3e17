"""A customer's invoices, and how each line came about, down to the day and the call."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from billing.models import Invoice, InvoiceLine
from core.ids import parse_public_id
from core.problems import NotFound

SHOWN = (Invoice.Status.FINALIZED, Invoice.Status.PAID, Invoice.Status.VOID, Invoice.Status.UNCOLLECTIBLE)


@dataclass(frozen=True)
class InvoicePage:
    invoice: Invoice
    lines: tuple[InvoiceLine, ...]


@dataclass(frozen=True)
class LineDay:
    """What one line counted on one local day."""

    day: date
    events: int
    quantity: Decimal


def invoices_of(customer_id: int) -> QuerySet[Invoice]:
    """Documents that have been sent: drafts are the seller's own paper."""
    return Invoice.objects.filter(customer_id=customer_id, status__in=SHOWN)


def invoice_page(customer_id: int, public_id: str) -> InvoicePage:
    """One invoice with its lines. Raises ``NotFound``, also for another customer's."""
    invoice = invoices_of(customer_id).filter(id=parse_public_id("inv", public_id)).first()
    if invoice is None:
        raise NotFound("There is no such invoice.")
    lines = InvoiceLine.objects.filter(customer_id=customer_id, invoice_id=invoice.id).order_by("n")
    return InvoicePage(invoice, tuple(lines))


def line_of(page: InvoicePage, n: int) -> InvoiceLine:
    for line in page.lines:
        if line.n == n:
            return line
    raise NotFound("This invoice has no such line.")


def days_of_line(customer_id: int, line: InvoiceLine, zone: str) -> list[LineDay]:
    """The line's usage by local day, from the same hourly sums that it was rated from."""
    if line.segment_id is None or not line.charge:
        return []
    return _bucket_days(customer_id, line.segment_id, line, zone)


def _bucket_days(customer_id: int, segment_id: UUID, line: InvoiceLine, zone: str) -> list[LineDay]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (hour AT TIME ZONE %s)::date, sum(events), sum(quantity)
            FROM metering_usagebucket
            WHERE customer_id = %s AND scope_id = %s AND series = %s AND hour >= %s AND hour < %s
            GROUP BY 1 ORDER BY 1
            """,
            [zone, customer_id, segment_id, line.charge, line.period_start, line.period_end],
        )
        return [LineDay(day, int(events), quantity) for day, events, quantity in cursor.fetchall()]
