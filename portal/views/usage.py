"""Where it went: one chart and one table, by what the reader asks for in the address."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse

from billing.attribution.patience import TooBroad
from core.money import CONTEXT, ZERO
from core.pages import charts
from core.pages.explorer import explorer_data
from core.pages.figures import axis_money, compact, money_text
from core.pages.hues import OTHER, Hue, hues_of
from core.pages.spreadsheet import Cell, csv_response
from core.pages.tables import Chip, address, chips_for, day_of, kept, storable, wants_csv
from core.pages.times import day, local_day, short_day
from metering.event_columns import TOKEN_KIND
from portal.queries.usage import DIMENSIONS, UNITS, Slice, Used, Window, best_unit, totals_by_name
from portal.queries.usage_by_path import (
    ONLY,
    Split,
    SplitUse,
    choices,
    label_of,
    read_split,
    short_name,
    usage_split,
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
    href: str


@portal_page
def usage(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    if request.GET.get("where") and request.GET.get("is"):
        return redirect(_narrowed(request))
    window = window_of(request, visit)
    split = read_split(request.GET)
    context = {
        "visit": visit,
        "window": window,
        "split": split,
        "only": [
            (label_of(name), value, address(request, {f"{ONLY}{name}": None}))
            for name, values in split.only.items()
            for value in values
        ],
        "presets": chips_for(
            request, "days", [(value if value != DAYS_DEFAULT else "", text) for value, text in PRESETS]
        ),
        "kept_days": [item for item in kept(request.GET) if item[0] not in ("from", "to", "days")],
        "kept_only": kept(request.GET),
        "csv_href": address(request, {"format": "csv"}),
    }
    try:
        found = usage_split(visit.customer, window, split, request.GET.get("unit", ""))
        if wants_csv(request):
            return _file(found.slices, window, split, visit)
        before = usage_split(visit.customer, window.before, Split("model", split.only))
        names = choices(visit.customer, window, split)
    except TooBroad as problem:
        names = [*DIMENSIONS, *({split.by} - {*DIMENSIONS})]
        context |= {"wrong": problem.detail, "bys": _bys(request, names), "names": names}
        return render(request, "portal/usage.html", context, status=problem.status)
    context |= {"bys": _bys(request, names), "names": [name for name in names if name != TOKEN_KIND]}
    context |= _told(request, visit, window, split, found)
    context |= {"before": sum((part.used for part in before.slices), Used()), "kept_since": found.kept_since}
    return render(request, "portal/usage.html", context)


def _told(
    request: HttpRequest, visit: Visit, window: Window, split: Split, found: SplitUse
) -> dict[str, Any]:
    """The chart and the table of what was found."""
    totals = totals_by_name(found.slices)
    total = sum(totals.values(), Used())
    asked = request.GET.get("unit", "")
    unit = asked if asked in split.units else best_unit(total)
    step = "week" if window.by_weeks else "day"
    label = labeler(unit, visit.customer.currency)
    axis = axis_labeler(unit, visit.customer.currency)
    title = f"{SHOWN[unit]} by {step} and {split.words}"
    chart = day_chart(title, found.slices, window, unit, label, axis)
    return {
        "unit": unit,
        "units": [
            Chip(UNITS[name], address(request, {"unit": name}), name == unit)
            for name in split.units
            if total.of(name) or name in (unit, "calls")
        ],
        "chart": chart,
        "explorer": chart_data(chart, found.slices, window, unit, visit.customer.currency),
        "rows": name_rows(request, split, unit, totals),
        "total": total,
    }


def _bys(request: HttpRequest, names: Sequence[str]) -> tuple[Chip, ...]:
    return chips_for(request, "by", [(name if name != "model" else "", label_of(name)) for name in names])


def _narrowed(request: HttpRequest) -> str:
    """The address that the form for one more filter means."""
    name = short_name(request.GET["where"])
    wanted = {f"{ONLY}{name}": storable(request.GET["is"])} if name else {}
    return address(request, {"where": None, "is": None, **wanted})


def _file(slices: Sequence[Slice], window: Window, split: Split, visit: Visit) -> HttpResponseBase:
    """Every day's use by name; what calls are not told apart by has no figure."""
    units = split.units

    def cells(part: Slice) -> list[Cell]:
        figures: dict[str, Cell] = {
            unit: part.used.of(unit) for unit in ("calls", "tokens", "money", "credits")
        }
        shown = [figure if unit in units else None for unit, figure in figures.items()]
        return [str(part.day), part.name, *shown, visit.customer.currency]

    head = ("day", split.by, "calls", "tokens", "money", "credits", "currency")
    return csv_response(f"usage-{window.first}-{window.last}", head, (cells(part) for part in slices))


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


def name_rows(request: HttpRequest, split: Split, unit: str, totals: dict[str, Used]) -> list[NameRow]:
    """The table's lines, largest first; what no name is told of comes last and leads nowhere."""
    names = sorted(totals, key=lambda name: (name == OTHER, -totals[name].of(unit), name))
    hues = hues_of(names)
    whole = sum((used.of(unit) for used in totals.values()), ZERO)
    return [
        NameRow(
            name,
            hues[name] if place < charts.SERIES_MAX else Hue(None),
            totals[name],
            CONTEXT.divide(totals[name].of(unit), whole) if whole else None,
            "" if split.by == TOKEN_KIND or name == OTHER else address(request, {f"{ONLY}{split.by}": name}),
        )
        for place, name in enumerate(names)
    ]


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
