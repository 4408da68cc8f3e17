"""What an operator does with an invoice: finalize, void, book a payment, give it up."""

from decimal import Decimal

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from billing.invoices import finalize_invoice, mark_uncollectible, record_payment, void_invoice
from billing.models import Invoice
from console.access import staff_page
from console.acts import Done, carry_out, refused
from console.forms import written
from console.queries.invoices import invoice_page
from core.clock import now as present
from core.due_work import Park
from core.fields import Fields
from core.ids import parse_public_id
from core.limits import PAYMENT_REFERENCE_CHARACTERS_MAX
from core.money import ZERO, from_minor, round_to_minor
from core.problems import Invalid, Problem
from pricing.plan_terms import MONEY_MAX


@require_POST
@staff_page
def finalize(request: HttpRequest, customer_id: int, public_id: str) -> HttpResponse:
    try:
        done = finalize_invoice(customer_id, parse_public_id("inv", public_id), now=present())
    except Problem as problem:
        messages.error(request, f"Not finalized: {problem.detail} The draft is as it was.")
    except Park as reason:
        messages.error(request, f"Not finalized: {reason} The draft is as it was.")
    else:
        messages.success(request, f"Finalized as {done.number}. It can no longer change.")
    return redirect("console:invoice", customer_id, public_id)


@require_POST
@staff_page
def void(request: HttpRequest, customer_id: int, public_id: str) -> HttpResponse:
    try:
        void_invoice(customer_id, parse_public_id("inv", public_id), now=present())
    except Problem as problem:
        messages.error(request, f"Not voided: {problem.detail}")
    else:
        messages.success(request, "Voided. Its number stays taken, nothing is due on it.")
    return redirect("console:invoice", customer_id, public_id)


@require_POST
@staff_page
def pay(request: HttpRequest, customer_id: int, public_id: str) -> HttpResponse:
    """Book money that came some other way than through Stripe; without an amount, all that is due."""
    now = present()
    found = invoice_page(customer_id, public_id).invoice

    def act() -> Done:
        fields = Fields(written(request.POST, "amount", "reference"))
        amount = fields.number("amount", None, least=ZERO, most=MONEY_MAX)
        reference = fields.text("reference", most=PAYMENT_REFERENCE_CHARACTERS_MAX)
        fields.done()
        minor = found.open_minor if amount is None else _whole_minor(amount, found.exponent)
        done = record_payment(customer_id, found.id, amount_minor=minor, reference=reference, now=now)
        told = (
            "Booked. It is paid." if done.status == Invoice.Status.PAID else "Booked. The rest is still due."
        )
        return Done(told, reverse("console:invoice", args=[customer_id, public_id]))

    try:
        return carry_out(request, act, now=now, customer_id=customer_id)
    except Problem as problem:
        return refused(request, problem, "Nothing was booked", "console:invoice", customer_id, public_id)


@require_POST
@staff_page
def uncollectible(request: HttpRequest, customer_id: int, public_id: str) -> HttpResponse:
    try:
        mark_uncollectible(customer_id, parse_public_id("inv", public_id), now=present())
    except Problem as problem:
        messages.error(request, f"Not given up: {problem.detail}")
    else:
        messages.success(request, "Given up. A payment can still be booked.")
    return redirect("console:invoice", customer_id, public_id)


def _whole_minor(amount: Decimal, exponent: int) -> int:
    """The amount in minor units. Raises ``Invalid`` where it has digits that the currency has not."""
    minor = round_to_minor(amount, exponent)
    if from_minor(minor, exponent) != amount:
        digits = f"at most {exponent} digits after the point" if exponent else "no digits after a point"
        raise Invalid.one("amount", "digits", f"Write an amount with {digits}.")
    return minor
