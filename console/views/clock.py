"""The sandbox's clock: where it stands, and a form that moves it forward. Elsewhere the page is not there."""

from collections import Counter
from datetime import UTC, datetime, time
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from console.access import staff_page
from console.forms import Input, errors_of, filled, read_day, written
from core.clock import now as present
from core.fields import Fields
from core.problems import Invalid, NotFound, Problem
from core.sandbox import advance_clock

INPUTS = (
    Input(
        "day",
        "Forward to the day",
        kind="date",
        required=True,
        help="Only forward.",
    ),
    Input("time", "At, UTC", kind="time", value="00:00"),
)


@staff_page
def clock(request: HttpRequest) -> HttpResponse:
    """Where the clock stands; a POST moves it, with all that falls due on the way."""
    if not settings.SANDBOX:
        raise NotFound("This is no sandbox: its clock is the real one.")
    errors: dict[str, str] = {}
    given: dict[str, Any] = {}
    if request.method == "POST":
        given = {name: request.POST.get(name, "") for name in ("day", "time")}
        try:
            outcomes = _advance(request)
        except Problem as problem:
            errors = errors_of(problem)
        else:
            messages.success(request, f"The clock is moved. {_told(outcomes)}")
            return redirect("console:clock")
    context = {"now": present(), "inputs": filled(INPUTS, given, errors), "errors": errors}
    return render(request, "console/clock.html", context, status=422 if errors else 200)


def _advance(request: HttpRequest) -> Counter[str]:
    fields = Fields(written(request.POST, "day", "time"))
    day = read_day(fields, "day")
    at = fields.parsed("time", _time, time(), code="time", stand_in=time())
    fields.done()
    if day is None:
        raise Invalid.one("day", "required", "Write a day.")
    return advance_clock(datetime.combine(day, at, UTC))


def _time(value: Any) -> time:
    """A time of day as a browser sends it."""
    try:
        return datetime.strptime(str(value)[:5], "%H:%M").time()
    except ValueError:
        raise ValueError("Write a time: 22:30.") from None


def _told(outcomes: Counter[str]) -> str:
    """
    >>> _told(Counter(done=4, parked=1))
    'What fell due on the way: 4 done, 1 parked.'
    >>> _told(Counter())
    'Nothing fell due on the way.'
    """
    told = ", ".join(f"{count:,} {name}" for name, count in sorted(outcomes.items()))
    return f"What fell due on the way: {told}." if told else "Nothing fell due on the way."
