import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from console.access import staff_page
from console.acts import Done, carry_out
from console.forms import Input, day_start, errors_of, filled, read_day, written
from console.plan_editor.layout import OWN, TIERED, Catalog, form_of
from console.plan_editor.posted import terms_of
from console.plan_editor.preview import priced
from console.plan_editor.steps import carry_out_step, fit_models
from core import limits, strict_json
from core.clock import now as present
from core.fields import Fields
from core.money import plain
from core.problems import Invalid, Problem
from core.texts import whole_of
from metering.models import Meter
from pricing.models import BurnTable, Plan, PlanVersion
from pricing.plan_corrections import Correction
from pricing.plan_terms import read_terms
from pricing.plans import add_version, create_plan, plan_by_key, rewrite_draft, version_of

NEW: dict[str, Any] = {"currency": "USD", "interval": "month", "charges": [{"model": "per_unit"}]}
JSON_ROWS = 32
CORRECTION = (
    Input("note", "What was wrong", required=True, help="Kept with the version."),
    Input("since", "Holds from the day", kind="date", help="UTC. Empty: from the beginning."),
)
# Fields that belong to one charge model or another, and must go when the model changes.
FIELDS = {name: frozenset(field.name for field in fields) for name, fields in OWN.items()}
FIELDS |= {name: frozenset({"tiers", "flat_at_zero"}) for name in TIERED}
FIELDS |= {"matrix": FIELDS["matrix"] | {"cells"}, "flat": FIELDS["flat"], "dynamic": frozenset()}
FIELDS["credits"] |= {"burn_table", "tiers", "flat_at_zero"}


@dataclass(frozen=True)
class Desk:
    """What is being edited: a new plan, a plan's next version, or a draft of it."""

    plan: Plan | None
    draft: PlanVersion | None
    heading: str
    button: str
    corrects: PlanVersion | None = None


@staff_page
def new_plan(request: HttpRequest) -> HttpResponse:
    """A plan from nothing, or with ``?copy=key`` from what another plan sells."""
    terms = dict(NEW)
    copied = request.GET.get("copy", "")
    if copied:
        terms = {**_newest(plan_by_key(copied)).terms, "key": "", "name": ""}
    return _edit(request, Desk(None, None, "A new plan", "Save as a draft"), terms)


@staff_page
def new_version(request: HttpRequest, key: str) -> HttpResponse:
    """The plan's next version, begun with the terms of its newest one."""
    plan = plan_by_key(key)
    number = whole_of(request.GET.get("corrects", ""))
    if number is not None:
        wrong = version_of(key, number)
        heading = f"{plan.name}, version {number} put right"
        return _edit(request, Desk(plan, None, heading, "Save as a draft", wrong), wrong.terms)
    return _edit(
        request, Desk(plan, None, f"{plan.name}, next version", "Save as a draft"), _newest(plan).terms
    )


@staff_page
def edit_draft(request: HttpRequest, key: str, number: int) -> HttpResponse:
    draft = version_of(key, number)
    desk = Desk(draft.plan, draft, f"{draft.plan.name}, version {number}", "Save the draft")
    return _edit(request, desk, draft.terms)


def _edit(request: HttpRequest, desk: Desk, terms: dict[str, Any]) -> HttpResponse:
    now = present()
    errors: dict[str, str] = {}
    as_json = written = False
    text = ""
    if request.method == "POST":
        step, as_json = request.POST.get("do", ""), request.POST.get("mode") == "json"
        text = request.POST.get("json", "")
        try:
            terms = _from_json(text) if as_json else fit_models(terms_of(_pairs(request)), FIELDS)
            written = True
            if step == "save":
                correction = _correction(request, desk)
                return carry_out(request, lambda: _save(desk, terms, correction, now), now=now)
        except Problem as problem:
            errors = errors_of(problem)
        if written and step in ("json", "form"):
            as_json, text = step == "json", ""
        terms = carry_out_step(terms, step)
    if as_json and not text:
        text = json.dumps(terms, indent=2, ensure_ascii=False, default=plain)
    quantities = {name: value for name, value in _pairs(request) if name.startswith("quantity[")}
    catalog = Catalog(
        tuple(Meter.objects.order_by("key").values_list("key", flat=True)),
        tuple(BurnTable.objects.order_by("key").values_list("key", flat=True)),
    )
    context = {
        "desk": desk,
        "terms": terms,
        "meters": bool(catalog.meters),
        "form": None if as_json else form_of(terms, errors, catalog, quantities),
        "text": text,
        "json_rows": JSON_ROWS,
        "errors": errors,
        "priced": priced(terms, quantities, now=now),
        "path": request.get_full_path(),
        "correction": filled(CORRECTION, {name: request.POST.get(name) for name in request.POST}, errors)
        if desk.corrects
        else [],
        "key_error": errors.get("key", ""),
    }
    in_place = "HX-Request" in request.headers  # htmx takes in only what was answered 200
    return render(request, "console/plan_edit.html", context, status=422 if errors and not in_place else 200)


def _correction(request: HttpRequest, desk: Desk) -> Correction | None:
    """What the version puts right, as the form says it. Raises ``Invalid``."""
    if desk.corrects is None:
        return None
    fields = Fields(written(request.POST, "note", "since"))
    note, since = fields.text("note", most=limits.REASON_CHARACTERS_MAX), read_day(fields, "since")
    fields.done()
    return Correction(desk.corrects.number, note, day_start(since) if since else None)


def _save(desk: Desk, terms: dict[str, Any], correction: Correction | None, now: datetime) -> Done:
    if desk.draft is not None:
        version = rewrite_draft(desk.draft, read_terms(terms, key=desk.draft.plan.key), now=now)
    elif desk.plan is not None:
        own = read_terms(terms, key=desk.plan.key)
        version = add_version(desk.plan, own, now=now, correction=correction)
    else:
        version = create_plan(read_terms(terms), now=now)
    to = reverse("console:plan_version", args=[version.plan.key, version.number])
    return Done("Saved as a draft. Nobody can buy it until you publish it.", to)


def _pairs(request: HttpRequest) -> list[tuple[str, str]]:
    return [(str(name), str(request.POST.get(name, ""))) for name in request.POST]


def _from_json(text: str) -> dict[str, Any]:
    """Terms written as JSON. Raises ``Invalid`` where they are not."""
    try:
        found = strict_json.loads(text.encode())
    except Problem as problem:
        raise Invalid.one("json", "malformed", problem.detail) from None
    if not isinstance(found, dict):
        raise Invalid.one("json", "object", "Write the terms as a JSON object.")
    return found


def _newest(plan: Plan) -> PlanVersion:
    """The version that a next one is begun from: on sale before drafted, then the highest number."""
    versions = sorted(
        plan.versions.all(), key=lambda one: (one.status == PlanVersion.Status.PUBLISHED, one.number)
    )
    return versions[-1]
