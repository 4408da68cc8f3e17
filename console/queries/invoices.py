"""Invoices of all customers, by status and number."""

from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from billing.models import Invoice, InvoiceLine
from console.queries.currencies import place_of_currency
from core.ids import parse_public_id
from core.problems import NotFound


@dataclass(frozen=True)
class InvoicePage:
    invoice: Invoice
    lines: tuple[InvoiceLine, ...]


def invoices_like(words: str, status: str) -> QuerySet[Invoice]:
    """Invoices whose number, customer's key or name hold the words."""
    rows = Invoice.objects.select_related("customer").annotate(place_of_currency=place_of_currency())
    if status in Invoice.Status.values:
        rows = rows.filter(status=status)
    if words:
        rows = rows.filter(
            Q(number__iexact=words) | Q(customer__key__icontains=words) | Q(customer__name__icontains=words)
        )
    return rows


def counts_by_status() -> dict[str, int]:
    found = Invoice.objects.values("status").annotate(n=Count("id")).order_by()
    counts = {row["status"]: row["n"] for row in found}
    return {"": sum(counts.values()), **{status: counts.get(status, 0) for status in Invoice.Status.values}}


def invoice_page(customer_id: int, public_id: str) -> InvoicePage:
    """One invoice with its lines. Raises ``NotFound``."""
    invoice_id = parse_public_id("inv", public_id)
    invoice = (
        Invoice.objects.select_related("customer").filter(customer_id=customer_id, id=invoice_id).first()
    )
    if invoice is None:
        raise NotFound("There is no such invoice.")
    lines = InvoiceLine.objects.filter(customer_id=invoice.customer_id, invoice_id=invoice.id)
    return InvoicePage(invoice, tuple(lines.order_by("n")))
