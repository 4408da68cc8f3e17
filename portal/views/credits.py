from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from core.pages import charts
from core.pages.figures import compact
from core.pages.times import day, local_day, short_day
from core.periods import local_midnight
from portal.queries.credits import credit_days, credit_history, credits_of, rates_of
from portal.visits import Visit, portal_page

DAYS = 30


@portal_page
def credits(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Grants in the order they burn, and what burnt of late."""
    today = local_day(visit.now, visit.zone)
    days = [today - timedelta(days=n) for n in range(DAYS - 1, -1, -1)]
    start = local_midnight(days[0], visit.zone)
    end = local_midnight(today + timedelta(days=1), visit.zone)
    burnt = {row.day: row for row in credit_days(visit.customer.id, start, end, visit.zone)}
    chart = charts.stacked_bars(
        title="Credits burnt by day",
        columns=[
            (
                short_day(value),
                day(value),
                {"From your credits": burnt[value].covered, "Beyond your credits": burnt[value].overage}
                if value in burnt
                else {},
            )
            for value in days
        ],
        label=compact,
    )
    context = {
        "visit": visit,
        "credits": credits_of(visit.customer.id, visit.now),
        "chart": chart if burnt else None,
        "history": credit_history(visit.customer.id),
    }
    return render(request, "portal/credits.html", context)


@portal_page
def burn_tables(request: HttpRequest, visit: Visit) -> HttpResponse:
    return render(
        request, "portal/burn_tables.html", {"visit": visit, "tables": rates_of(visit.customer.id, visit.now)}
    )
