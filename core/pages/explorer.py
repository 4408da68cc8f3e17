"""What the interactive chart draws: the numbers of a still one, as plain text. See ``static/js/explorer.js``."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

from core.pages.charts import BarChart
from core.pages.hues import OTHER


def explorer_data(
    chart: BarChart,
    steps: Sequence[date],
    by_name: Mapping[str, Mapping[date, Decimal]],
    *,
    currency: str = "",
    href: str = "",
) -> dict[str, object]:
    """Names that the chart has no bar of its own for are added up as "Other". A click on a day leads to ``href`` + day."""
    kept = {series.name for series in chart.series}
    sums: dict[str, dict[date, Decimal]] = {}
    for name, values in by_name.items():
        told = sums.setdefault(name if name in kept else OTHER, {})
        for step, value in values.items():
            told[step] = told.get(step, Decimal(0)) + value
    return {
        "days": [step.isoformat() for step in steps],
        "series": [
            {
                "name": series.name,
                "hue": series.hue.number or 0,
                "tone": series.hue.tone,
                "values": [str(sums.get(series.name, {}).get(step, 0)) for step in steps],
            }
            for series in chart.series
        ],
        "title": chart.title,
        "currency": currency,
        "href": href,
    }
