from datetime import timedelta
from decimal import Decimal

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from console.access import staff_page
from console.queries.arrivals import OUTCOMES, WINDOWS, Arrived, Window, arrived, lag
from console.queries.prices import unpriced_count, unpriced_models
from console.queries.refused import open_refusals_count, unmatched_count
from core.clock import now as present
from core.pages import charts
from core.pages.figures import compact, exact
from core.pages.hues import Hue
from core.pages.tables import chips_for
from core.pages.times import moment
from metering.formats.bodies import READERS

HUES = {"accepted": Hue(3), "duplicate": Hue(6), "unmatched": Hue(5), "rejected": Hue(2)}
NAMES = {"accepted": "Stored", "duplicate": "Stored already", "unmatched": "Unmatched", "rejected": "Refused"}
MODELS_SHOWN = 8


@staff_page
def arrivals(request: HttpRequest) -> HttpResponse:
    """What arrives, by minute; how far behind rating is; what waits for a price, a customer or a person."""
    now = present()
    window = next((known for known in WINDOWS if known.key == request.GET.get("window", "")), WINDOWS[0])
    door = request.GET.get("door", "")
    door = door if door in READERS else ""
    came = arrived(window, now, door)
    context = {
        "came": came,
        "chart": _chart(came, window) if came.any else None,
        "doors": [(by, [ends.get(outcome, 0) for outcome in OUTCOMES]) for by, ends in came.doors],
        "heads": [NAMES[outcome] for outcome in OUTCOMES],
        "sums": [came.totals.get(outcome, 0) for outcome in OUTCOMES],
        "all": sum(came.totals.get(outcome, 0) for outcome in OUTCOMES),
        "windows": chips_for(request, "window", [(known.key, known.label) for known in WINDOWS]),
        "by_door": chips_for(request, "door", [("", "Every door"), *((name, name) for name in READERS)]),
        "lag": lag(now),
        "unpriced": unpriced_count(),
        "models": unpriced_models()[:MODELS_SHOWN],
        "unmatched": unmatched_count(),
        "refused": open_refusals_count(),
        "now": now,
    }
    return render(request, "console/arrivals.html", context)


def _chart(came: Arrived, window: Window) -> charts.BarChart:
    def short(at: object) -> str:
        assert hasattr(at, "strftime")
        return str(at.strftime("%-d %b" if window.span > timedelta(days=1) else "%H:%M"))

    def full(at: object) -> str:
        return moment(at, "UTC")  # type: ignore[arg-type]

    return charts.stacked_bars(
        title=f"Events by {'minute' if window.step < timedelta(hours=1) else 'hour'}",
        columns=[
            (short(at), full(at), {NAMES[outcome]: counts.get(outcome, Decimal(0)) for outcome in OUTCOMES})
            for at, counts in came.steps
        ],
        label=exact,
        axis=compact,
        hues={NAMES[outcome]: HUES[outcome] for outcome in OUTCOMES},
    )
