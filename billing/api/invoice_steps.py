"""What an operator does with an invoice: finalize, void, book a payment, give it up."""

from collections.abc import Callable
from datetime import datetime

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.invoices import invoice_named, invoices_json
from billing.api.reading import nothing_to_read
from billing.api.schema import InvoiceSchema, PaymentSchema
from billing.invoices import finalize_invoice, mark_uncollectible, record_payment, void_invoice
from billing.models import Invoice
from core import limits
from core.clock import now
from core.due_work import Park
from core.fields import Fields
from core.http.once import answer_once
from core.http.queries import query_of
from core.http.schema import IDEMPOTENCY_KEY, refusals
from core.http.views import ApiView, credential_of
from core.idempotency import Answer
from core.problems import Conflict

Step = Callable[[Invoice, datetime], Invoice]


def take(request: Request, invoice: Invoice, step: Step) -> Response:
    """Carry out the step once and answer the invoice as it is then."""
    at = now()

    def act() -> Answer:
        done = step(invoice, at)
        done.customer = invoice.customer
        return Answer(200, invoices_json([done])[0])

    return answer_once(request, act, now=at, customer_id=invoice.customer_id)


class FinalizeView(ApiView):
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["invoices"],
        summary="Finalize a draft now",
        description="Before its grace is over. Usage that comes later is a correction on the next invoice.",
        operation_id="finalizeInvoice",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses={200: InvoiceSchema, **refusals(404, 409, 413, 415, 422)},
    )
    def post(self, request: Request, id: str) -> Response:
        query_of(request).done()
        nothing_to_read(request)
        return take(request, invoice_named(id, credential_of(request)), _finalize)


class VoidView(ApiView):
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["invoices"],
        summary="Void an unpaid invoice",
        description="Its number stays taken and its booking is reversed. 409 for one with a payment.",
        operation_id="voidInvoice",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses={200: InvoiceSchema, **refusals(404, 409, 413, 415, 422)},
    )
    def post(self, request: Request, id: str) -> Response:
        query_of(request).done()
        nothing_to_read(request)
        invoice = invoice_named(id, credential_of(request))
        return take(request, invoice, lambda row, at: void_invoice(row.customer_id, row.id, now=at))


class UncollectibleView(ApiView):
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["invoices"],
        summary="Give up an open invoice",
        description="Its money is not expected any more; a payment may still be booked.",
        operation_id="markInvoiceUncollectible",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses={200: InvoiceSchema, **refusals(404, 409, 413, 415, 422)},
    )
    def post(self, request: Request, id: str) -> Response:
        query_of(request).done()
        nothing_to_read(request)
        invoice = invoice_named(id, credential_of(request))
        return take(request, invoice, lambda row, at: mark_uncollectible(row.customer_id, row.id, now=at))


class PayView(ApiView):
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["invoices"],
        summary="Book a payment",
        description="Received outside Stripe. The same reference again for the same invoice is booked once.",
        operation_id="payInvoice",
        parameters=[IDEMPOTENCY_KEY],
        request=PaymentSchema,
        responses={200: InvoiceSchema, **refusals(404, 409, 413, 415, 422)},
    )
    def post(self, request: Request, id: str) -> Response:
        query_of(request).done()
        fields = Fields(request.data)
        amount = fields.integer("amount_minor", None, least=1, most=limits.PAYMENT_MINOR_MAX)
        reference = fields.text("reference", most=limits.PAYMENT_REFERENCE_CHARACTERS_MAX)
        fields.done()
        invoice = invoice_named(id, credential_of(request))

        def pay(row: Invoice, at: datetime) -> Invoice:
            due = row.open_minor
            amount_minor = due if amount is None else amount
            return record_payment(
                row.customer_id, row.id, amount_minor=amount_minor, reference=reference, now=at
            )

        return take(request, invoice, pay)


def _finalize(invoice: Invoice, at: datetime) -> Invoice:
    try:
        return finalize_invoice(invoice.customer_id, invoice.id, now=at)
    except Park as reason:
        raise Conflict(str(reason)) from reason
