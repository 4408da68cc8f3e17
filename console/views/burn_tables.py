import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from console.access import staff_page
from console.acts import Done, carry_out
from console.forms import Input, day_start, errors_of, filled, read_day, written
from console.queries.burn_tables import MarginCheck, margin_check, table_page, table_rows
from core import limits, strict_json
from core.clock import now as present
from core.fields import Fields
from core.money import ONE, ZERO, plain
from core.problems import Invalid, Problem
from pricing.burn_margins import CREDIT_PRICE_LEAST
from pricing.burn_rates import RateTable
from pricing.burn_tables import add_version, checked_rates, compiled, create_table
from pricing.models import BurnTable
from pricing.plan_terms import MONEY_MAX

ASKED = (
    Input("credit_price", "A credit sells for, USD", required=True),
    Input("floor", "Least margin", help="0.30 for 30 %"),
    Input("model", "Only this model"),
)
UNLISTED = (("pending", "wait for a rate"), ("free", "are free"))
VERSION = (
    Input("first", "Holds from the day", kind="date", help="UTC. Empty: from now."),
    Input("note", "Note", help="Customers read it in the table’s history."),
    Input("unlisted", "Calls that no rate names", kind="select", choices=UNLISTED),
    Input(
        "correction",
        "It puts a mistake right",
        kind="select",
        choices=(("", "no, it holds from then on"), ("yes", "yes, it may begin in the past")),
    ),
)
TABLE = (
    Input("key", "Key", required=True, help="Your own id for it, for ever: standard"),
    Input("name", "Name", required=True, help="Customers read it."),
)
FIRST_RATES = [{"id": "tokens", "match": {"token_kind": "tokens"}, "credits": "1", "per": "1000"}]
Act = Callable[[HttpRequest, Any, datetime], Done]


@dataclass(frozen=True)
class Desk:
    """What is being written: a new table, or the next version of ``table``. ``text`` are the rates to begin with."""

    heading: str
    inputs: tuple[Input, ...]
    text: str
    table: BurnTable | None = None


@staff_page
def burn_tables(request: HttpRequest) -> HttpResponse:
    return render(request, "console/burn_tables.html", {"rows": table_rows(present())})


@staff_page
def burn_table(request: HttpRequest, key: str) -> HttpResponse:
    """One table with its history; with ``?credit_price=`` also what it earns on each model."""
    now = present()
    page = table_page(key, now)
    given = {name: request.GET.get(name, "") for name in request.GET}
    context: dict[str, Any] = {"page": page, "now": now}
    errors: dict[str, str] = {}
    if page.version is not None and given.get("credit_price"):
        try:
            context["check"] = _check(compiled(page.version), given, now)
        except Problem as problem:
            errors = errors_of(problem)
    context |= {"asked": filled(ASKED, given, errors), "errors": errors}
    return render(request, "console/burn_table.html", context)


@staff_page
def new_table(request: HttpRequest) -> HttpResponse:
    """A table from nothing: checked against the costs, then published."""
    desk = Desk("A new burn table", VERSION[:-1], json.dumps(FIRST_RATES, indent=1))
    return _edit(request, desk, {"unlisted": "pending"}, _publish)


@staff_page
def new_version(request: HttpRequest, key: str) -> HttpResponse:
    """The table's next version: checked against the costs, then announced."""
    page = table_page(key, present())
    newest = page.history[0].version if page.history else None
    text = json.dumps(newest.rates if newest else [], indent=1, ensure_ascii=False)
    desk = Desk(f"Next version of {page.table.name}", VERSION, text, page.table)
    given = {"unlisted": newest.unlisted if newest else "pending"}
    return _edit(request, desk, given, lambda asked, rates, now: _announce(asked, key, rates, now))


def _edit(request: HttpRequest, desk: Desk, given: dict[str, Any], act: Act) -> HttpResponse:
    now = present()
    text = desk.text
    errors: dict[str, str] = {}
    check: MarginCheck | None = None
    if request.method == "POST":
        given = {name: request.POST.get(name, "") for name in request.POST}
        text = str(given.get("rates", ""))
        try:
            rates = _rates(text)
            table = checked_rates(rates)
            if given.get("credit_price"):
                check = _check(table, given, now)
            if given.get("do") == "announce":
                return carry_out(request, lambda: act(request, rates, now), now=now)
        except Problem as problem:
            errors = errors_of(problem)
    context = {
        "desk": desk,
        "named": filled(TABLE, given, errors),
        "inputs": filled(desk.inputs, given, errors),
        "asked": filled(ASKED, given, errors),
        "errors": errors,
        "text": text,
        "check": check,
        "path": request.path,
        "checked": check is not None,
    }
    status = 422 if errors and "HX-Request" not in request.headers else 200
    return render(request, "console/burn_table_new.html", context, status=status)


def _check(table: RateTable, given: dict[str, Any], now: datetime) -> MarginCheck:
    """What is asked for in the form. Raises ``Invalid``."""
    fields = Fields({name: given[name] for name in ("credit_price", "floor", "model") if given.get(name)})
    price = fields.number("credit_price", least=CREDIT_PRICE_LEAST, most=MONEY_MAX)
    floor = fields.number("floor", ZERO, least=ZERO, below=ONE)
    model = fields.text("model", default="")
    fields.done()
    return margin_check(table, price, floor, now, model)


def _rates(text: str) -> Any:
    try:
        found = strict_json.loads(text.encode())
    except Problem as problem:
        raise Invalid.one("rates", "malformed", problem.detail) from None
    return json.loads(json.dumps(found, default=plain))


def _publish(request: HttpRequest, rates: Any, now: datetime) -> Done:
    fields = Fields(written(request.POST, "key", "name", "first", "note", "unlisted"))
    key, name = fields.key("key"), fields.text("name")
    day = read_day(fields, "first")
    note, unlisted = fields.text("note", default="", most=limits.REASON_CHARACTERS_MAX), _unlisted(fields)
    fields.done()
    made = create_table(
        key,
        name,
        rates,
        effective_at=day_start(day) if day else now,
        now=now,
        note=note,
        unlisted=unlisted,
    )
    return Done(
        f"{made.name} is published. A plan may burn by it.", reverse("console:burn_table", args=[key])
    )


def _unlisted(fields: Fields) -> str:
    return fields.choice("unlisted", ("pending", "free"), "pending")


def _announce(request: HttpRequest, key: str, rates: Any, now: datetime) -> Done:
    fields = Fields(written(request.POST, "first", "note", "unlisted", "correction"))
    day = read_day(fields, "first")
    note, unlisted = fields.text("note", default="", most=limits.REASON_CHARACTERS_MAX), _unlisted(fields)
    correction = bool(fields.text("correction", default=""))
    fields.done()
    at = day_start(day) if day else now
    try:
        version = add_version(
            key, rates, effective_at=at, now=now, note=note, unlisted=unlisted, correction=correction
        )
    except Invalid as problem:
        if any(error.field == "effective_at" for error in problem.errors):
            detail = "Write a day that is still to come, or say that it puts a mistake right."
            raise Invalid.one("first", "past", detail) from None
        raise
    told = f"Version {version.number} is announced: customers see it in the table’s history."
    if at < now and correction:
        told += " Calls that were burnt before keep their credits until their span is rated again."
    return Done(told, reverse("console:burn_table", args=[key]))
