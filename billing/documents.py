"""Invoices as PDF files, set by typst from a template that takes its text as data."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import typst
from django.conf import settings

from billing.models import Invoice, InvoiceLine
from core.money import from_minor
from core.pages.figures import readable
from core.pages.units import counted_text
from core.periods import local_date
from customers.models import Customer

TEMPLATE = Path(__file__).resolve().parent.parent / "templates" / "documents" / "invoice.typ"
MINUS = "\N{MINUS SIGN}"
STEPS_SHOWN = (
    "included",
    "tier",
    "model",
    "minimum",
    "maximum",
    "discount",
    "subscription_discount",
    "proration",
    "change",
)
STEPS_MAX = 12


def invoice_pdf(invoice: Invoice) -> bytes:
    """The invoice as a PDF. The same invoice gives the same text; a draft says that it is one."""
    document = json.dumps(invoice_text(invoice))
    return bytes(typst.compile(str(TEMPLATE), format="pdf", sys_inputs={"invoice": document}))


def parties_of(customer: Customer) -> dict[str, Any]:
    """What a document says of the customer, as it is now; a finalized one keeps it."""
    return {
        "customer": {
            "key": customer.key,
            "name": customer.name,
            "email": customer.email,
            "address": customer.address,
            "timezone": customer.timezone,
        },
        "tax": {"name": customer.tax_name or "Tax", "rate": str(customer.tax_rate)},
    }


def invoice_text(invoice: Invoice) -> dict[str, Any]:
    """All that the document says, as the template sets it."""
    lines = InvoiceLine.objects.filter(customer_id=invoice.customer_id, invoice_id=invoice.id).order_by("n")
    parties = invoice.snapshot or parties_of(invoice.customer)
    customer, tax = parties["customer"], parties["tax"]
    zone = customer["timezone"]
    sums = [["Subtotal", _amount(invoice, invoice.subtotal_minor)]]
    if invoice.tax_minor:
        rate = f"{Decimal(tax['rate']) * 100:f}".rstrip("0").rstrip(".")
        sums.append([f"{tax['name']} {rate} %", _amount(invoice, invoice.tax_minor)])
    sums.append(["Total", _amount(invoice, invoice.total_minor)])
    for words, minor in (
        ("From your credit", -invoice.credit_used_minor),
        ("Kept as your credit", invoice.credit_kept_minor),
        ("Paid", -invoice.paid_minor),
    ):
        if minor:
            sums.append([words, _amount(invoice, minor)])
    return {
        "number": invoice.number or "draft",
        "seller": settings.COMPANY_NAME,
        "date": _day(invoice.finalized_at, zone),
        "due": _day(invoice.due_at, zone),
        "period": f"{_day(invoice.period_start, zone)} to {_last_day(invoice.period_end, zone)}",
        "subscription": str(invoice.snapshot.get("subscription", "")),
        "customer": str(customer.get("name", "")),
        "address": str(customer.get("address", "")).splitlines(),
        "email": str(customer.get("email", "")),
        "timezone": zone,
        "status": {"draft": "DRAFT, not yet final", "void": "VOID", "paid": "Paid"}.get(invoice.status, ""),
        "currency": invoice.currency,
        "lines": [_line(invoice, line) for line in lines],
        "sums": sums,
        "to_pay": _amount(invoice, invoice.open_minor),
    }


def _line(invoice: Invoice, line: InvoiceLine) -> dict[str, object]:
    steps = [readable(str(step["text"])) for step in line.explain if step["kind"] in STEPS_SHOWN]
    return {
        "description": line.description,
        "steps": steps[:STEPS_MAX],
        "quantity": _quantity(line) if line.kind in ("usage", "correction") else "",
        "amount": _amount(invoice, line.amount_minor),
    }


def _quantity(line: InvoiceLine) -> str:
    return "" if line.quantity is None else counted_text(line.quantity, line.unit)


def _amount(invoice: Invoice, minor: int) -> str:
    return f"{from_minor(minor, invoice.exponent):,f}".replace("-", MINUS)


def _day(at: datetime | None, zone: str) -> str:
    return "" if at is None else f"{local_date(at, zone):%-d %B %Y}"


def _last_day(end: datetime, zone: str) -> str:
    """The last day that belongs to a period that ends, exclusively, at ``end``."""
    return _day(end - timedelta(microseconds=1), zone)
