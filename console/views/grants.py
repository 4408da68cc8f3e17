"""A customer's credit grants, given and taken back; and add-ons of every customer."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST

from billing.credits.grants import credit_balance, void_grant
from billing.models import CreditGrant
from billing.rating import catch_up
from billing.reading import read_grant
from billing.recounts.overage import grant_with_cover
from console.access import staff_page
from console.acts import Done, carry_out, refused
from console.forms import Input, day_end, errors_of, filled, read_day, written
from console.queries.subscriptions import add_ons
from core import limits
from core.clock import now as present
from core.fields import Fields
from core.ids import parse_public_id
from core.pages.spreadsheet import csv_response
from core.pages.tables import Column, chips_for, listing, searched, storable, wants_csv
from core.problems import NotFound, Problem
from core.texts import whole_of
from core.times import render_time
from customers.models import Customer
from customers.queries import customer_by_id

COLUMNS = (
    Column("name", "Grant"),
    Column("kind", "Kind", low=True),
    Column("left", "Left", number=True, order=("remaining", "id"), descending_first=True),
    Column("amount", "Of", number=True, low=True, order=("amount", "id"), descending_first=True),
    Column("from", "From", low=True, order=("starts_at", "id"), descending_first=True),
    Column("ends", "Ends", order=("expires_at", "id")),
    Column("act", ""),
)
ADD_ON_COLUMNS = (
    Column("customer", "Customer", order=("customer__name", "id")),
    Column("name", "Add-on", order=("name", "id")),
    Column("amount", "Price of one", number=True, order=("amount", "id"), descending_first=True),
    Column("quantity", "How many", number=True, low=True),
    Column("billed", "Billed", low=True),
    Column("from", "From", order=("starts_at", "id"), descending_first=True),
    Column("until", "Until", low=True),
)
INPUTS = (
    Input("amount", "Credits", required=True),
    Input("name", "Name", help="As the customer reads it: Welcome credits"),
    Input(
        "cost_basis", "Paid for one credit", help="Empty or 0: a gift, which earns nothing when it is burnt."
    ),
    Input("last", "Up to and with the day", kind="date", help="Empty: they never end."),
    Input("priority", "Priority", help="Lower burns first; 10 if empty."),
    Input("reason", "Why", help="Kept with the grant."),
)


@staff_page
def credits(request: HttpRequest, customer_id: int) -> HttpResponse:
    """All grants of a customer, and a form for another."""
    customer, now = customer_by_id(customer_id), present()
    errors: dict[str, str] = {}
    if request.method == "POST":
        try:
            return _give(request, customer, now)
        except Problem as problem:
            errors = errors_of(problem)
    catch_up(customer.id, now)
    given = {name: request.POST.get(name) for name in request.POST}
    grants = CreditGrant.objects.filter(customer=customer)
    context = {
        "customer": customer,
        "zone": customer.timezone,
        "balance": credit_balance(customer.id, as_of=now, history=False),
        "listing": listing(request, COLUMNS, grants, default="-from"),
        "inputs": filled(INPUTS, given, errors),
        "errors": errors,
        "now": now,
    }
    return render(request, "console/credits.html", context, status=422 if errors else 200)


def _give(request: HttpRequest, customer: Customer, now: datetime) -> HttpResponse:
    fields = Fields(written(request.POST, "last"))
    last = read_day(fields, "last")
    fields.done()
    told: dict[str, Any] = written(request.POST, "amount", "name", "cost_basis", "priority", "reason")
    priority = whole_of(told.get("priority", ""))
    if priority is not None:
        told["priority"] = priority
    if last is not None:
        told["expires_at"] = render_time(day_end(last, customer.timezone))
    asked = Fields(told)
    new = replace(read_grant(asked, now), currency=customer.currency)
    asked.done()
    to = reverse("console:credits", args=[customer.id])

    def act() -> Done:
        grant = grant_with_cover(customer, new, now=now)
        return Done(f"{grant.amount.normalize():f} credits are given to {customer.name}.", to)

    return carry_out(request, act, now=now, customer_id=customer.id)


@require_POST
@staff_page
def void(request: HttpRequest, customer_id: int, public: str) -> HttpResponse:
    """Take back what is left of a grant."""
    customer, now = customer_by_id(customer_id), present()
    grant_id: UUID = parse_public_id("grant", public)
    if not CreditGrant.objects.filter(customer=customer, id=grant_id).exists():
        raise NotFound("There is no such grant.")
    catch_up(customer.id, now)
    reason = storable(request.POST.get("reason", ""), limits.REASON_CHARACTERS_MAX)
    to = reverse("console:credits", args=[customer.id])

    def act() -> Done:
        void_grant(customer.id, grant_id, now=now, reason=reason)
        return Done("What was left of the grant is taken back.", to)

    try:
        return carry_out(request, act, now=now, customer_id=customer.id)
    except Problem as problem:
        return refused(request, problem, "Not taken back", "console:credits", customer.id)


@staff_page
def add_on_list(request: HttpRequest) -> HttpResponseBase:
    """Add-ons of every customer, those that run first of all."""
    rows = add_ons(searched(request), running=request.GET.get("show") != "all")
    if wants_csv(request):
        head = (
            "customer",
            "subscription",
            "key",
            "name",
            "amount",
            "currency",
            "quantity",
            "recurring",
            "from",
            "until",
        )
        cells = (
            (
                row.customer.key,
                row.subscription_key,  # type: ignore[attr-defined]
                row.key,
                row.name,
                row.amount,
                row.customer.currency,
                row.quantity,
                "yes" if row.recurring else "no",
                row.starts_at,
                row.ends_at,
            )
            for row in rows.order_by("customer_id", "id").iterator()
        )
        return csv_response("add-ons", head, cells)
    chips = chips_for(request, "show", [("", "Running"), ("all", "All")])
    page = listing(request, ADD_ON_COLUMNS, rows, default="customer", chips=chips)
    return render(request, "console/add_ons.html", {"listing": page})
