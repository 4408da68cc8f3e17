"""Runs of agents as their customer sees them: how many calls one piece of work made, and what each of them took."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render

from billing.attribution.patience import TooBroad
from billing.attribution.runs import FAILED_RUN, OK, RunFilter
from billing.attribution.span import days
from core import limits
from core.fields import Fields
from core.http.pagination import PageRequest, encode_cursor, page_request
from core.pages.spreadsheet import Cell, csv_response
from core.pages.tables import Column, address, chips_for, days_between, kept, listing, searched, wants_csv
from core.pages.times import local_day
from core.problems import NotFound, Problem
from metering.removal import kept_since
from portal.queries.calls import CSV_ROWS_MAX, call_rows
from portal.queries.runs import RunRow, Taken, calls_of_run, run_tree_page, runs_of
from portal.views.calls import calls_file
from portal.visits import Visit, portal_page

PAGE = 50
DAYS_DEFAULT = 30
STATES = [("", "All"), (FAILED_RUN, "Failed"), (OK, "Went well")]
RUNS_HEAD = (
    *("run", "parent", "status", "started_at", "ended_at", "steps", "calls", "tokens", "credits", "price"),
    *(
        "currency",
        "failed_calls",
        "failed_credits",
        "failed_price",
        "retries",
        "retry_credits",
        "retry_price",
    ),
)
CALL_COLUMNS = (
    Column("step", "Step", order=("step", "attempt", "occurred_at", "seq")),
    Column("call", "Call", low=True),
    Column("outcome", "Outcome"),
    Column("when", "When", low=True, order=("occurred_at", "seq")),
    Column("model", "Model"),
    Column("tokens", "Tokens", number=True, low=True),
)


@portal_page
def runs(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """The customer's runs of the last 30 days or of the days asked for, the latest started first."""
    context: dict[str, Any] = {
        "visit": visit,
        "days": days_asked(request, visit),
        "search": searched(request),
        "kept": [item for item in kept(request.GET) if item[0] == "state"],
        "chips": chips_for(request, "state", STATES),
        "csv_href": address(request, {"format": "csv", "cursor": None}),
        "kept_since": kept_since(visit.customer.id),
    }
    try:
        asked, page = _asked(request, visit)
        if wants_csv(request):
            return _runs_file(asked, visit)
        found, after = runs_of(asked, page)
    except Problem as problem:
        context["wrong"] = problem.detail
        return render(request, "portal/runs.html", context, status=problem.status)
    context |= {
        "rows": found,
        "units": units_of([run.own.whole for run in found]),
        "older_href": address(request, {"cursor": encode_cursor(after)}) if after else "",
        "newest_href": address(request, {"cursor": None}) if "cursor" in request.GET else "",
    }
    return render(request, "portal/runs.html", context)


@portal_page
def run(request: HttpRequest, run_id: str, visit: Visit) -> HttpResponseBase:
    """One run: the runs that it started, and its own calls, each with its receipt."""
    if "\0" in run_id:
        raise NotFound("There is no such run.")
    tree = run_tree_page(visit.customer, run_id)
    calls = calls_of_run(visit.customer.id, run_id)
    if wants_csv(request):
        return calls_file("run", calls.order_by(*CALL_COLUMNS[0].order)[:CSV_ROWS_MAX], visit)
    page = listing(request, CALL_COLUMNS, calls, default="step", per_page=PAGE)
    whole = tree.root.whole
    context = {
        "visit": visit,
        "tree": tree,
        "run": tree.root.run,
        "whole": whole,
        "units": units_of([whole.whole]),
        "listing": page,
        "rows": call_rows(visit.customer.id, page.rows),
    }
    return render(request, "portal/run.html", context)


def units_of(taken: Iterable[Taken]) -> tuple[str, ...]:
    """What such figures are told in: credits and money, each where there is any of it."""
    rows = list(taken)
    shown = {"credits": any(row.credits for row in rows), "money": any(row.price for row in rows)}
    return tuple(unit for unit, any_of_it in shown.items() if any_of_it)


def _asked(request: HttpRequest, visit: Visit) -> tuple[RunFilter, PageRequest]:
    """The filter and page of the address. Raises ``Invalid``."""
    fields = Fields({"cursor": request.GET["cursor"]} if request.GET.get("cursor") else {})
    page = page_request(fields)
    fields.done()
    first, last = days_asked(request, visit)
    span = days(first, last + timedelta(days=1), (visit.zone,))
    state = request.GET.get("state", "")
    status = state if state in (OK, FAILED_RUN) else ""
    return RunFilter(visit.customer, span, status, words=searched(request)), PageRequest(PAGE, page.after)


def days_asked(request: HttpRequest, visit: Visit) -> tuple[date, date]:
    today = local_day(visit.now, visit.zone)
    return days_between(request, today, usual=DAYS_DEFAULT, most=limits.RUNS_SPAN_DAYS_MAX)


def _runs_file(asked: RunFilter, visit: Visit) -> HttpResponseBase:
    found, more = runs_of(asked, PageRequest(limits.RUNS_FILE_ROWS_MAX, ()))
    if more:
        raise TooBroad(f"A file holds at most {limits.RUNS_FILE_ROWS_MAX:,} runs. Choose fewer days.")
    return csv_response("runs", RUNS_HEAD, (_run_cells(run, visit) for run in found))


def _run_cells(run: RunRow, visit: Visit) -> list[Cell]:
    own = run.own
    return [
        *(run.id, run.parent, FAILED_RUN if run.failed else OK, run.started_at, run.ended_at, run.steps),
        *(own.whole.calls, own.whole.tokens, own.whole.credits, own.whole.price, visit.customer.currency),
        *(own.failed.calls, own.failed.credits, own.failed.price),
        *(own.retries.calls, own.retries.credits, own.retries.price),
    ]
