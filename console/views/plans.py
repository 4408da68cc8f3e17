from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from console.access import staff_page
from console.queries.plans import plan_pages, plan_rows


@staff_page
def plans(request: HttpRequest) -> HttpResponse:
    return render(request, "console/plans.html", {"rows": plan_rows()})


@staff_page
def plan(request: HttpRequest, key: str) -> HttpResponse:
    found, versions = plan_pages(key)
    return render(request, "console/plan.html", {"plan": found, "versions": versions})
