from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST

from billing.models import PlanMove, PlanMoveStep
from billing.plan_moves import (
    ALL,
    MOVE_DUE,
    NEW_ONLY,
    NewMove,
    cancel_move,
    candidates,
    move_subscribers,
    step_status,
    steps_of,
)
from billing.reading import NEXT_PERIOD, read_move
from console.access import staff_page
from console.acts import Done, carry_out, refused
from console.forms import Input, day_start, errors_of, filled, read_day, written
from console.queries.plan_moves import candidate_rows, matching, move_rows, plan_moves
from core import limits
from core.clock import now as present
from core.due_work import run_due
from core.fields import Fields
from core.ids import parse_public_id, public_id
from core.pages.spreadsheet import Cell, csv_response
from core.pages.tables import Column, PreparedPage, listing, prepared_listing, searched, wants_csv
from core.problems import Invalid, NotFound, Problem
from core.times import render_time
from pricing.models import PlanVersion
from pricing.plans import version_of

PREFIX = "move"
CANDIDATE_COLUMNS = (
    Column("mark", ""),
    Column("customer", "Customer"),
    Column("has", "Has", low=True),
    Column("at", "Would move", low=True),
    Column("was", "Last period", number=True),
    Column("would", "By the new", number=True),
    Column("change", "Change", number=True),
)
COLUMNS = (
    Column("made", "Made", order=("created_at", "id"), descending_first=True),
    Column("version", "To"),
    Column("who", "Who", low=True),
    Column("when", "When"),
    Column("stands", "Stands"),
)
STEP_COLUMNS = (
    Column("customer", "Customer", order=("customer__name", "subscription_id")),
    Column("from", "From", low=True, order=("from_version", "customer_id")),
    Column("at", "Takes effect", order=("at", "customer_id")),
    Column("state", "State", order=("state", "customer_id")),
    Column("why", "Why not", low=True),
)
DAY = Input("day", "On the day", kind="date", help="UTC. Empty: each with the start of its next period.")
KEYS = Input("keys", "Or these, by their keys", kind="lines", help="One a line, up to 1,000.")


@staff_page
def new_move(request: HttpRequest, key: str, number: int) -> HttpResponse:
    """Who could move to the version, what each would pay by it, and the move itself."""
    version, now = version_of(key, number), present()
    errors: dict[str, str] = {}
    if request.method == "POST":
        try:
            new = _read(request, version, now)
            answer = carry_out(request, lambda: _move_them(new, now), now=now)
            # The first steps at once, so that whoever reads the move finds them; the sweep does the rest.
            run_due(now, kinds=[MOVE_DUE], limit=limits.MOVE_STEPS_AT_ONCE)
            return answer
        except Problem as problem:
            errors = errors_of(problem)
    everybody = candidates(NewMove(version, ALL, None))
    found = matching(everybody, searched(request))
    page = prepared_listing(
        request,
        CANDIDATE_COLUMNS,
        PreparedPage(
            len(found), lambda offset, limit: candidate_rows(found[offset : offset + limit], version, now)
        ),
        default="",
    )
    context = {
        "version": version,
        "plan": version.plan,
        "listing": page,
        "all": len(everybody),
        "movable": sum(1 for one in everybody if not one.refusal),
        "inputs": filled([DAY], {name: request.POST.get(name) for name in request.POST}, errors),
        "keys": filled([KEYS], {name: request.POST.get(name) for name in request.POST}, errors)[0],
        "errors": errors,
        "now": now,
    }
    return render(request, "console/plan_move_new.html", context, status=422 if errors else 200)


@staff_page
def moves(request: HttpRequest) -> HttpResponse:
    now = present()
    page = listing(request, COLUMNS, plan_moves(), default="-made")
    return render(request, "console/plan_moves.html", {"listing": page, "rows": move_rows(page.rows, now)})


@staff_page
def move(request: HttpRequest, public: str) -> HttpResponseBase:
    """What became of a move, subscription by subscription."""
    found, now = _named(public), present()
    steps = steps_of(found)
    words = searched(request)
    if words:
        steps = steps.filter(customer__name__icontains=words)
    if wants_csv(request):
        return csv_response(public, CSV_HEAD, _cells(steps.order_by("customer_id", "subscription_id"), now))
    page = listing(request, STEP_COLUMNS, steps, default="state")
    context: dict[str, Any] = {"row": move_rows([found], now)[0], "public": public, "listing": page}
    context["steps"] = [(step, step_status(step.state, step.at, now)) for step in page.rows]
    return render(request, "console/plan_move.html", context | {"now": now})


@require_POST
@staff_page
def cancel(request: HttpRequest, public: str) -> HttpResponse:
    found, now = _named(public), present()

    def act() -> Done:
        cancel_move(found.id, now=now)
        told = "Cancelled. Who has moved stays moved; nobody else will."
        return Done(told, reverse("console:plan_move", args=[public]))

    try:
        answer = carry_out(request, act, now=now)
    except Problem as problem:
        return refused(request, problem, "Not cancelled", "console:plan_move", public)
    run_due(now, kinds=[MOVE_DUE], limit=limits.MOVE_STEPS_AT_ONCE)
    return answer


def _move_them(new: NewMove, now: datetime) -> Done:
    row = move_subscribers(new, now=now)
    told = "The move is made. Until it takes effect for a subscription, it can be cancelled."
    if new.who == NEW_ONLY:
        told = "Noted: who is there keeps the version it has, and only new subscribers get this one."
    return Done(told, reverse("console:plan_move", args=[public_id(PREFIX, row.id)]))


def _read(request: HttpRequest, version: PlanVersion, now: datetime) -> NewMove:
    """The move asked for. Raises ``Invalid`` with every field that is wrong, by the form's own names."""
    fields = Fields(written(request.POST, "day"))
    day = read_day(fields, "day")
    fields.done()
    when = (
        NEXT_PERIOD
        if day is None
        else render_time(max(day_start(day), now) if day == now.date() else day_start(day))
    )
    asked = request.POST.get("who", "")
    who: str | list[str] = asked if asked in (ALL, NEW_ONLY) else _chosen(request)
    try:
        return read_move(Fields({"who": who, "when": when}), version, now)
    except Invalid as problem:
        names = {"who": "keys", "when": "day"}
        raise Invalid.one(
            names.get(problem.errors[0].field, ""), problem.errors[0].code, problem.detail
        ) from None


def _chosen(request: HttpRequest) -> list[str]:
    keys = [*request.POST.getlist("customer"), *request.POST.get("keys", "").split()]
    if not keys:
        raise Invalid.one("keys", "required", "Mark whom to move, or write keys.")
    return list(dict.fromkeys(keys))


CSV_HEAD = ("customer", "subscription", "from_version", "takes_effect", "state", "detail")


def _cells(steps: QuerySet[PlanMoveStep], now: datetime) -> Iterator[list[Cell]]:
    for step in steps.iterator():
        status = step_status(step.state, step.at, now)
        key: str = step.subscription_key  # type: ignore[attr-defined]
        yield [step.customer.key, key, step.from_version, step.at, status, step.detail]


def _named(public: str) -> PlanMove:
    found = plan_moves().filter(id=parse_public_id(PREFIX, public)).first()
    if found is None:
        raise NotFound("There is no such move.")
    return found
