from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST

from console.access import staff_page
from console.acts import Done, carry_out, refused
from console.queries.plan_versions import version_in_full
from console.queries.plans import plan_pages, plan_rows
from core.clock import now as present
from core.problems import Problem
from core.texts import whole_of
from pricing.plans import publish_version, retire_version, version_of


@staff_page
def plans(request: HttpRequest) -> HttpResponse:
    return render(request, "console/plans.html", {"rows": plan_rows()})


@staff_page
def plan(request: HttpRequest, key: str) -> HttpResponse:
    found, versions = plan_pages(key)
    return render(request, "console/plan.html", {"plan": found, "versions": versions})


@staff_page
def version(request: HttpRequest, key: str, number: int) -> HttpResponse:
    """One version, what it changes, and what can be done with it."""
    against = whole_of(request.GET.get("with", ""))
    return render(request, "console/plan_version.html", {"found": version_in_full(key, number, against)})


@require_POST
@staff_page
def publish(request: HttpRequest, key: str, number: int) -> HttpResponse:
    row, now = version_of(key, number), present()
    to = reverse("console:plan_version", args=[key, number])

    def act() -> Done:
        publish_version(row, now=now)
        return Done(f"Version {number} is on sale. Who has another version keeps it until you move them.", to)

    try:
        return carry_out(request, act, now=now)
    except Problem as problem:
        return refused(request, problem, "Not published", "console:plan_version", key, number)


@require_POST
@staff_page
def retire(request: HttpRequest, key: str, number: int) -> HttpResponse:
    row, now = version_of(key, number), present()
    to = reverse("console:plan_version", args=[key, number])

    def act() -> Done:
        retire_version(row, now=now)
        return Done(f"Version {number} is sold no more. Who has it keeps it.", to)

    try:
        return carry_out(request, act, now=now)
    except Problem as problem:
        return refused(request, problem, "Not retired", "console:plan_version", key, number)
