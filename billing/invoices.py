"""Invoices as documents: finalized once, numbered without gaps, paid, voided, and never changed."""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

from django.db import connection, transaction

from billing.documents import parties_of
from billing.drafts import START, late_periods, work_out
from billing.ledger import Entry, balance, lock_customer, post
from billing.models import (
    Invoice,
    InvoiceLine,
    LatePeriod,
    LedgerTransaction,
    RatingPosition,
    Subscription,
)
from billing.rating import BATCH_EVENTS, rate_batch
from billing.statements.statement import Statement
from billing.subscriptions.basis import read_ahead
from core.due_work import Park, cancel, schedule
from core.failpoints import failpoint
from core.money import from_minor
from core.problems import Conflict

SERIES = "BL"
PAYMENT_TERM = timedelta(days=14)
STRIPE_SYNC = "stripe.invoice"
FINALIZE_DUE = "invoice.finalize"
PAYMENT = "invoice.payment"
PAYABLE = (Invoice.Status.FINALIZED, Invoice.Status.UNCOLLECTIBLE)


def finalize_invoice(customer_id: int, invoice_id: UUID, *, now: datetime) -> Invoice:
    """Make a draft a document: rate what is stored, work out the lines a last time, give it its number, book it.

    Finalizing a finalized invoice changes nothing and returns it. Raises ``Conflict`` for a voided one, and ``Park`` where
    a charge has no price for something that was used: such an invoice waits for a person.
    """
    while True:
        with transaction.atomic():
            position = lock_customer(customer_id)
            rated = rate_batch(position, now=now)
            if rated < BATCH_EVENTS:
                invoice = _finalize(position, invoice_id, now)
                failpoint("billing.invoices.before_commit")
                break
    failpoint("billing.invoices.after_commit")
    return invoice


def _finalize(position: RatingPosition, invoice_id: UUID, now: datetime) -> Invoice:
    customer_id = position.customer_id
    invoice = Invoice.objects.get(customer_id=customer_id, id=invoice_id)
    if invoice.status == Invoice.Status.VOID:
        raise Conflict(f"{invoice.number or 'The draft'} is void and stays so: nothing is due on it.")
    if invoice.status != Invoice.Status.DRAFT:
        return invoice
    subscription = Subscription.objects.select_related("customer").get(
        customer_id=customer_id, id=invoice.subscription_id
    )
    with read_ahead(subscription, invoice.period_start):
        late = late_periods(subscription, invoice.period_start)
        statement, lines = work_out(invoice, subscription)
    _refuse_unpriced(statement)
    if late and invoice.kind != START:
        LatePeriod.objects.filter(
            customer_id=customer_id,
            subscription_id=subscription.id,
            period_start__in=[span.period.start for span in late],
        ).delete()
    cancel(customer_id, FINALIZE_DUE, invoice.id.hex)
    schedule(customer_id, STRIPE_SYNC, invoice.id.hex, now, soon=True)
    invoice.closing_seq = position.rated_seq
    invoice.snapshot = snapshot_of(subscription, statement)
    _settle_from_credit(invoice, now)
    invoice.finalized_at = now
    invoice.due_at = now + PAYMENT_TERM
    invoice.status = Invoice.Status.FINALIZED if invoice.due_minor else Invoice.Status.PAID
    invoice.paid_at = None if invoice.due_minor else now
    invoice.number = _next_number(invoice)
    invoice.document_hash = document_hash(invoice, lines)
    invoice.save()
    return invoice


def _refuse_unpriced(statement: Statement) -> None:
    for line in statement.lines:
        if line.rated.charge is not None and line.rated.charge.unpriced:
            raise Park(
                f"{line.description}: {line.rated.charge.unpriced} units have no price in the charge "
                f"{line.charge!r}. Give the plan a default price in a new version, then finalize."
            )


def _next_number(invoice: Invoice) -> str:
    """The next number of the series. Its row stays locked until the commit, so a rollback leaves no gap."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO billing_invoiceseries AS s (prefix, last_number) VALUES (%s, 1)
            ON CONFLICT (prefix) DO UPDATE SET last_number = s.last_number + 1 RETURNING last_number
            """,
            [SERIES],
        )
        number = f"{SERIES}-{cursor.fetchone()[0]:06d}"
        cursor.execute(
            "INSERT INTO billing_invoicenumber (number, customer_id, invoice_id) VALUES (%s, %s, %s)",
            [number, invoice.customer_id, invoice.id],
        )
    return number


def snapshot_of(subscription: Subscription, statement: Statement) -> dict[str, object]:
    """What the document says of the parties and the plan, as they are now: later edits do not reach it."""
    customer = subscription.customer
    parties = parties_of(customer)
    return {
        "customer": parties["customer"] | {"timezone": subscription.timezone},
        "tax": parties["tax"],
        "subscription": subscription.key,
        "cost": str(statement.cost),
        "credit_revenue": str(statement.credit_revenue),
    }


def _settle_from_credit(invoice: Invoice, now: datetime) -> None:
    """Book the invoice; what the operator owes the customer is used first, and a negative total is added to it."""
    owed_minor = -int(balance(invoice.customer_id, "credit", invoice.currency) * 10**invoice.exponent)
    used_minor = min(owed_minor, invoice.total_minor)  # negative where the total is: the debt grows
    invoice.due_minor = invoice.total_minor - used_minor
    entries = [
        ("receivable", invoice.due_minor),
        ("credit", used_minor),
        ("revenue", -invoice.subtotal_minor),
        ("tax", -invoice.tax_minor),
    ]
    _post(invoice, "invoice.finalize", invoice.id.hex, entries, now)


def _post(invoice: Invoice, kind: str, reference: str, entries: list[tuple[str, int]], now: datetime) -> None:
    moved = [
        Entry(account, invoice.currency, from_minor(minor, invoice.exponent))
        for account, minor in entries
        if minor
    ]
    post(invoice.customer_id, kind, reference, moved, occurred_at=now, now=now)


def document_hash(invoice: Invoice, lines: Iterable[InvoiceLine]) -> str:
    """A fingerprint of everything the document says, so that a change made behind our back is found.

    ``lines`` are the invoice's own as they are stored, in their order.
    """
    document = {
        "number": invoice.number,
        "period": [invoice.period_start.isoformat(), invoice.period_end.isoformat()],
        "currency": invoice.currency,
        "sums": [invoice.subtotal_minor, invoice.tax_minor, invoice.total_minor],
        "snapshot": invoice.snapshot,
        "lines": [
            [line.n, line.kind, line.charge, line.description, _text(line.quantity), _text(line.unrounded)]
            + [line.amount_minor, line.explain, *([line.unit] if line.unit else [])]
            for line in lines
        ],
    }
    return sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _text(number: Decimal | None) -> str:
    return "" if number is None else format(number.normalize(), "f")


@transaction.atomic
def record_payment(
    customer_id: int, invoice_id: UUID, *, amount_minor: int, reference: str, now: datetime
) -> Invoice:
    """Book money received for an invoice; the same reference again for the same invoice changes nothing.

    Raises ``Conflict`` when the invoice is not open or the amount is more than is due.
    """
    lock_customer(customer_id)
    invoice = Invoice.objects.get(customer_id=customer_id, id=invoice_id)
    booking = f"{invoice.id.hex}:{reference}"
    if LedgerTransaction.objects.filter(customer_id=customer_id, kind=PAYMENT, reference=booking).exists():
        return invoice
    if invoice.status not in PAYABLE:
        raise Conflict(_why_not_payable(invoice))
    if not 0 < amount_minor <= invoice.open_minor:
        due, paid = (from_minor(minor, invoice.exponent) for minor in (invoice.open_minor, amount_minor))
        raise Conflict(
            f"{invoice.number} has {due} {invoice.currency} to pay, not {paid}. "
            f"In minor units that is {invoice.open_minor}, not {amount_minor}."
        )
    _post(invoice, PAYMENT, booking, [("cash", amount_minor), ("receivable", -amount_minor)], now)
    invoice.paid_minor += amount_minor
    if invoice.paid_minor == invoice.due_minor:
        invoice.status, invoice.paid_at = Invoice.Status.PAID, now
    invoice.save(update_fields=["paid_minor", "status", "paid_at"])
    return invoice


def _why_not_payable(invoice: Invoice) -> str:
    if invoice.status == Invoice.Status.DRAFT:
        return "This invoice is a draft: finalize it, and then book the payment."
    paid = "is paid in full" if invoice.status == Invoice.Status.PAID else "is void"
    return f"{invoice.number or 'The draft'} {paid}: nothing is due on it."


@transaction.atomic
def void_invoice(customer_id: int, invoice_id: UUID, *, now: datetime) -> Invoice:
    """Cancel an unpaid invoice: its number stays taken, its booking is reversed.

    Raises ``Conflict`` for one with a payment. A draft is voided without a trace in the ledger.
    """
    lock_customer(customer_id)
    invoice = Invoice.objects.get(customer_id=customer_id, id=invoice_id)
    if invoice.status == Invoice.Status.VOID:
        return invoice
    if invoice.paid_minor or invoice.status == Invoice.Status.PAID:
        raise Conflict(
            f"{invoice.number} has been paid: it stays as it is. Give the money back the way it came."
        )
    if invoice.status != Invoice.Status.DRAFT:
        used_minor = invoice.total_minor - invoice.due_minor
        entries = [
            ("receivable", -invoice.due_minor),
            ("credit", -used_minor),
            ("revenue", invoice.subtotal_minor),
            ("tax", invoice.tax_minor),
        ]
        _post(invoice, "invoice.void", invoice.id.hex, entries, now)
        schedule(customer_id, STRIPE_SYNC, invoice.id.hex, now, soon=True)
    cancel(customer_id, FINALIZE_DUE, invoice.id.hex)
    invoice.status, invoice.voided_at = Invoice.Status.VOID, now
    invoice.save(update_fields=["status", "voided_at"])
    return invoice


@transaction.atomic
def mark_uncollectible(customer_id: int, invoice_id: UUID, *, now: datetime) -> Invoice:
    """Note that the money is not expected any more; a payment may still come."""
    lock_customer(customer_id)
    invoice = Invoice.objects.get(customer_id=customer_id, id=invoice_id)
    if invoice.status != Invoice.Status.FINALIZED:
        told = "a draft: finalize or void it" if invoice.status == Invoice.Status.DRAFT else invoice.status
        raise Conflict(f"Only an open invoice can be given up; this one is {told}.")
    invoice.status = Invoice.Status.UNCOLLECTIBLE
    invoice.save(update_fields=["status"])
    return invoice
