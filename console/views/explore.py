"""Explore: use and cost by whatever events carry, asked by a form whose address is the question."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render

from billing.attribution.measures import MEASURES, Measure
from billing.attribution.question import UsageQuestion, read_question
from billing.attribution.usage import UsageAnswer, usage_answer
from console.access import staff_page
from console.forms import errors_of
from console.queries.explore import Exploration, explored, name_of, pickable, table_measures
from core.clock import now as present
from core.fields import Fields
from core.pages import charts
from core.pages.explorer import explorer_data
from core.pages.figures import axis_money, compact, money_text
from core.pages.spreadsheet import Cell, csv_response
from core.pages.tables import address, parameter, wants_csv
from core.pages.times import day, short_day
from core.problems import Invalid, Problem
from customers.models import Customer

STEPS = ("day", "week", "month")
FILTERS = ("1", "2", "3")
RULES = (("in", "is"), ("not_in", "is not"), ("exists", "is there"), ("absent", "is missing"))
DAYS_DEFAULT = 30
DAYS_BY_WEEK = 100


@staff_page
def explore(request: HttpRequest) -> HttpResponseBase:
    now = present()
    context: dict[str, Any] = {
        "now": now,
        "asked": request.GET,
        "measures": MEASURES.values(),
        "rules": RULES,
    }
    errors: dict[str, str] = {}
    customer = _customer(request)
    first, last = _days(request, now.date())
    context |= {"first": first, "last": last, "customer": customer}
    try:
        question = _question(request, customer, first, last, now)
        context |= {"paths": pickable(question), "filters": _filters(request), "question": question}
        if wants_csv(request):
            return _csv(question)
        step = request.GET.get("step", "")
        step = step if step in STEPS else "week" if (last - first).days >= DAYS_BY_WEEK else "day"
        context |= _told(request, question, explored(question, step), step)
    except Problem as problem:
        errors = errors_of(problem)
    context |= {"errors": errors, "csv_href": address(request, {"format": "csv"})}
    context.setdefault("paths", [])
    context.setdefault("filters", _filters(request))
    return render(request, "console/explore.html", context, status=422 if errors else 200)


def _customer(request: HttpRequest) -> Customer | None:
    key = parameter(request, "customer")
    return Customer.objects.filter(key=key).first() if key else None


def _days(request: HttpRequest, today: date) -> tuple[date, date]:
    """The first day and the last, both counted in; what is no day is left out."""

    def asked(name: str) -> date | None:
        try:
            return date.fromisoformat(request.GET.get(name, ""))
        except ValueError:
            return None

    last = asked("to") or today
    return asked("from") or last - timedelta(days=DAYS_DEFAULT - 1), last


def _question(
    request: HttpRequest, customer: Customer | None, first: date, last: date, now: Any
) -> UsageQuestion:
    """The question that the address asks. Raises ``Invalid``."""
    if parameter(request, "customer") and customer is None:
        raise Invalid.one("customer", "unknown", "No customer has this key.")
    chosen = [request.GET.get(name, "") for name in ("by", "by2")] if "by" in request.GET else ["model", ""]
    data = {
        "from": first.isoformat(),
        "to": (last + timedelta(days=1)).isoformat() if last < date.max else last.isoformat(),
        "group_by": ",".join(dict.fromkeys(path for path in chosen if path)),
        "measure": request.GET.get("measure") or "cost",
        "filter": _filter(request),
    }
    fields = Fields(data)
    question = read_question(fields, customer=customer, for_operator=True, now=now)
    fields.done()
    return question


def _filters(request: HttpRequest) -> list[dict[str, str]]:
    """The rows of filters as they stand in the form."""
    return [
        {
            "n": n,
            "path": request.GET.get(f"path{n}", ""),
            "rule": request.GET.get(f"rule{n}", ""),
            "value": request.GET.get(f"value{n}", ""),
        }
        for n in FILTERS
    ]


def _filter(request: HttpRequest) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in _filters(request):
        path, rule = row["path"].strip(), row["rule"]
        values = [value.strip() for value in row["value"].split(",") if value.strip()]
        if not path or (not values and rule not in ("exists", "absent")):
            continue
        if rule in ("exists", "absent"):
            found[path] = {"exists": rule == "exists"}
        else:
            found[path] = {"not_in": values} if rule == "not_in" else values
    return found


def _told(request: HttpRequest, question: UsageQuestion, found: Exploration, step: str) -> dict[str, Any]:
    measure = question.measures[0]
    label, axis = labels(measure, found.table)
    title = f"{measure.label} by {step}"
    columns = [
        (
            short_day(at),
            f"{'week from ' if step == 'week' else 'month from ' if step == 'month' else ''}{day(at)}",
            {name: values[at] for name, values in found.by_name.items() if at in values},
        )
        for at in found.steps
    ]
    chart = charts.stacked_bars(title=title, columns=columns, label=label, axis=axis)
    currency = _currency(measure, found.table)
    return {
        "measure": measure,
        "step": step,
        "chart": chart,
        "explorer": explorer_data(chart, found.steps, found.by_name, currency=currency),
        "answer": found.table,
        "columns": found.table.question.measures,
        "rows": [(name_of(row.names), _shown(found.table, row)) for row in found.table.rows],
        "other": [_shown(found.table, row) for row in found.table.other],
        "total": _shown(found.table, None),
        "groups": [path.removeprefix("properties.") for path in question.group_by],
    }


def labels(
    measure: Measure, answer: UsageAnswer
) -> tuple[Callable[[Decimal], str], Callable[[Decimal], str]]:
    """How a chart writes values of the measure, and how its grid does."""
    currency = _currency(measure, answer)
    if currency:
        return lambda value: money_text(value, currency), lambda value: axis_money(value, currency)
    return compact, compact


def _currency(measure: Measure, answer: UsageAnswer) -> str:
    return "USD" if measure.money == "cost" else answer.currency_of(None) if measure.money else ""


def _shown(answer: UsageAnswer, row: Any) -> list[tuple[Measure, Decimal | None, str]]:
    """Each measure of a row: its value, and the currency where it is money."""
    return [
        (
            measure,
            answer.value(measure, row),
            "USD" if measure.money == "cost" else answer.currency_of(row) if measure.money else "",
        )
        for measure in answer.question.measures
    ]


def _csv(question: UsageQuestion) -> HttpResponseBase:
    """Every group with every measure that the table shows."""
    answer = usage_answer(replace(question, measures=table_measures(question)))
    head = [*question.asked_for, *(measure.name for measure in answer.question.measures)]

    def lines() -> Iterator[list[Cell]]:
        for row in answer.rows:
            yield [*row.names, *(answer.value(measure, row) for measure in answer.question.measures)]

    return csv_response(f"explore-{question.span.first}-{question.span.last}", head, lines())
