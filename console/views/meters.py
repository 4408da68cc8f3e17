"""Meters: the list, and the form that makes one."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse

from console.access import staff_page
from console.acts import Done, carry_out
from console.forms import Input, errors_of, filled, written
from console.queries.meters import counted, meter_rows, meters_like
from core.clock import now as present
from core.pages.spreadsheet import csv_response
from core.pages.tables import Column, listing, searched, wants_csv
from core.problems import Invalid, Problem
from metering.meters import create_meter, read_meter
from metering.models import Meter

COLUMNS = (
    Column("name", "Meter", order=("name", "key")),
    Column("key", "Key", order=("key",)),
    Column("type", "Events of the type", low=True, order=("event_type", "key")),
    Column("counts", "Counts"),
    Column("plans", "In plans", low=True),
)
AGGREGATIONS = (
    (Meter.Aggregation.COUNT, "events"),
    (Meter.Aggregation.SUM, "the sum of a number"),
    (Meter.Aggregation.MAX, "the highest number"),
    (Meter.Aggregation.LATEST, "the latest number"),
    (Meter.Aggregation.UNIQUE, "different texts"),
)
INPUTS = (
    Input("key", "Key", required=True, help="Your own id for it, for ever: output_tokens"),
    Input("name", "Name", help="As a line of an invoice says it: Output tokens."),
    Input(
        "event_type",
        "Type of the events",
        value="llm.call",
        required=True,
        help="Others are not counted.",
    ),
    Input("aggregation", "Counts", kind="select", choices=AGGREGATIONS),
    Input(
        "value",
        "Of",
        help="usage.output, usage.tokens, quantity, properties.pages, … Empty where events are counted.",
    ),
    Input(
        "filter",
        "Only where",
        kind="lines",
        help="A path and what it may be, a line each: model: gpt-5, gpt-5-mini",
    ),
    Input("group_by", "Told apart by", help="Paths with commas between: model, properties.team"),
    Input("unit", "One is called", help="token, image, ticket"),
)


@staff_page
def meters(request: HttpRequest) -> HttpResponseBase:
    found = meters_like(searched(request))
    if wants_csv(request):
        head = ("key", "name", "event_type", "aggregation", "value", "counts", "plans")
        return csv_response(
            "meters",
            head,
            (
                (
                    *(row.meter.key, row.meter.name, row.meter.event_type),
                    *(row.meter.aggregation, row.meter.value, row.counts, " ".join(row.plans)),
                )
                for row in meter_rows(list(found.order_by("key")))
            ),
        )
    page = listing(request, COLUMNS, found, default="key")
    return render(request, "console/meters.html", {"listing": page, "rows": meter_rows(page.rows)})


@staff_page
def new_meter(request: HttpRequest) -> HttpResponse:
    now = present()
    errors: dict[str, str] = {}
    given: dict[str, Any] = {}
    if request.method == "POST":
        given = {field.name: str(request.POST.get(field.name, "")) for field in INPUTS}
        try:
            terms = read_meter(_body(request))

            def act() -> Done:
                made = create_meter(terms, now=now)
                told = (
                    f"“{made.name or made.key}” is made: it counts {counted(made)}. A plan may charge for it."
                )
                return Done(told, reverse("console:meters"))

            return carry_out(request, act, now=now)
        except Problem as problem:
            errors = {
                name.partition(".")[0].partition("[")[0]: told for name, told in errors_of(problem).items()
            }
    context = {"inputs": filled(INPUTS, given, errors), "errors": errors}
    return render(request, "console/meter_new.html", context, status=422 if errors else 200)


def _body(request: HttpRequest) -> dict[str, Any]:
    """The form as the API would send it. Raises ``Invalid`` for a filter's line without a colon."""
    body: dict[str, Any] = dict(written(request.POST, *(field.name for field in INPUTS)))
    if "group_by" in body:
        body["group_by"] = _parts(body["group_by"])
    accepted: dict[str, list[str]] = {}
    for line in body.pop("filter", "").splitlines():
        path, colon, values = line.partition(":")
        if not line.strip():
            continue
        if not colon or path.strip() in accepted:
            detail = "Write each path once, on a line of its own, with a colon: model: gpt-5, gpt-5-mini"
            raise Invalid.one("filter", "line", detail)
        accepted[path.strip()] = _parts(values)
    return body | {"filter": accepted}


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
