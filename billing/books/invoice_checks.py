"""Invoices: sums that tie, numbers without gaps, fingerprints that match, and lines that re-rate from the raw events."""

from collections.abc import Iterator
from decimal import Decimal
from uuid import UUID

from django.db.models import Sum

from billing.books.breach import Breach, rows
from billing.books.rerating import rerated_lines
from billing.drafts import PERIOD
from billing.invoices import SERIES, document_hash
from billing.models import Invoice, InvoiceLine, LatePeriod
from billing.statements.late_usage import USAGE
from core.money import tax_minor
from metering.models import EventStream


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
        lines = InvoiceLine.objects.filter(customer_id=invoice.customer_id, invoice_id=invoice.id)
        if document_hash(invoice, lines.order_by("n")) != invoice.document_hash:
            yield Breach("I13", invoice.customer_id, f"invoice {invoice.number} is not what was issued")


def lines_rerate() -> Iterator[Breach]:
    """What each period's invoices billed for usage, corrections included, against its raw events rated again.

    A period into which something came since its last invoice is left out: its difference is still to be billed. So is one
    whose events are no longer kept: it was checked while they were.
    """
    kept_since = dict(EventStream.objects.exclude(kept_since=None).values_list("customer_id", "kept_since"))
    waiting = set(LatePeriod.objects.values_list("customer_id", "subscription_id", "period_start"))
    finalized = Invoice.objects.filter(finalized_at__isnull=False, kind=PERIOD)
    for invoice in finalized.exclude(status=Invoice.Status.VOID).order_by(
        "customer_id", "period_start", "id"
    ):
        if (invoice.customer_id, invoice.subscription_id, invoice.period_start) in waiting:
            continue
        mark = kept_since.get(invoice.customer_id)
        if mark is not None and invoice.period_start < mark:
            continue
        issued, closing_seq = _billed(invoice)
        again = rerated_lines(invoice, up_to_seq=closing_seq)
        for place in sorted(issued.keys() | again.keys(), key=str):
            if issued.get(place, 0) != again.get(place, 0):
                detail = (
                    f"period of invoice {invoice.number}: {place[1]} was billed at {issued.get(place, 0)}, its "
                    f"events rate to {again.get(place, 0)}"
                )
                yield Breach("I8", invoice.customer_id, detail)


def _billed(invoice: Invoice) -> tuple[dict[tuple[UUID | None, str], int], int]:
    """What this invoice and the corrections since billed for its period, and how far the last of them had seen."""
    issuing = {
        row.id: row.closing_seq
        for row in Invoice.objects.filter(
            customer_id=invoice.customer_id,
            subscription_id=invoice.subscription_id,
            finalized_at__isnull=False,
            period_start__gte=invoice.period_start,
        ).exclude(status=Invoice.Status.VOID)
    }
    lines = InvoiceLine.objects.filter(
        customer_id=invoice.customer_id,
        invoice_id__in=list(issuing),
        kind__in=("usage", "correction"),
        period_start__gte=invoice.period_start,
        period_end__lte=invoice.period_end,
        corrects__in=("", USAGE),
    )
    billed: dict[tuple[UUID | None, str], int] = {}
    closing_seq = invoice.closing_seq
    for line in lines:
        place = (line.segment_id, line.charge)
        billed[place] = billed.get(place, 0) + line.amount_minor
        closing_seq = max(closing_seq, issuing[line.invoice_id])
    return billed, closing_seq


def taxes_tie() -> Iterator[Breach]:
    for invoice in Invoice.objects.filter(finalized_at__isnull=False).order_by("customer_id", "id"):
        rate = Decimal(invoice.snapshot["tax"]["rate"])
        if tax_minor(invoice.subtotal_minor, rate) != invoice.tax_minor:
            yield Breach(
                "I4", invoice.customer_id, f"invoice {invoice.number}: its tax is not {rate} of its subtotal"
            )
