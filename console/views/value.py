"""Value: what an outcome took, over time and by feature, with what was taken back and what led to none."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST

from billing.attribution.question import read_paths
from billing.attribution.span import days, zones_of
from billing.attribution.usage import removed_before
from billing.attribution.value import ValueQuestion, ValueReport, value_report
from billing.attribution.value_events import (
    archive_value_event,
    create_value_event,
    read_value_event,
    value_events_in_use,
)
from billing.models import ValueEvent
from console.access import staff_page
from console.acts import Done, carry_out
from console.forms import Input, errors_of, filled, written
from core.clock import now as present
from core.fields import Fields
from core.pages import charts
from core.pages.figures import axis_money, money_text
from core.pages.spreadsheet import csv_response
from core.pages.tables import address, chips_for, wants_csv
from core.pages.times import day, short_day
from core.problems import Problem
from core.texts import whole_of

PRESETS = (("7", "7 days"), ("30", "30 days"), ("90", "90 days"))
DAYS_DEFAULT = "30"
BYS = (("feature", "Feature"), ("customer", "Customer"), ("team", "Team"), ("user", "User"), ("task", "Task"))
HEAD = ("outcomes", "cost_usd", "cost_each_usd", "calls", "reversed", "reversed_cost_usd", "unattributed_usd")
INPUTS = (
    Input("name", "Name", required=True, help="As it stands on the page: Tickets resolved."),
    Input("key", "Key", required=True, help="Letters, digits and - . _ for the API."),
    Input("event_type", "Type of the event", required=True, help="Such as ticket.resolved."),
    Input(
        "links",
        "Shared with its work",
        value="run, session, user, task",
        help="Paths, the strongest first. A call belongs to the first outcome after it that shares one.",
    ),
    Input("window_days", "Within days", value="7", help="How long before an outcome its work may lie."),
    Input("reversed_by", "Taken back by the type", help="Such as ticket.reopened. Empty: never."),
    Input("reversal_days", "Within days of the outcome", value="14"),
)


@staff_page
def value(request: HttpRequest) -> HttpResponseBase:
    now = present()
    known = value_events_in_use()
    chosen = next((row for row in known if row.key == request.GET.get("event")), known[0] if known else None)
    context: dict[str, Any] = {"now": now, "chosen": chosen}
    if chosen is None:
        return render(request, "console/value.html", context)
    asked = request.GET.get("days", DAYS_DEFAULT)
    count = int(asked if asked in dict(PRESETS) else DAYS_DEFAULT)
    last = now.date()
    first = last - timedelta(days=count - 1)
    span = days(first, last + timedelta(days=1), zones_of(None))
    context |= {
        "first": first,
        "last": last,
        "events": chips_for(request, "event", [(row.key, row.name or row.key) for row in known]),
        "presets": chips_for(
            request, "days", [(v if v != DAYS_DEFAULT else "", text) for v, text in PRESETS]
        ),
        "bys": chips_for(request, "by", [(v if v != "feature" else "", text) for v, text in BYS]),
        "csv_href": address(request, {"format": "csv"}),
        "kept_since": removed_before(None, span),
    }
    try:
        written_as, paths = _by(request)
        table = value_report(ValueQuestion(chosen, None, span, paths))
        if wants_csv(request):
            return _csv(chosen, table, written_as[0])
        over_time = value_report(ValueQuestion(chosen, None, span, ("day" if count <= 31 else "week",)))
    except Problem as problem:
        return render(
            request, "console/value.html", context | {"errors": errors_of(problem)}, status=problem.status
        )
    context |= {
        "by": written_as[0],
        "report": table,
        "total": table.total,
        "each_chart": _each(over_time, first, last),
        "cost_chart": _costs(over_time, first, last),
    }
    return render(request, "console/value.html", context)


@staff_page
def new_value_event(request: HttpRequest) -> HttpResponse:
    """Say which events are outcomes."""
    now = present()
    errors: dict[str, str] = {}
    given: dict[str, Any] = {}
    if request.method == "POST":
        given = {field.name: str(request.POST.get(field.name, "")) for field in INPUTS}
        try:
            terms = read_value_event(_body(request))

            def act() -> Done:
                made = create_value_event(terms, now=now)
                return Done(
                    f"“{made.name or made.key}” counts.", f"{reverse('console:value')}?event={made.key}"
                )

            return carry_out(request, act, now=now)
        except Problem as problem:
            errors = errors_of(problem)
    context = {"inputs": filled(INPUTS, given, errors), "errors": errors}
    return render(request, "console/value_new.html", context, status=422 if errors else 200)


@require_POST
@staff_page
def archive(request: HttpRequest, key: str) -> HttpResponse:
    now = present()

    def act() -> Done:
        row = archive_value_event(key, now=now)
        return Done(f"“{row.name or row.key}” is off this page.", reverse("console:value"))

    return carry_out(request, act, now=now)


def _body(request: HttpRequest) -> dict[str, Any]:
    """The form as the API would send it."""
    body: dict[str, Any] = dict(written(request.POST, *(field.name for field in INPUTS)))
    if "links" in body:
        body["links"] = [part.strip() for part in body["links"].split(",") if part.strip()]
    for name in ("window_days", "reversal_days"):
        number = whole_of(body.get(name, ""))
        if number is not None:
            body[name] = number
    return body


def _by(request: HttpRequest) -> tuple[tuple[str, ...], tuple[str, ...]]:
    fields = Fields({"group_by": request.GET.get("by") or "feature"})
    found = read_paths(fields)
    fields.done()
    return found


def _steps(report: ValueReport, first: date, last: date) -> list[date]:
    if (last - first).days <= 31:
        return [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return sorted({date.fromisoformat(row.names[0]) for row in report.rows})


def _each(report: ValueReport, first: date, last: date) -> charts.LineChart:
    """What an outcome took, by the day or week it came on."""
    by_step = {date.fromisoformat(row.names[0]): row.cost_each for row in report.rows}
    return charts.line(
        title="Cost of an outcome",
        points=[(short_day(at), day(at), by_step.get(at)) for at in _steps(report, first, last)],
        label=lambda amount: money_text(amount, "USD"),
    )


def _costs(report: ValueReport, first: date, last: date) -> charts.BarChart:
    """All that was spent: on outcomes that stand, on those taken back, on work that led to none."""
    rows = {date.fromisoformat(row.names[0]): row for row in report.rows}

    def parts(at: date) -> dict[str, Decimal]:
        row = rows.get(at)
        if row is None:
            return {}
        return {
            "Led to outcomes": row.cost,
            "Taken back": row.reversed_cost,
            "Led to no outcome": row.unattributed,
        }

    return charts.stacked_bars(
        title="Cost and what it led to",
        columns=[(short_day(at), day(at), parts(at)) for at in _steps(report, first, last)],
        label=lambda amount: money_text(amount, "USD"),
        axis=lambda amount: axis_money(amount, "USD"),
    )


def _csv(chosen: ValueEvent, report: ValueReport, by: str) -> HttpResponseBase:
    return csv_response(
        f"value-{chosen.key}",
        (by, *HEAD),
        (
            [
                *(row.names[0], row.outcomes, row.cost, row.cost_each, row.calls),
                *(row.reversed, row.reversed_cost, row.unattributed),
            ]
            for row in report.rows
        ),
    )
