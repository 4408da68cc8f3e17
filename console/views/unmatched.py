from collections.abc import Iterator

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from console.access import staff_page
from console.acts import by
from console.queries.overview import currencies
from console.queries.refused import latest_waiting, unmatched_count, waiting_key, waiting_keys
from core import limits, texts
from core.clock import now as present
from core.currencies import parse_currency
from core.pages.spreadsheet import Cell, csv_response
from core.pages.tables import address, searched, storable, wants_csv
from core.problems import Problem
from core.times import parse_zone
from customers.customers import create_customer
from customers.models import Customer
from metering.events import take_in_for
from metering.outcomes import Outcome
from metering.unmatched import discard_unmatched, waiting_events

HEAD = ("customer_key", "events", "first", "last", "doors")


@staff_page
def unmatched(request: HttpRequest) -> HttpResponseBase:
    """Events whose customer nobody has made, by the key they name."""
    keys = waiting_keys(searched(request))
    if wants_csv(request):
        rows: Iterator[list[Cell]] = (
            [row.key, row.events, row.first_at, row.latest_at, " ".join(row.doors)] for row in keys
        )
        return csv_response("unmatched-events", HEAD, rows)
    context = {
        "keys": keys,
        "count": unmatched_count(),
        "search": searched(request),
        "csv_href": address(request, {"format": "csv"}),
        "now": present(),
    }
    return render(request, "console/unmatched.html", context)


@staff_page
def unmatched_key(request: HttpRequest) -> HttpResponse:
    """What waits under one key, and the three ways on."""
    waiting = waiting_key(storable(request.GET.get("key", "")))
    context = {
        "waiting": waiting,
        "rows": latest_waiting(waiting.key),
        "currency": (currencies() or ["USD"])[0],
        "most": limits.UNMATCHED_AT_ONCE_MAX,
    }
    return render(request, "console/unmatched_key.html", context)


@require_POST
@staff_page
def create(request: HttpRequest) -> HttpResponse:
    """Make the customer of this key; what waits for it is taken in with it."""
    key = storable(request.POST.get("key", ""))
    waits = waiting_events(key).count()
    currency, zone = (
        request.POST.get("currency", "").strip().upper(),
        request.POST.get("timezone", "").strip(),
    )
    if not waits:
        messages.error(request, "No customer was made: nothing waits under this key any more.")
        return _back(key)
    try:
        made = create_customer(
            key=texts.clean_path_id(key),
            name=texts.clean_text(request.POST.get("name", ""), most=limits.NAME_CHARACTERS_MAX) or key,
            currency=parse_currency(currency),
            timezone=parse_zone(zone),
            now=present(),
        )
    except (Problem, ValueError) as refused:
        messages.error(request, f"No customer was made: {refused}")
        return _back(key)
    messages.success(request, f"{made.name} is made, and {waits:,} waiting {_events(waits)} taken in.")
    return redirect("console:customer", made.id)


@require_POST
@staff_page
def assign(request: HttpRequest) -> HttpResponse:
    """Take what waits under this key in as another customer's."""
    key, named = storable(request.POST.get("key", "")), storable(request.POST.get("customer", ""))
    customer = Customer.objects.filter(key=named).first()
    if customer is None:
        messages.error(request, f"Nothing was taken in: no customer has the key “{named}”.")
        return _back(key)
    ends = take_in_for(key, customer, by=by(request), now=present(), most=limits.UNMATCHED_AT_ONCE_MAX)
    left = waiting_events(key).filter(assigned_id=customer.id).count()
    told = [f"{ends[Outcome.ACCEPTED]:,} taken in for {customer.name}"]
    told += [f"{ends[Outcome.DUPLICATE]:,} it had already"] if ends[Outcome.DUPLICATE] else []
    told += [f"{ends[Outcome.CONFLICT]:,} contradict what it has"] if ends[Outcome.CONFLICT] else []
    told += [f"{left:,} more follow within a minute"] if left else []
    messages.success(request, f"{', '.join(told)}.")
    return redirect("console:unmatched")


@require_POST
@staff_page
def discard(request: HttpRequest) -> HttpResponse:
    """Give up what waits under this key."""
    key = storable(request.POST.get("key", ""))
    count = discard_unmatched(key, by=by(request), now=present())
    messages.success(
        request,
        f"{count:,} {_events(count)} of “{key}” given up. Their ids still find them.",
    )
    return redirect("console:unmatched")


def _events(count: int) -> str:
    return "event was" if count == 1 else "events were"


def _back(key: str) -> HttpResponse:
    if not waiting_events(key).exists():
        return redirect("console:unmatched")
    return redirect(f"{reverse('console:unmatched_key')}?{urlencode({'key': key})}")
