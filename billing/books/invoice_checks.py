"""Invoices: sums that tie, numbers without gaps, fingerprints that match, and lines that re-rate from the raw events."""

from collections.abc import Iterator
from decimal import Decimal

from django.db.models import Sum

from billing.books.breach import Breach, rows
from billing.books.rerating import rerated_lines
from billing.drafts import START
from billing.invoices import SERIES, document_hash
from billing.models import Invoice, InvoiceLine
from core.money import tax_minor


def totals_equal_lines() -> Iterator[Breach]:
    for invoice in Invoice.objects.exclude(status=Invoice.Status.VOID).order_by("customer_id", "id"):
        lines = InvoiceLine.objects.filter(customer_id=invoice.customer_id, invoice_id=invoice.id)
        subtotal = lines.aggregate(sum=Sum("amount_minor"))["sum"] or 0
        name = invoice.number or str(invoice.id)
        if subtotal != invoice.subtotal_minor:
            detail = f"invoice {name}: lines sum to {subtotal}, it says {invoice.subtotal_minor}"
            yield Breach("I4", invoice.customer_id, detail)
        if invoice.subtotal_minor + invoice.tax_minor != invoice.total_minor:
            yield Breach("I4", invoice.customer_id, f"invoice {name}: subtotal and tax are not its total")


def numbers_have_no_gaps() -> Iterator[Breach]:
    found = rows(
        """
        SELECT n.number FROM
            (SELECT prefix || '-' || lpad(g::text, 6, '0') AS number
             FROM billing_invoiceseries, generate_series(1, last_number) g) n
        LEFT JOIN billing_invoicenumber i ON i.number = n.number
        LEFT JOIN billing_invoice v ON v.id = i.invoice_id AND v.customer_id = i.customer_id AND v.number = n.number
        WHERE v.id IS NULL ORDER BY 1
        """
    )
    for (number,) in found:
        yield Breach("I7", 0, f"no invoice has the number {number}")
    for (number,) in rows(
        "SELECT number FROM billing_invoice WHERE number <> '' GROUP BY number HAVING count(*) > 1"
    ):
        yield Breach("I7", 0, f"the number {number} of series {SERIES} was given twice")


def one_invoice_a_period() -> Iterator[Breach]:
    found = rows(
        """
        SELECT customer_id, subscription_id, period_start, kind FROM billing_invoice WHERE status <> 'void'
        GROUP BY 1, 2, 3, 4 HAVING count(*) > 1
        """
    )
    for customer_id, subscription_id, period_start, kind in found:
        yield Breach("I6", customer_id, f"two {kind} invoices of {subscription_id} for {period_start}")


def fingerprints_match() -> Iterator[Breach]:
    for invoice in Invoice.objects.exclude(document_hash="").order_by("customer_id", "id"):
        if document_hash(invoice) != invoice.document_hash:
            yield Breach("I13", invoice.customer_id, f"invoice {invoice.number} is not what was issued")


def lines_rerate() -> Iterator[Breach]:
    """Each finalized invoice's usage lines, rated again from the raw events known at its closing."""
    finalized = Invoice.objects.filter(finalized_at__isnull=False).exclude(kind=START)
    for invoice in finalized.exclude(status=Invoice.Status.VOID).order_by(
        "customer_id", "period_start", "id"
    ):
        issued = {
            (line.segment_id, line.charge): line.amount_minor
            for line in InvoiceLine.objects.filter(
                customer_id=invoice.customer_id, invoice_id=invoice.id, kind="usage"
            )
        }
        again = rerated_lines(invoice)
        for place in sorted(issued.keys() | again.keys(), key=str):
            if issued.get(place, 0) != again.get(place, 0):
                detail = (
                    f"invoice {invoice.number}: the line of {place[1]} says {issued.get(place, 0)}, its events "
                    f"rate to {again.get(place, 0)}"
                )
                yield Breach("I8", invoice.customer_id, detail)


def taxes_tie() -> Iterator[Breach]:
    for invoice in Invoice.objects.filter(finalized_at__isnull=False).order_by("customer_id", "id"):
        rate = Decimal(invoice.snapshot["tax"]["rate"])
        if tax_minor(invoice.subtotal_minor, rate) != invoice.tax_minor:
            yield Breach(
                "I4", invoice.customer_id, f"invoice {invoice.number}: its tax is not {rate} of its subtotal"
            )
