from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from billing.recounts.corrections import corrections_of
from console.access import staff_page
from console.queries.currencies import has_several_currencies
from console.queries.customers import (
    CustomerRow,
    CustomerSearch,
    PlanStretch,
    count_customers,
    customer_page,
    customer_rows,
)
from console.queries.overview import together
from console.queries.spend import open_periods
from console.views.overview import margin_chart, money_chart
from core.clock import now as present
from core.pages.spreadsheet import Cell, csv_response
from core.pages.tables import Column, PreparedPage, ordering, prepared_listing, searched, wants_csv
from core.pages.times import local_day
from core.problems import NotFound
from customers.api_keys import create_api_key, revoke_api_key
from customers.models import ApiKey
from customers.portal_links import create_portal_link, cut_off_portal_links
from customers.queries import customer_by_id
from pricing.cost_currency import COST_CURRENCY

DAYS = 30
CSV_ROWS_MAX = 100_000
COLUMNS = (
    Column("name", "Customer", order=("name",)),
    Column("key", "Key", low=True, order=("key",)),
    Column("events", "Events", number=True, low=True, order=("events",), descending_first=True),
    Column("revenue", "Revenue", number=True, order=("revenue",), descending_first=True),
    Column("cost", "Cost", number=True, low=True, order=("cost",), descending_first=True),
    Column("margin", "Margin", number=True, order=("margin",)),
    Column("created", "Since", low=True, order=("created",), descending_first=True),
)
DEFAULT = "-revenue"


@staff_page
def customers(request: HttpRequest) -> HttpResponseBase:
    """All customers with their last 30 days."""
    today = present().date()
    column, downward = ordering(request, COLUMNS, DEFAULT)
    search = CustomerSearch(searched(request), column.key, downward, today - timedelta(days=DAYS - 1), today)
    if wants_csv(request):
        return csv_response("customers", HEAD, _cells(customer_rows(search, limit=CSV_ROWS_MAX)))
    page = prepared_listing(
        request,
        COLUMNS,
        PreparedPage(
            count_customers(search.words),
            lambda offset, limit: customer_rows(search, offset=offset, limit=limit),
        ),
        default=DEFAULT,
    )
    several = column.key == "revenue" and has_several_currencies()
    context = {"listing": page, "days": DAYS, "within": COST_CURRENCY if several else ""}
    return render(request, "console/customers.html", context)


@staff_page
def customer(request: HttpRequest, customer_id: int) -> HttpResponse:
    now = present()
    today = now.date() + timedelta(days=1)  # the customer's zone may be a day ahead
    page = customer_page(customer_id, today - timedelta(days=DAYS), today)
    shown = [item for item in page.days if item.day <= local_day(now, page.customer.timezone)]
    total = together(shown)
    comparable = page.customer.currency == COST_CURRENCY
    context = {
        "page": page,
        "customer": page.customer,
        "zone": page.customer.timezone,
        "now": now,
        "days": DAYS,
        "corrections": corrections_of(customer_id, now - timedelta(days=DAYS), now),
        "total": total,
        "spend": open_periods(page.customer, now),
        "money_chart": money_chart(shown, page.customer.currency) if total.revenue else None,
        "margin_chart": margin_chart(shown, _floor_of(page.plans)) if comparable and total.revenue else None,
        "comparable": comparable,
    }
    return render(request, "console/customer.html", context)


@require_POST
@staff_page
def portal_link(request: HttpRequest, customer_id: int) -> HttpResponse:
    """Make a link to the customer's portal and show it once."""
    found = customer_by_id(customer_id)
    link = create_portal_link(found, now=present(), base_url=settings.BASE_URL)
    return render(request, "console/portal_link.html", {"customer": found, "link": link})


@require_POST
@staff_page
def cut_off_links(request: HttpRequest, customer_id: int) -> HttpResponse:
    """Make every link to the customer's portal worthless."""
    found = customer_by_id(customer_id)
    cut_off_portal_links(found)
    messages.success(request, f"No link opens the portal of {found.name} any more until you make a new one.")
    return redirect("console:customer", customer_id)


@require_POST
@staff_page
def api_key(request: HttpRequest, customer_id: int) -> HttpResponse:
    """Make a key that sees this customer alone, and show it once."""
    found = customer_by_id(customer_id)
    name = request.POST.get("name", "").strip() or "Made in the console"
    key, plain_text = create_api_key(name=name, scopes=["read", "write"], now=present(), customer=found)
    messages.success(request, f"The key “{key.name}” is ready. It is shown once, here.")
    return render(request, "console/api_key.html", {"customer": found, "key": key, "plain_text": plain_text})


@require_POST
@staff_page
def revoke_key(request: HttpRequest, customer_id: int, key_id: int) -> HttpResponse:
    """Make one of the customer's keys worthless."""
    found = customer_by_id(customer_id)
    key = ApiKey.objects.filter(id=key_id, customer=found).first()
    if key is None:
        raise NotFound("There is no such key.")
    revoke_api_key(key, now=present())
    messages.success(request, f"The key “{key.name}” is revoked; within 30 seconds nothing accepts it.")
    return redirect("console:customer", customer_id)


HEAD = ("key", "name", "currency", "events", "revenue", "cost_usd", "since")


def _floor_of(plans: Sequence[PlanStretch]) -> Decimal | None:
    """The floor of the newest plan, unless the customer's own contract says otherwise."""
    for stretch in plans:
        terms = {**stretch.segment.plan_version.terms, **stretch.subscription.overrides}
        floor = terms.get("margin_floor")
        if floor:
            return Decimal(str(floor["rate"]))
    return None


def _cells(rows: Iterable[CustomerRow]) -> Iterable[list[Cell]]:
    for row in rows:
        earned = row.earned
        yield [row.key, row.name, row.currency, earned.events, earned.revenue, earned.cost, row.created_at]
