from dataclasses import replace

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from console.access import staff_page
from console.queries.price_imports import price_imports, price_syncs
from core.clock import now as present
from core.pages.tables import Column, chips_for, listing, searched
from pricing.models import PriceSnapshot

COLUMNS = (
    Column("taken_at", "Taken", order=("taken_at", "id"), descending_first=True),
    Column("source", "Source", order=("source", "id")),
    Column("version", "Version", low=True),
    Column("prices", "Prices taken in", number=True, low=True),
    Column("waiting", "Waiting", number=True),
    Column("state", "State"),
    Column("by", "Decided by", low=True),
)
STATES = (
    ("", "All"),
    (PriceSnapshot.Status.STAGED.value, "Waiting"),
    (PriceSnapshot.Status.APPLIED.value, "Taken in"),
    (PriceSnapshot.Status.REFUSED.value, "Refused"),
)


@staff_page
def imports(request: HttpRequest) -> HttpResponse:
    """Every import of prices, newest first, and how the daily readings went."""
    found = price_imports(request.GET.get("status", ""), searched(request))
    page = listing(request, COLUMNS, found, default="-taken_at", chips=chips_for(request, "status", STATES))
    context = {
        "listing": replace(page, csv_href=""),
        "syncs": price_syncs(),
        "now": present(),
    }
    return render(request, "console/price_imports.html", context)
