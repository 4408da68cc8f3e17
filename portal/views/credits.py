from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from core.fields import Fields
from core.http.pagination import encode_cursor, foreign_cursor, page_request
from core.pages import charts
from core.pages.figures import compact
from core.pages.spreadsheet import csv_response
from core.pages.streams import Stream
from core.pages.tables import address, wants_csv
from core.pages.times import day, local_day, short_day
from core.periods import local_midnight
from portal.queries.credits import (
    HISTORY_SHOWN,
    beyond_credits,
    credit_days,
    credit_history,
    credits_of,
    rates_of,
    whole_credit_history,
)
from portal.visits import Visit, portal_page

DAYS = 30


@portal_page
def credits(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """Grants in the order they burn, what burnt of late, and every movement."""
    if wants_csv(request):
        return _history_file(visit)
    today = local_day(visit.now, visit.zone)
    days = [today - timedelta(days=n) for n in range(DAYS - 1, -1, -1)]
    start = local_midnight(days[0], visit.zone)
    end = local_midnight(today + timedelta(days=1), visit.zone)
    burnt = {row.day: row for row in credit_days(visit.customer.id, start, end, visit.zone)}
    chart = charts.stacked_bars(
        title="Credits burnt by day",
        columns=[
            (
                short_day(value),
                day(value),
                {"From your credits": burnt[value].covered, "Beyond your credits": burnt[value].overage}
                if value in burnt
                else {},
            )
            for value in days
        ],
        label=compact,
    )
    context = {
        "visit": visit,
        "credits": credits_of(visit.customer.id, visit.now),
        "chart": chart if burnt else None,
        "history": _history(request, visit),
        "beyond": beyond_credits(visit.customer.id, visit.now),
    }
    return render(request, "portal/credits.html", context)


@portal_page
def burn_tables(request: HttpRequest, visit: Visit) -> HttpResponse:
    context = {
        "visit": visit,
        "tables": rates_of(visit.customer.id, visit.now),
        "beyond": beyond_credits(visit.customer.id, visit.now),
    }
    return render(request, "portal/burn_tables.html", context)


def _history(request: HttpRequest, visit: Visit) -> Stream:
    """A page of what happened. Raises ``Invalid`` for a place that no page named."""
    fields = Fields({"cursor": request.GET["cursor"]} if "cursor" in request.GET else {})
    after = page_request(fields).after
    fields.done()
    told = credit_history(visit.customer.id, _place(after))
    more = len(told) > HISTORY_SHOWN
    last = (told[HISTORY_SHOWN - 1].transaction.id.hex,) if more else ()
    return Stream(
        told[:HISTORY_SHOWN],
        address(request, {"cursor": encode_cursor(last)}) if last else "",
        address(request, {"cursor": None}) if after else "",
        address(request, {"format": "csv", "cursor": None}),
    )


def _place(after: Sequence[str]) -> UUID | None:
    try:
        return UUID(after[0]) if after else None
    except ValueError:
        raise foreign_cursor() from None


def _history_file(visit: Visit) -> HttpResponseBase:
    head = ("occurred_at", "what", "change", "balance")
    rows = whole_credit_history(visit.customer.id)
    return csv_response(
        "credits", head, ((row.transaction.occurred_at, row.text, row.change, row.balance) for row in rows)
    )
