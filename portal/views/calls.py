from collections.abc import Iterator
from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render

from billing.receipts import receipt_of
from core.pages.spreadsheet import Cell, csv_response
from core.pages.streams import before_of, stream
from core.pages.tables import day_of, kept, searched, wants_csv
from core.periods import local_midnight
from metering.removal import kept_since
from portal.queries.calls import CSV_ROWS_MAX, PAGE, CallFilter, call_by_seq, calls_of
from portal.visits import Visit, portal_page

HEAD = ("id", "source", "type", "occurred_at", "model", "status", "run", "quantity", "tokens")


@portal_page
def calls(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """The customer's calls; a search that finds exactly one leads to its receipt."""
    asked_day = day_of(request)
    asked = CallFilter(
        words=searched(request),
        start=local_midnight(asked_day, visit.zone) if asked_day else None,
        end=local_midnight(asked_day + timedelta(days=1), visit.zone) if asked_day else None,
        before=before_of(request),
    )
    found_rows = calls_of(visit.customer.id, asked)
    if wants_csv(request):
        return csv_response("calls", HEAD, _cells(found_rows[:CSV_ROWS_MAX].iterator()))
    found = list(found_rows[: PAGE + 1])
    if asked.words and len(found) == 1 and asked.before is None:
        return redirect("portal:call", found[0].seq)
    page = stream(request, found, size=PAGE, last_seq=found[PAGE - 1].seq if len(found) > PAGE else None)
    context = {
        "visit": visit,
        "page": page,
        "search": asked.words,
        "day": asked_day,
        "kept": kept(request.GET),
        "kept_since": kept_since(visit.customer.id),
    }
    return render(request, "portal/calls.html", context)


@portal_page
def call(request: HttpRequest, seq: int, visit: Visit) -> HttpResponse:
    """One call's receipt."""
    row = call_by_seq(visit.customer.id, seq)
    receipt = receipt_of(visit.customer, row.event_id, row.source)
    return render(request, "portal/call.html", {"visit": visit, "call": row, "receipt": receipt})


def _cells(rows: Iterator[object]) -> Iterator[list[Cell]]:
    for row in rows:
        yield [
            *(
                getattr(row, name)
                for name in ("event_id", "source", "type", "occurred_at", "model", "status")
            ),
            getattr(row, "run_id", ""),
            getattr(row, "quantity", None),
            "; ".join(f"{kind} {number}" for kind, number in sorted(getattr(row, "usage", {}).items())),
        ]
