from datetime import timedelta
from decimal import Decimal

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from billing.recounts.corrections import corrections_between
from console.access import staff_page
from console.forms import day_start
from console.queries.overview import (
    Earned,
    EarnedDay,
    Floors,
    currencies,
    earned_days,
    floors,
    together,
)
from console.queries.prices import unpriced_count
from console.queries.work import parked_count, parked_work
from core.clock import now as present
from core.money import ZERO
from core.pages import charts
from core.pages.figures import axis_money, money_text, percent
from core.pages.hues import Hue
from core.pages.tables import chips_for
from core.pages.times import day, short_day
from pricing.cost_currency import COST_CURRENCY

PRESETS = (("7", "7 days"), ("30", "30 days"), ("90", "90 days"))
DAYS_DEFAULT = "30"
COST, KEPT, REVENUE = "Provider cost", "Kept", "Revenue"
COVERED, LOST = "Cost covered", "Cost not covered"


@staff_page
def overview(request: HttpRequest) -> HttpResponse:
    """Revenue, cost and margin of the last days, and whatever needs a person."""
    now = present()
    choices = currencies() or ["USD"]
    currency = request.GET.get("currency", choices[0])
    currency = currency if currency in choices else choices[0]
    asked = request.GET.get("days", DAYS_DEFAULT)
    count = int(asked if asked in dict(PRESETS) else DAYS_DEFAULT)
    last = now.date()
    first = last - timedelta(days=count - 1)
    days = earned_days(currency, first, last)
    total = together(days)
    before = together(earned_days(currency, first - timedelta(days=count), first - timedelta(days=1)))
    comparable = currency == COST_CURRENCY
    floor = floors(currency, first, last, now) if comparable else Floors()
    context = {
        "now": now,
        "currency": currency,
        "first": first,
        "corrections": corrections_between(day_start(first), now),
        "last": last,
        "count": count,
        "total": total,
        "before": before,
        "floor": floor,
        "comparable": comparable,
        "money_chart": money_chart(days, currency) if total.events or total.revenue else None,
        "margin_chart": margin_chart(days, floor.weighted) if comparable and total.revenue else None,
        "unpriced": unpriced_count(),
        "parked": parked_count(),
        "presets": chips_for(
            request, "days", [(v if v != DAYS_DEFAULT else "", text) for v, text in PRESETS]
        ),
        "currencies": chips_for(request, "currency", [(c if c != choices[0] else "", c) for c in choices]),
    }
    return render(request, "console/overview.html", context)


@staff_page
def work(request: HttpRequest) -> HttpResponse:
    return render(request, "console/work.html", {"rows": parked_work(), "now": present()})


def money_chart(days: list[EarnedDay], currency: str) -> charts.BarChart:
    """Each day's revenue; where costs are in the same currency, split into what providers took and what was kept.

    Where they took more than there was, the rest of the cost stands above the revenue, by a name of its own.
    """
    lost = any(item.earned.kept < 0 for item in days) and currency == COST_CURRENCY
    taken = COVERED if lost else COST

    def parts(earned: Earned) -> dict[str, Decimal]:
        if currency != COST_CURRENCY:
            return {REVENUE: earned.revenue}
        short = max(-earned.kept, ZERO)
        return {taken: earned.cost - short, KEPT: max(earned.kept, ZERO)} | ({LOST: short} if lost else {})

    split = {taken: Hue(None), KEPT: Hue(1)} | ({LOST: Hue(2)} if lost else {})
    return charts.stacked_bars(
        title="Revenue by day, and the cost that it did not cover" if lost else "Revenue by day",
        columns=[(short_day(item.day), day(item.day), parts(item.earned)) for item in days],
        label=lambda value: money_text(value, currency),
        axis=lambda value: axis_money(value, currency),
        hues=split if currency == COST_CURRENCY else {REVENUE: Hue(1)},
    )


def margin_chart(days: list[EarnedDay], floor: Decimal | None) -> charts.LineChart:
    rates = [(short_day(item.day), day(item.day), item.earned.rate) for item in days]
    known = [rate for _, _, rate in rates if rate is not None]
    return charts.line(
        title="Margin by day",
        points=rates,
        label=percent,
        floor=floor,
        floor_label=f"floor {percent(floor)}" if floor is not None else "",
        lowest=min([Decimal(0), *known]),
        highest=max([Decimal("0.5"), *known]),
    )
