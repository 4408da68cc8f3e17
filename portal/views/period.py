from datetime import timedelta
from decimal import Decimal

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from core.money import CONTEXT, ZERO
from core.pages.times import local_day
from portal.queries.credits import beyond_credits, rates_of
from portal.queries.period import PeriodPage, period_page
from portal.queries.usage import DIMENSIONS, Used, Window, best_unit, totals_by_name, usage_by
from portal.views.usage import SHOWN, axis_labeler, day_chart, labeler
from portal.visits import Visit, portal_page

SPLITS = ("model", "feature")


@portal_page
def period(request: HttpRequest, visit: Visit) -> HttpResponse:
    """What you will pay for this period, and where it went so far."""
    page = period_page(visit.customer, visit.now)
    window = window_so_far(page, visit)
    by = {split: usage_by(visit.customer.id, window, split) for split in SPLITS}
    total = sum(totals_by_name(by["model"]).values(), Used())
    unit = "credits" if total.credits else best_unit(total)
    label = labeler(unit, visit.customer.currency)
    axis = axis_labeler(unit, visit.customer.currency)
    exponent = page.plans[0].exponent if page.plans else 2
    context = {
        "visit": visit,
        "page": page,
        "window": window,
        "total": total,
        "expected": sum((plan.expected for plan in page.plans), ZERO),
        "spread": _together([plan.spread for plan in page.plans]),
        "so_far": sum((plan.total for plan in page.plans), ZERO),
        "so_far_minor": sum(plan.total_minor for plan in page.plans),
        "exponent": exponent,
        "ends_at": min((plan.period.end for plan in page.plans), default=None),
        "credit_share": _credit_share(page),
        "beyond": beyond_credits(visit.customer.id, visit.now) if _used_up(page) else None,
        "charts": [
            (
                split,
                day_chart(
                    f"{SHOWN[unit]} by day and {DIMENSIONS[split].lower()}",
                    by[split],
                    window,
                    unit,
                    label,
                    axis,
                ),
            )
            for split in SPLITS
            if total.calls
        ],
        "upcoming": [
            version for rates in rates_of(visit.customer.id, visit.now) for version in rates.upcoming
        ],
    }
    return render(request, "portal/period.html", context)


def window_so_far(page: PeriodPage, visit: Visit) -> Window:
    """The days of the open period up to today; the last 30 where no plan runs."""
    today = local_day(visit.now, visit.zone)
    if not page.plans:
        return Window(today - timedelta(days=29), today, visit.zone)
    first = min(local_day(plan.period.start, visit.zone) for plan in page.plans)
    return Window(first, max(first, today), visit.zone)


def _used_up(page: PeriodPage) -> bool:
    return bool(page.credits.granted) and not page.credits.available


def _credit_share(page: PeriodPage) -> Decimal | None:
    if not page.credits.granted:
        return None
    return CONTEXT.divide(page.credits.available, page.credits.granted)


def _together(spreads: list[Decimal]) -> Decimal:
    """Spreads that do not depend on each other add up as the root of their squares."""
    return CONTEXT.sqrt(sum((spread * spread for spread in spreads), ZERO))
