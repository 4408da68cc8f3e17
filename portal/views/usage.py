"""Where it went: one chart and one table, by what the reader asks for in the address."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse

from core.money import CONTEXT, ZERO
from core.pages import charts
from core.pages.explorer import explorer_data
from core.pages.figures import axis_money, compact, money_text
from core.pages.hues import Hue, hues_of
from core.pages.spreadsheet import csv_response
from core.pages.tables import Chip, address, chips_for, day_of, storable, wants_csv
from core.pages.times import day, local_day, short_day
from portal.queries.usage import (
    DIMENSIONS,
    UNITS,
    Slice,
    Used,
    Window,
    best_unit,
    totals_by_name,
    usage_by,
)
from portal.visits import Visit, portal_page

DAYS_MAX = 366
PRESETS = (("7", "7 days"), ("30", "30 days"), ("90", "90 days"), ("365", "A year"))
DAYS_DEFAULT = "30"
# What a chart of each unit shows.
SHOWN = {"money": "Price of the calls", "credits": "Credits burnt", "tokens": "Tokens", "calls": "Calls"}


@dataclass(frozen=True)
class NameRow:
    """One line of the table under the chart."""

    name: str
    hue: Hue
    used: Used
    share: Decimal | None
    before: Used
    href: str


@portal_page
def usage(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    window = window_of(request, visit)
    by = request.GET.get("by", "model") if request.GET.get("by") in DIMENSIONS else "model"
    only = _only(request)
    slices = usage_by(visit.customer.id, window, by, only=only)
    totals = totals_by_name(slices)
    total = sum(totals.values(), Used())
    unit = request.GET["unit"] if request.GET.get("unit") in UNITS else best_unit(total)
    if wants_csv(request):
        return csv_response(
            f"usage-{window.first}-{window.last}",
            ("day", by, "calls", "tokens", "money", "credits", "currency"),
            (
                (
                    str(s.day),
                    s.name,
                    s.used.calls,
                    s.used.tokens,
                    s.used.money,
                    s.used.credits,
                    visit.customer.currency,
                )
                for s in slices
            ),
        )
    earlier = totals_by_name(usage_by(visit.customer.id, window.before, by, only=only))
    label = labeler(unit, visit.customer.currency)
    axis = axis_labeler(unit, visit.customer.currency)
    step = "week" if window.by_weeks else "day"
    title = f"{SHOWN[unit]} by {step} and {DIMENSIONS[by].lower()}"
    chart = day_chart(title, slices, window, unit, label, axis)
    context = {
        "visit": visit,
        "window": window,
        "by": by,
        "by_label": DIMENSIONS[by],
        "unit": unit,
        "chart": chart,
        "explorer": chart_data(chart, slices, window, unit, visit.customer.currency),
        "rows": name_rows(request, by, unit, totals, earlier),
        "total": total,
        "before": sum(earlier.values(), Used()),
        "only": [
            (DIMENSIONS[name], value, address(request, {f"only_{name}": None}))
            for name, values in only.items()
            for value in values
        ],
        "presets": chips_for(
            request, "days", [(value if value != DAYS_DEFAULT else "", text) for value, text in PRESETS]
        ),
        "bys": chips_for(
            request, "by", [(name if name != "model" else "", text) for name, text in DIMENSIONS.items()]
        ),
        "units": unit_chips(request, unit),
        "csv_href": address(request, {"format": "csv"}),
    }
    return render(request, "portal/usage.html", context)


def _only(request: HttpRequest) -> dict[str, list[str]]:
    """The values that the address narrows each dimension to."""
    named = {name: request.GET.getlist(f"only_{name}") for name in DIMENSIONS}
    return {name: [storable(value) for value in values] for name, values in named.items() if any(values)}


def window_of(request: HttpRequest, visit: Visit) -> Window:
    """From ``from`` and ``to`` in the address, else the last ``days`` days; at most a year."""
    today = local_day(visit.now, visit.zone)
    first, last = day_of(request, "from"), day_of(request, "to")
    if first is not None:
        last = min(max(last or today, first), first + timedelta(days=DAYS_MAX - 1))
        return Window(first, last, visit.zone)
    asked = request.GET.get("days", DAYS_DEFAULT)
    count = int(asked if asked in dict(PRESETS) else DAYS_DEFAULT)
    return Window(today - timedelta(days=count - 1), today, visit.zone)


def labeler(unit: str, currency: str) -> Callable[[Decimal], str]:
    if unit == "money":
        return lambda value: money_text(value, currency)
    return compact


def axis_labeler(unit: str, currency: str) -> Callable[[Decimal], str]:
    if unit == "money":
        return lambda value: axis_money(value, currency)
    return compact


def day_chart(
    title: str,
    slices: Sequence[Slice],
    window: Window,
    unit: str,
    label: charts.Label,
    axis: charts.Label | None = None,
) -> charts.BarChart:
    by_step: dict[date, dict[str, Decimal]] = {step: {} for step in window.steps}
    for item in slices:
        step = by_step[window.step_of(item.day)]
        step[item.name] = step.get(item.name, ZERO) + item.used.of(unit)
    prefix = "week from " if window.by_weeks else ""
    steps = list(by_step)
    return charts.stacked_bars(
        title=title,
        columns=[(short_day(step), f"{prefix}{day(step)}", by_step[step]) for step in steps],
        label=label,
        axis=axis,
        href=lambda n: f"{reverse('portal:calls')}?day={steps[n].isoformat()}",
    )


def name_rows(
    request: HttpRequest, by: str, unit: str, totals: dict[str, Used], earlier: dict[str, Used]
) -> list[NameRow]:
    names = sorted({*totals, *earlier}, key=lambda name: (-totals.get(name, Used()).of(unit), name))
    hues = hues_of(names)
    whole = sum((used.of(unit) for used in totals.values()), ZERO)
    return [
        NameRow(
            name,
            hues[name] if place < charts.SERIES_MAX else Hue(None),
            totals.get(name, Used()),
            CONTEXT.divide(totals.get(name, Used()).of(unit), whole) if whole else None,
            earlier.get(name, Used()),
            address(request, {f"only_{by}": name}),
        )
        for place, name in enumerate(names)
    ]


def unit_chips(request: HttpRequest, current: str) -> list[Chip]:
    return [Chip(label, address(request, {"unit": unit}), unit == current) for unit, label in UNITS.items()]


def chart_data(
    chart: charts.BarChart, slices: Sequence[Slice], window: Window, unit: str, currency: str
) -> dict[str, object]:
    """The same numbers as the still chart's, for the interactive one."""
    by_name: dict[str, dict[date, Decimal]] = {}
    for item in slices:
        sums = by_name.setdefault(item.name, {})
        step = window.step_of(item.day)
        sums[step] = sums.get(step, ZERO) + item.used.of(unit)
    return explorer_data(
        chart,
        window.steps,
        by_name,
        currency=currency if unit == "money" else "",
        href=f"{reverse('portal:calls')}?day=",
    )
