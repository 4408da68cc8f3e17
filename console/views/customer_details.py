"""Who a customer is: made by a form, and changed by one."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from console.access import staff_page
from console.acts import Done, carry_out
from console.forms import Input, errors_of, filled, written
from core.clock import now as present
from core.fields import Fields
from core.money import plain
from core.problems import Problem
from customers.customers import change_customer, create_customer
from customers.models import Customer
from customers.queries import customer_by_id
from customers.reading import read_change, read_new_customer

FIXED = (
    Input("key", "Key", required=True, help="Your own id for it, as events will name it."),
    Input("currency", "Currency", value="USD", required=True, help="In three letters. It pays in this one."),
)
CHANGEABLE = (
    Input("name", "Name", required=True, help="As invoices say it."),
    Input("email", "Email", help="Where invoices go."),
    Input(
        "timezone",
        "Time zone",
        value="UTC",
        required=True,
        help="Such as Europe/Berlin: its days and months.",
    ),
    Input("tax_rate", "Tax rate", help="As a share: 0.19 is 19 %."),
    Input("tax_name", "Name of the tax", help="Such as VAT."),
    Input("address", "Address", kind="lines"),
)


@staff_page
def new_customer(request: HttpRequest) -> HttpResponse:
    inputs = (*FIXED, *CHANGEABLE)
    now = present()
    errors: dict[str, str] = {}
    if request.method == "POST":
        try:
            new = read_new_customer(Fields(written(request.POST, *(field.name for field in inputs))))

            def act() -> Done:
                made = create_customer(now=now, **new)
                return Done(f"{made.name} is a customer.", reverse("console:customer", args=[made.id]))

            return carry_out(request, act, now=now)
        except Problem as problem:
            errors = errors_of(problem)
    return _form(request, None, inputs, {}, errors)


@staff_page
def change_details(request: HttpRequest, customer_id: int) -> HttpResponse:
    customer = customer_by_id(customer_id)
    errors: dict[str, str] = {}
    if request.method == "POST":
        try:
            change = read_change(Fields(_details(request)))

            def act() -> Done:
                changed = change_customer(customer, change)
                return Done(f"{changed.name} is changed.", reverse("console:customer", args=[changed.id]))

            return carry_out(request, act, now=present(), customer_id=customer.id)
        except Problem as problem:
            errors = errors_of(problem)
    held = {field.name: getattr(customer, field.name) for field in CHANGEABLE}
    held |= {"timezone": customer.next_timezone or customer.timezone, "tax_rate": plain(customer.tax_rate)}
    return _form(request, customer, CHANGEABLE, held, errors)


def _details(request: HttpRequest) -> dict[str, str]:
    """Every field as it stands: one that was emptied is taken away, and without a rate no tax is added."""
    given = {field.name: str(request.POST.get(field.name, "")).strip() for field in CHANGEABLE}
    return given | {"tax_rate": given["tax_rate"] or "0", "timezone": given["timezone"] or "UTC"}


def _form(
    request: HttpRequest,
    customer: Customer | None,
    inputs: Sequence[Input],
    held: dict[str, Any],
    errors: dict[str, str],
) -> HttpResponse:
    given = request.POST.dict() if request.method == "POST" else held
    context = {"customer": customer, "inputs": filled(inputs, given, errors), "errors": errors}
    return render(request, "console/customer_details.html", context, status=422 if errors else 200)
