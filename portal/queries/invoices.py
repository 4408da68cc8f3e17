"""A customer's invoices, and how each line came about, down to the day and the call."""

from dataclasses import dataclass

from django.db.models import QuerySet

from billing.models import Invoice, InvoiceLine
from core.ids import parse_public_id
from core.problems import NotFound

SHOWN = (Invoice.Status.FINALIZED, Invoice.Status.PAID, Invoice.Status.VOID, Invoice.Status.UNCOLLECTIBLE)


@dataclass(frozen=True)
class InvoicePage:
    invoice: Invoice
    lines: tuple[InvoiceLine, ...]


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
