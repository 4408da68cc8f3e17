"""Charts as geometry: what to draw and where, worked out here and drawn as SVG by ``templates/parts/chart_*.html``.

Across, everything is in percent of the plot's width, so that a chart fills any page without its letters shrinking;
down, in pixels. Each chart carries the table of the same numbers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from core.money import CONTEXT, ZERO
from core.pages.hues import OTHER, Hue, hues_of

HEIGHT = 220
TOP = 12
BASE = 196
X_LABELS_MAX = 10
SERIES_MAX = 8
GAP_SHARE = Decimal("0.22")
NICE_STEPS = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))

Label = Callable[[Decimal], str]


@dataclass(frozen=True)
class Tick:
    """A line of the grid or a mark below it. ``minor`` ones give way on narrow screens."""

    at: str
    label: str
    minor: bool = False
    anchor: str = "middle"


@dataclass(frozen=True)
class Block:
    y: str
    height: str
    css: str


@dataclass(frozen=True)
class Column:
    """One bar with its blocks, and what it says when pointed at."""

    x: str
    width: str
    hit_x: str
    hit_width: str
    title: str
    blocks: tuple[Block, ...]
    href: str = ""


@dataclass(frozen=True)
class Row:
    """The same numbers as a row of a table: one value per series, then their sum."""

    label: str
    values: tuple[str, ...]
    total: str
    href: str = ""


@dataclass(frozen=True)
class Series:
    name: str
    hue: Hue
    total: str


@dataclass(frozen=True)
class BarChart:
    title: str
    description: str
    y_ticks: tuple[Tick, ...]
    x_ticks: tuple[Tick, ...]
    columns: tuple[Column, ...]
    series: tuple[Series, ...]
    rows: tuple[Row, ...]
    total: str
    height: int = HEIGHT
    base: int = BASE
    axis_width: int = 56

    @property
    def links(self) -> bool:
        """Whether its bars lead somewhere: it is then no mere picture. The keyboard takes the table's links."""
        return any(column.href for column in self.columns)


@dataclass(frozen=True)
class Dot:
    x: str
    y: str
    title: str
    under: bool


@dataclass(frozen=True)
class LineChart:
    """A line, its floor and, hatched, where the line runs under the floor."""

    title: str
    description: str
    y_ticks: tuple[Tick, ...]
    x_ticks: tuple[Tick, ...]
    paths: tuple[str, ...]
    dots: tuple[Dot, ...]
    rows: tuple[Row, ...]
    floor_y: str = ""
    floor_label: str = ""
    under: tuple[str, ...] = ()
    height: int = HEIGHT
    base: int = BASE
    axis_width: int = 56


def stacked_bars(
    *,
    title: str,
    columns: Sequence[tuple[str, str, Mapping[str, Decimal]]],
    label: Label,
    href: Callable[[int], str] | None = None,
    ahead_from: int | None = None,
    axis: Label | None = None,
    hues: Mapping[str, Hue] | None = None,
) -> BarChart:
    """Bars over time, each split by name. ``columns`` are (short label, full label, name → value).

    The eight largest names keep their own color, the largest at the bottom; the rest is added up as
    "Other". ``hues`` gives names an order and colors of their own. ``axis`` labels the grid where ``label`` says more
    than a grid needs. Columns from ``ahead_from`` on are forecast and drawn lighter.
    """
    names, columns = (list(hues), columns) if hues else _largest(columns)
    hues = hues or hues_of(names)
    totals = [sum((max(value, ZERO) for value in values.values()), ZERO) for _, _, values in columns]
    top, y_ticks = _scale(max(totals, default=ZERO), axis or label)
    step = CONTEXT.divide(Decimal(100), Decimal(max(len(columns), 1)))
    drawn = []
    for n, (_, full, values) in enumerate(columns):
        lighter = ahead_from is not None and n >= ahead_from
        told = [f"{name} {label(values[name])}" for name in names if values.get(name)]
        drawn.append(
            Column(
                x=_percent(step * n + step * GAP_SHARE / 2),
                width=_percent(step * (1 - GAP_SHARE)),
                hit_x=_percent(step * n),
                hit_width=_percent(step),
                title="\n".join([f"{full}: {label(totals[n])}{' (forecast)' if lighter else ''}", *told]),
                blocks=_stack(values, names, hues, top, lighter),
                href=href(n) if href else "",
            )
        )
    sums = {name: sum((values.get(name, ZERO) for _, _, values in columns), ZERO) for name in names}
    return BarChart(
        title=title,
        description=_describe(columns, totals, label),
        y_ticks=y_ticks,
        x_ticks=_marks([short for short, _, _ in columns], lambda n: step * n + step / 2),
        columns=tuple(drawn),
        series=tuple(Series(name, hues[name], label(sums[name])) for name in names),
        rows=tuple(
            Row(
                full,
                tuple(label(values.get(name, ZERO)) for name in names),
                label(totals[n]),
                href(n) if href else "",
            )
            for n, (_, full, values) in enumerate(columns)
        ),
        total=label(sum(totals, ZERO)),
        axis_width=_axis_width(y_ticks),
    )


def line(
    *,
    title: str,
    points: Sequence[tuple[str, str, Decimal | None]],
    label: Label,
    floor: Decimal | None = None,
    floor_label: str = "",
    lowest: Decimal = ZERO,
    highest: Decimal | None = None,
) -> LineChart:
    """A line over time; ``points`` are (short label, full label, value or None where nothing is known)."""
    known = [value for _, _, value in points if value is not None]
    high = max(
        [*known, *([floor] if floor is not None else []), *([highest] if highest is not None else [])],
        default=ZERO,
    )
    low = min([*known, lowest])
    top, bottom, y_ticks = _scale_between(low, high, label)
    across = Decimal(max(len(points) - 1, 1))

    def x_of(n: int) -> Decimal:
        return CONTEXT.divide(Decimal(100 * n), across) if len(points) > 1 else Decimal(50)

    def y_of(value: Decimal) -> Decimal:
        return _y(value, bottom, top)

    runs = _runs(points)
    floor_y = y_of(floor) if floor is not None else None
    under = tuple(
        area
        for run in runs
        if floor_y is not None
        for area in [_area_under(run, x_of, y_of, floor_y)]
        if area
    )
    return LineChart(
        title=title,
        description=_describe_line(points, label, floor, floor_label),
        y_ticks=y_ticks,
        x_ticks=_marks([short for short, _, _ in points], x_of),
        paths=tuple(" ".join(f"{_plain(x_of(n))},{_plain(y_of(v))}" for n, v in run) for run in runs),
        dots=tuple(
            Dot(_percent(x_of(n)), _plain(y_of(v)), f"{full}: {label(v)}", floor is not None and v < floor)
            for n, (_, full, v) in enumerate(points)
            if v is not None
        ),
        rows=tuple(Row(full, (), label(v) if v is not None else "no revenue") for _, full, v in points),
        floor_y=_plain(floor_y) if floor_y is not None else "",
        floor_label=floor_label,
        under=under,
        axis_width=_axis_width(y_ticks),
    )


def sparkline(values: Sequence[Decimal]) -> str:
    """Points of a line through 100 × 20; empty when there is nothing to draw."""
    if len(values) < 2:
        return ""
    top = max(values)
    low = min(min(values), ZERO)
    reach = top - low or Decimal(1)
    step = CONTEXT.divide(Decimal(100), Decimal(len(values) - 1))
    return " ".join(
        f"{_plain(step * n)},{_plain(Decimal(19) - CONTEXT.divide((value - low) * 18, reach))}"
        for n, value in enumerate(values)
    )


def _largest(
    columns: Sequence[tuple[str, str, Mapping[str, Decimal]]],
) -> tuple[list[str], list[tuple[str, str, Mapping[str, Decimal]]]]:
    sums: dict[str, Decimal] = {}
    for _, _, values in columns:
        for name, value in values.items():
            sums[name] = sums.get(name, ZERO) + value
    ranked = sorted((name for name in sums if name != OTHER), key=lambda name: (-sums[name], name))
    kept, rest = ranked[:SERIES_MAX], set(ranked[SERIES_MAX:]) | ({OTHER} & set(sums))
    if not rest:
        return kept, list(columns)
    folded: list[tuple[str, str, Mapping[str, Decimal]]] = []
    for short, full, values in columns:
        own: dict[str, Decimal] = {name: values[name] for name in kept if name in values}
        own[OTHER] = sum((value for name, value in values.items() if name in rest), ZERO)
        folded.append((short, full, own))
    return [*kept, OTHER], folded


def _stack(
    values: Mapping[str, Decimal], names: Sequence[str], hues: Mapping[str, Hue], top: Decimal, lighter: bool
) -> tuple[Block, ...]:
    blocks = []
    below = Decimal(BASE)
    for name in names:
        value = values.get(name, ZERO)
        if value <= 0:
            continue
        height = CONTEXT.divide(value * (BASE - TOP), top)
        below -= height
        blocks.append(Block(_plain(below), _plain(height), f"{hues[name].css}{' ahead' if lighter else ''}"))
    return tuple(blocks)


def _scale(highest: Decimal, label: Label) -> tuple[Decimal, tuple[Tick, ...]]:
    top, _, ticks = _scale_between(ZERO, highest, label)
    return top, ticks


def _scale_between(low: Decimal, high: Decimal, label: Label) -> tuple[Decimal, Decimal, tuple[Tick, ...]]:
    """A top and a bottom that are round numbers, and four lines or so between them."""
    reach = high - low
    if reach <= 0:
        return Decimal(1), ZERO, (Tick(str(BASE), label(ZERO)),)
    rough = CONTEXT.divide(reach, Decimal(4))
    size = Decimal(1).scaleb(rough.adjusted())
    step = next(size * nice for nice in NICE_STEPS if size * nice >= rough)
    bottom = -(CONTEXT.divide(-low, step).to_integral_value(ROUND_CEILING) * step) if low < 0 else ZERO
    top = CONTEXT.divide(high, step).to_integral_value(ROUND_CEILING) * step
    count = int((top - bottom) / step)
    values = [bottom + step * n for n in range(count + 1)]
    labels = _even([label(value) for value in values])
    ticks = tuple(
        Tick(_plain(_y(value, bottom, top)), text) for value, text in zip(values, labels, strict=True)
    )
    return top, bottom, ticks


def _even(labels: Sequence[str]) -> list[str]:
    """Labels with as many decimals as the one that has most; those with a letter after the number stay.

    >>> _even(["$0", "$0.50", "$1"]), _even(["0", "9,000", "10 K"])
    (['$0.00', '$0.50', '$1.00'], ['0', '9,000', '10 K'])
    """
    places = [len(text.partition(".")[2]) if text[-1:].isdigit() else 0 for text in labels]
    return [
        f"{text}{'' if own else '.'}{'0' * (max(places) - own)}"
        if text[-1:].isdigit() and own < max(places)
        else text
        for text, own in zip(labels, places, strict=True)
    ]


def _y(value: Decimal, bottom: Decimal, top: Decimal) -> Decimal:
    return Decimal(BASE) - CONTEXT.divide((value - bottom) * (BASE - TOP), top - bottom)


def _marks(labels: Sequence[str], x_of: Callable[[int], Decimal]) -> tuple[Tick, ...]:
    """Labels below the axis, thinned out evenly; every second one gives way on narrow screens."""
    every = max(-(-len(labels) // X_LABELS_MAX), 1)
    shown = range(0, len(labels), every)
    marks = []
    for count, n in enumerate(shown):
        x = x_of(n)
        anchor = "start" if x < 2 else "end" if x > 98 else "middle"
        marks.append(Tick(_percent(x), labels[n], minor=len(shown) > 5 and count % 2 == 1, anchor=anchor))
    return tuple(marks)


def _runs(points: Sequence[tuple[str, str, Decimal | None]]) -> list[list[tuple[int, Decimal]]]:
    """Stretches of neighboring points that have a value: a gap in knowledge is a gap in the line."""
    runs: list[list[tuple[int, Decimal]]] = [[]]
    for n, (_, _, value) in enumerate(points):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((n, value))
    return [run for run in runs if run]


def _area_under(
    run: Sequence[tuple[int, Decimal]],
    x_of: Callable[[int], Decimal],
    y_of: Callable[[Decimal], Decimal],
    floor_y: Decimal,
) -> str:
    """The outline between the floor and the line wherever the line is lower, in shares of the plot's box."""
    corners = [(x_of(n), y_of(value)) for n, value in run]
    if not any(y > floor_y for _, y in corners):
        return ""
    outline = [(corners[0][0], floor_y)]
    for (x1, y1), (x2, y2) in zip(corners, corners[1:], strict=False):
        outline.append((x1, max(y1, floor_y)))
        if (y1 - floor_y) * (y2 - floor_y) < 0:
            crossing = x1 + CONTEXT.divide((floor_y - y1) * (x2 - x1), y2 - y1)
            outline.append((crossing, floor_y))
    outline += [(corners[-1][0], max(corners[-1][1], floor_y)), (corners[-1][0], floor_y)]
    return " ".join(f"{x / 100:.5f},{y / HEIGHT:.5f}" for x, y in outline)


def _describe(
    columns: Sequence[tuple[str, str, Mapping[str, Decimal]]], totals: Sequence[Decimal], label: Label
) -> str:
    if not columns or not any(totals):
        return "Nothing was used."
    most = max(range(len(totals)), key=lambda n: totals[n])
    return (
        f"From {columns[0][1]} to {columns[-1][1]}, {label(sum(totals, ZERO))} in all; "
        f"the most on {columns[most][1]} with {label(totals[most])}."
    )


def _describe_line(
    points: Sequence[tuple[str, str, Decimal | None]], label: Label, floor: Decimal | None, floor_label: str
) -> str:
    known = [(full, value) for _, full, value in points if value is not None]
    if not known:
        return "Nothing is known for this time."
    text = f"From {known[0][0]}, {label(known[0][1])}, to {known[-1][0]}, {label(known[-1][1])}."
    if floor is None:
        return text
    under = sum(1 for _, value in known if value < floor)
    return f"{text} {floor_label}: {label(floor)}; {under} of {len(known)} lie under it."


def _axis_width(ticks: Sequence[Tick]) -> int:
    return 14 + 7 * max((len(tick.label) for tick in ticks), default=0)


def _percent(value: Decimal) -> str:
    return f"{_plain(value)}%"


def _plain(value: Decimal) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
