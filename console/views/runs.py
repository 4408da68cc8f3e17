"""Runs of agents: the list, and one run as a tree with what it, its failures and its second tries cost."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from billing.attribution.patience import TooBroad
from billing.attribution.run_trees import run_steps, run_tree
from billing.attribution.runs import FAILED_RUN, OK, Run, RunFilter, runs_page
from billing.attribution.span import read_span
from console.access import staff_page
from console.forms import errors_of
from core import limits
from core.clock import now as present
from core.fields import Fields
from core.http.pagination import PageRequest, encode_cursor, page_request
from core.pages.spreadsheet import Cell, csv_response
from core.pages.tables import address, chips_for, days_between, kept, parameter, searched, wants_csv
from core.pages.times import local_day
from core.problems import NotFound, Problem
from customers.models import Customer

PAGE = 50
DAYS_DEFAULT = 30
STEPS_SHOWN = 50
STATES = [("", "All"), (FAILED_RUN, "Failed"), (OK, "Went well")]
HEAD = (
    "run",
    "customer",
    "parent",
    "status",
    "started_at",
    "ended_at",
    "steps",
    "calls",
    "tokens",
    "cost_usd",
    "failed_calls",
    "failed_cost_usd",
    "retries",
    "retry_cost_usd",
)


@staff_page
def runs(request: HttpRequest) -> HttpResponseBase:
    """The runs of the last 30 days or of the days asked for, the latest started first."""
    now = present()
    key = parameter(request, "customer")
    customer = Customer.objects.filter(key=key).first() if key else None
    today = local_day(now, customer.timezone if customer else "UTC")
    first, last = days_between(request, today, usual=DAYS_DEFAULT, most=limits.RUNS_SPAN_DAYS_MAX)
    context: dict[str, Any] = {
        "now": now,
        "asked": request.GET,
        "first": first,
        "last": last,
        "search": searched(request),
        "customer": customer,
        "kept": [item for item in kept(request.GET) if item[0] in ("state",)],
        "chips": chips_for(request, "state", STATES),
        "csv_href": address(request, {"format": "csv", "cursor": None}),
    }
    if key and customer is None:
        return render(request, "console/runs.html", context | {"nobody": key})
    try:
        asked, page = _asked(request, customer, first, last, now)
        if wants_csv(request):
            found, more = runs_page(asked, PageRequest(limits.USAGE_ROWS_MAX, ()))
            if more:
                raise TooBroad(f"A file holds at most {limits.USAGE_ROWS_MAX:,} runs; narrow the days.")
            return csv_response("runs", HEAD, _cells(found))
        found, after = runs_page(asked, page)
    except Problem as problem:
        context["errors"] = errors_of(problem)
        return render(request, "console/runs.html", context, status=problem.status)
    context |= {
        "rows": found,
        "cost_most": max((run.own.cost for run in found), default=Decimal(0)),
        "names": dict(
            Customer.objects.filter(id__in={run.customer_id for run in found}).values_list("id", "name")
        ),
        "older_href": address(request, {"cursor": encode_cursor(after)}) if after else "",
        "newest_href": address(request, {"cursor": None}) if "cursor" in request.GET else "",
    }
    return render(request, "console/runs.html", context)


def _asked(
    request: HttpRequest, customer: Customer | None, first: date, last: date, now: datetime
) -> tuple[RunFilter, PageRequest]:
    """The filter and page of the address. Raises ``Invalid``."""
    data = {name: request.GET[name] for name in ("cursor", "min_cost") if request.GET.get(name)}
    fields = Fields(data | {"from": first.isoformat(), "to": (last + timedelta(days=1)).isoformat()})
    state = request.GET.get("state", "")
    asked = RunFilter(
        customer,
        read_span(fields, customer, now, most=limits.RUNS_SPAN_DAYS_MAX),
        state if state in (OK, FAILED_RUN) else "",
        fields.number("min_cost", None, least=Decimal(0)),
        searched(request),
    )
    page = page_request(fields)
    fields.done()
    return asked, PageRequest(PAGE, page.after)


@staff_page
def run(request: HttpRequest, customer_id: int, run_id: str) -> HttpResponse:
    """One run: the tree below it, and its own steps a page at a time."""
    customer = Customer.objects.filter(id=customer_id).first()
    if customer is None or "\0" in run_id:
        raise NotFound("There is no such run.")
    fields = Fields({"cursor": request.GET["cursor"]} if request.GET.get("cursor") else {})
    page = page_request(fields)
    fields.done()
    tree = run_tree(customer, run_id)
    steps, after = run_steps(customer, run_id, PageRequest(STEPS_SHOWN, page.after))
    context = {
        "customer": customer,
        "zone": customer.timezone,
        "tree": tree,
        "run": tree.root.run,
        "whole": tree.root.whole,
        "steps": steps,
        "step_most": max((step.figures.cost for step in steps), default=Decimal(0)),
        "older_href": address(request, {"cursor": encode_cursor(after)}) if after else "",
        "newest_href": address(request, {"cursor": None}) if "cursor" in request.GET else "",
    }
    return render(request, "console/run.html", context)


def _cells(found: Iterable[Run]) -> Iterable[list[Cell]]:
    for item in found:
        own = item.own
        yield [
            *(item.id, item.customer, item.parent, item.status, item.started_at, item.ended_at),
            *(item.steps, own.events, own.tokens, own.cost),
            *(own.failed, own.failed_cost, own.retries, own.retry_cost),
        ]
