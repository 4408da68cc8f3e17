"""A finalized invoice goes to Stripe: customer, draft, lines, totals compared, finalized there. Once, whatever fails."""

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.db import transaction

from billing.invoices import PAYMENT_TERM, STRIPE_SYNC, record_payment
from billing.ledger import lock_customer
from billing.models import Invoice, InvoiceLine, StripeObject
from billing.stripe.calls import PREFIX, Refused, asking_stripe, call_stripe
from billing.stripe.client import stripe_client, stripe_is_set_up
from core.due_work import Handler, Park, Work
from core.failpoints import failpoint
from core.models import InboxMessage
from customers.models import Customer

WEBHOOK_DUE = "stripe.webhook"
SOURCE = "stripe"
LINES_MAX = 250  # Stripe takes no more on one invoice
LINES_A_CALL = 100
DESCRIPTION_MAX = 500
# What Stripe charges at least, in minor units; other currencies are taken to be like the dollar.
LEAST_CHARGE_MINOR = {"USD": 50, "EUR": 50, "GBP": 30, "JPY": 50, "CHF": 50, "CAD": 50, "AUD": 50, "INR": 50}
METADATA_INVOICE = f"{PREFIX}_invoice"
METADATA_CUSTOMER = f"{PREFIX}_customer"


def least_charge_minor(currency: str) -> int:
    """The least amount that Stripe charges, in minor units."""
    return LEAST_CHARGE_MINOR.get(currency, 50)


def sync_invoice(work: Work, now: datetime) -> datetime | None:
    """Bring one invoice's state to Stripe. Safe to start at any time and any number of times."""
    if not stripe_is_set_up():
        return None
    invoice = Invoice.objects.get(customer_id=work.customer_id, id=UUID(work.key))
    link = _link(invoice)
    if invoice.status == Invoice.Status.VOID:
        if link is not None and link.state != "void":
            with asking_stripe():
                _void(invoice, link, now)
        return None
    if invoice.status == Invoice.Status.DRAFT or (link is not None and link.state in ("finalized", "paid")):
        return None
    if invoice.paid_minor and link is None:
        return None  # paid by other means before it was sent: Stripe would ask for the money again
    if invoice.due_minor < least_charge_minor(invoice.currency):
        return None  # Stripe would call it paid and ask for the amount another time
    try:
        with asking_stripe():
            _send(invoice, now)
    except Refused as refusal:
        raise Park(str(refusal)) from refusal
    return None


def _send(invoice: Invoice, now: datetime) -> None:
    client = stripe_client()
    customer_id = _customer(invoice, now)
    request = _invoice_request(invoice, customer_id)
    stripe_id = call_stripe(
        invoice,
        "create",
        request,
        lambda params, key: client.v1.invoices.create(cast(Any, params), {"idempotency_key": key}),
        now=now,
        found=lambda: find_invoice(invoice, customer_id),
    )
    link = _remember(invoice, "invoice", invoice.id.hex, stripe_id, now)
    lines = stripe_lines(invoice)
    for start in range(0, len(lines), LINES_A_CALL):
        _add_lines(invoice, stripe_id, lines[start : start + LINES_A_CALL], start, now)
    _compare(invoice, stripe_id, link)
    call_stripe(
        invoice,
        "finalize",
        {"auto_advance": True},
        lambda params, key: client.v1.invoices.finalize_invoice(
            stripe_id, cast(Any, params), {"idempotency_key": key}
        ),
        now=now,
        found=lambda: stripe_id if client.v1.invoices.retrieve(stripe_id).status != "draft" else None,
    )
    # Stripe may have told of the payment already: what the link has become since it was read stays.
    links = StripeObject.objects.filter(customer_id=invoice.customer_id, kind="invoice", ours=invoice.id.hex)
    links.filter(state="linked").update(state="finalized")


def _add_lines(
    invoice: Invoice, stripe_id: str, chunk: list[dict[str, Any]], start: int, now: datetime
) -> None:
    client = stripe_client()
    call_stripe(
        invoice,
        f"lines{start // LINES_A_CALL}",
        {"lines": chunk},
        lambda params, key: client.v1.invoices.add_lines(
            stripe_id, cast(Any, params), {"idempotency_key": key}
        ),
        now=now,
        found=lambda: stripe_id if _lines_there(stripe_id) > start else None,
    )


def _customer(invoice: Invoice, now: datetime) -> str:
    customer = Customer.objects.get(id=invoice.customer_id)
    known = StripeObject.objects.filter(customer_id=customer.id, kind="customer").first()
    if known is not None:
        return known.theirs
    client = stripe_client()
    request: dict[str, Any] = {"name": customer.name, "metadata": {METADATA_CUSTOMER: customer.key[:500]}}
    if customer.email:
        request["email"] = customer.email
    theirs = call_stripe(
        invoice,
        "customer",
        request,
        lambda params, key: client.v1.customers.create(cast(Any, params), {"idempotency_key": key}),
        now=now,
        found=lambda: _find_customer(customer),
    )
    _remember(invoice, "customer", str(customer.id), theirs, now)
    return theirs


def _find_customer(customer: Customer) -> str | None:
    params: dict[str, Any] = {"limit": 100, **({"email": customer.email} if customer.email else {})}
    for found in stripe_client().v1.customers.list(cast(Any, params)).auto_paging_iter():
        if _meta(found, METADATA_CUSTOMER) == customer.key:
            return str(found.id)
    return None


def _meta(found: Any, name: str) -> str | None:
    metadata = found.to_dict().get("metadata") or {}
    return metadata.get(name)


def find_invoice(invoice: Invoice, customer_id: str) -> str | None:
    """Stripe's invoice for ours, found by listing the customer's: search would lag behind."""
    listed = stripe_client().v1.invoices.list({"customer": customer_id, "limit": 100})
    for found in listed.auto_paging_iter():
        if _meta(found, METADATA_INVOICE) == invoice.id.hex:
            return str(found.id)
    return None


def _invoice_request(invoice: Invoice, customer_id: str) -> dict[str, Any]:
    # Stripe sends an invoice to those who have an address, and charges what is on file for the others.
    sent = bool(invoice.snapshot["customer"]["email"])
    collection = (
        {"collection_method": "send_invoice", "days_until_due": PAYMENT_TERM.days}
        if sent
        else {"collection_method": "charge_automatically"}
    )
    return {
        "customer": customer_id,
        "currency": invoice.currency.lower(),
        "auto_advance": False,
        **collection,
        "pending_invoice_items_behavior": "exclude",
        "number": invoice.number,
        "metadata": {
            METADATA_INVOICE: invoice.id.hex,
            f"{PREFIX}_number": invoice.number,
            f"{PREFIX}_hash": invoice.document_hash,
        },
    }


def stripe_lines(invoice: Invoice) -> list[dict[str, Any]]:
    """Our lines as Stripe takes them: integers in minor units, tax and credit as lines of their own, at most 250."""
    rows = list(
        InvoiceLine.objects.filter(customer_id=invoice.customer_id, invoice_id=invoice.id).order_by("n")
    )
    room = LINES_MAX - 2  # tax and credit may want one each
    lines = [_line(row.description, row.amount_minor, row) for row in rows[:room]]
    if len(rows) > room:
        rest = rows[room - 1 :]
        lines[room - 1 :] = [
            _line(
                f"Other lines ({len(rest)}), see the invoice's statement",
                sum(row.amount_minor for row in rest),
                rest[0],
            )
        ]
    if invoice.tax_minor:
        lines.append(_line(str(invoice.snapshot["tax"]["name"]), invoice.tax_minor, None))
    credited = invoice.total_minor - invoice.due_minor
    if credited:
        lines.append(_line("Credit applied", -credited, None))
    return lines


def _line(description: str, amount_minor: int, row: InvoiceLine | None) -> dict[str, Any]:
    line: dict[str, Any] = {"description": description[:DESCRIPTION_MAX], "amount": amount_minor}
    if row is not None:
        start, end = int(row.period_start.timestamp()), int(row.period_end.timestamp())
        line["period"] = {"start": start, "end": end}
    return line


def _lines_there(stripe_id: str) -> int:
    """How many lines the draft has there. A chunk is added whole or not at all, so more than came before is this one."""
    listed = stripe_client().v1.invoices.line_items.list(stripe_id, {"limit": 100})
    return sum(1 for _ in listed.auto_paging_iter())


def _compare(invoice: Invoice, stripe_id: str, link: StripeObject) -> None:
    """Both totals must be the same to the minor unit; otherwise nothing is finalized and a person is told."""
    theirs = stripe_client().v1.invoices.retrieve(stripe_id)
    if theirs.total != invoice.due_minor:
        link.state = "mismatch"
        link.save(update_fields=["state"])
        raise Park(f"{invoice.number}: we ask for {invoice.due_minor}, Stripe would ask for {theirs.total}.")


def _void(invoice: Invoice, link: StripeObject, now: datetime) -> None:
    client = stripe_client()
    call_stripe(
        invoice,
        "void",
        {},
        lambda params, key: client.v1.invoices.void_invoice(link.theirs, {}, {"idempotency_key": key}),
        now=now,
        found=lambda: link.theirs if client.v1.invoices.retrieve(link.theirs).status == "void" else None,
    )
    link.state = "void"
    link.save(update_fields=["state"])


def _link(invoice: Invoice) -> StripeObject | None:
    return StripeObject.objects.filter(
        customer_id=invoice.customer_id, kind="invoice", ours=invoice.id.hex
    ).first()


def _remember(invoice: Invoice, kind: str, ours: str, theirs: str, now: datetime) -> StripeObject:
    link, _ = StripeObject.objects.get_or_create(
        customer_id=invoice.customer_id,
        kind=kind,
        ours=ours,
        defaults={"theirs": theirs, "created_at": now},
    )
    return link


def reconcile(work: Work, now: datetime) -> datetime | None:
    """Something happened to an invoice at Stripe: fetch it as it is now, and follow. Order and repetition do not matter.

    Work without a customer is about an invoice that was not known when Stripe told of it. Where it is none of ours, nothing
    is done; where it is, it is tried again until the row that links it is there.
    """
    link = StripeObject.objects.filter(kind="invoice", theirs=work.key).first()
    with asking_stripe():
        theirs = stripe_client().v1.invoices.retrieve(work.key)
    if link is None:
        if _meta(theirs, METADATA_INVOICE) is None:
            return None
        raise LookupError(f"Stripe's invoice {work.key} is not known here yet.")
    if theirs.status == "paid":
        _book_payment(link, theirs.amount_paid, now)
    InboxMessage.objects.filter(source=SOURCE, payload__invoice=work.key, handled_at=None).update(
        handled_at=now
    )
    return None


@transaction.atomic
def _book_payment(link: StripeObject, paid_minor: int, now: datetime) -> None:
    """Book what Stripe received, once: the invoice, the ledger and the link move together, under the customer's lock."""
    lock_customer(link.customer_id)
    link.refresh_from_db()
    if link.state == "paid":
        return
    invoice = Invoice.objects.get(customer_id=link.customer_id, id=UUID(link.ours))
    if paid_minor != invoice.due_minor - invoice.paid_minor:
        # Paid there may mean moved to a balance: only money that came is booked.
        raise Park(f"Stripe received {paid_minor} for {invoice.number}; {invoice.due_minor} were due.")
    reference = f"stripe:{link.theirs}"
    record_payment(link.customer_id, invoice.id, amount_minor=paid_minor, reference=reference, now=now)
    failpoint("billing.stripe.payment.before_commit")
    link.state = "paid"
    link.save(update_fields=["state"])


HANDLERS: dict[str, Handler] = {STRIPE_SYNC: sync_invoice, WEBHOOK_DUE: reconcile}
