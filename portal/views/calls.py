from collections.abc import Iterable
from datetime import timedelta

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render

from billing.receipts.receipt import receipt_of
from core.pages.spreadsheet import Cell, csv_response
from core.pages.streams import before_of, stream
from core.pages.tables import day_of, kept, searched, wants_csv
from core.periods import local_midnight
from metering.models import Event
from metering.removal import kept_since
from portal.queries.calls import (
    CSV_ROWS_MAX,
    PAGE,
    CallFilter,
    CallRow,
    call_by_seq,
    call_rows,
    call_rows_of_many,
    calls_of,
)
from portal.visits import Visit, portal_page

HEAD = (
    *(
        "id",
        "source",
        "type",
        "occurred_at",
        "model",
        "status",
        "run",
        "step",
        "attempt",
        "quantity",
        "tokens",
    ),
    *("credits", "price", "currency"),
)


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
        return calls_file("calls", found_rows[:CSV_ROWS_MAX], visit)
    found = list(found_rows[: PAGE + 1])
    if asked.words and len(found) == 1 and asked.before is None:
        return redirect("portal:call", found[0].seq)
    page = stream(request, found, size=PAGE, last_seq=found[PAGE - 1].seq if len(found) > PAGE else None)
    rows = call_rows(visit.customer.id, page.rows)
    context = {
        "visit": visit,
        "page": page,
        "rows": rows,
        "units": units_of(rows),
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


def units_of(rows: Iterable[CallRow]) -> set[str]:
    """What calls are told in beside tokens: credits and money, each where there is any of it."""
    shown = {"credits": False, "money": False}
    for row in rows:
        shown["credits"] |= bool(row.credits)
        shown["money"] |= row.price is not None
    return {unit for unit, any_of_it in shown.items() if any_of_it}


def calls_file(name: str, events: QuerySet[Event], visit: Visit) -> HttpResponseBase:
    """Calls as a file, each with what it burnt and its own price."""
    rows = call_rows_of_many(visit.customer.id, events.iterator())
    return csv_response(name, HEAD, (_cells(row, visit.customer.currency) for row in rows))


def _cells(row: CallRow, currency: str) -> list[Cell]:
    event = row.event
    tokens = "; ".join(f"{kind} {number}" for kind, number in sorted(event.usage.items()))
    return [
        *(event.event_id, event.source, event.type, event.occurred_at, event.model, event.status),
        *(event.run_id, row.step, row.attempt if event.run_id else None, event.quantity, tokens),
        *(row.credits, row.price, currency),
    ]
