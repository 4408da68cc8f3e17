"""What must be so at the end of every fault test."""

from typing import Any

from django.db.models import Count

from billing.books.verify import verify_books
from billing.models import Invoice, InvoiceLine, InvoiceNumber, InvoiceSeries, StripeCall


def breaches() -> list[str]:
    """What ``manage.py verify_books`` would say; empty when the books are in order."""
    return [f"{name}: {breach.detail}" for name, found in verify_books() for breach in found]


def lines_of(invoice: Invoice) -> list[int]:
    lines = InvoiceLine.objects.filter(customer_id=invoice.customer_id, invoice_id=invoice.id)
    return list(lines.order_by("n").values_list("amount_minor", flat=True))


def numbers() -> list[str]:
    """The numbers given, which must be as many as the series has counted, from one on."""
    given = sorted(InvoiceNumber.objects.values_list("number", flat=True))
    counted = sum(InvoiceSeries.objects.values_list("last_number", flat=True))
    assert given == [f"BL-{n:06d}" for n in range(1, counted + 1)]
    return given


def the_only_one_there(double: Any, invoice: Invoice) -> dict[str, Any]:
    """Stripe's invoice for ours: exactly one, with our total, lines and number, and no call of ours left open."""
    (theirs,) = double.objects("invoice")
    assert theirs["metadata"]["burnline_invoice"] == invoice.id.hex
    assert (theirs["total"], theirs["number"]) == (invoice.total_minor, invoice.number)
    amounts = sorted(line["amount"] for line in theirs["lines"]["data"])
    assert amounts == sorted([*lines_of(invoice), invoice.tax_minor])
    assert len(double.objects("customer")) == 1
    assert not StripeCall.objects.filter(state="requested").exists()
    twice = StripeCall.objects.filter(state="done").values("invoice_id", "step").annotate(n=Count("id"))
    assert not twice.filter(n__gt=1).exists()
    return theirs
