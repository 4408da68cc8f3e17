from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from console.access import staff_page
from console.acts import by
from console.queries.arrivals import WINDOWS, arrived
from console.queries.refused import RefusalFilter, names_of, open_codes, refusals
from core import limits
from core.clock import now as present
from core.pages.spreadsheet import Cell, csv_response
from core.pages.tables import Column, chips_for, listing, order_fields, ordering, storable, wants_csv
from core.problems import Problem
from customers.models import ApiKey
from metering.formats.bodies import READERS
from metering.models import RejectedEvent
from metering.replays import discard, rejection, replay, replay_all

COLUMNS = (
    Column("event", "Event", order=("event_id", "id")),
    Column("customer", "Customer", low=True, order=("customer_key", "id")),
    Column("door", "Door", low=True),
    Column("why", "Why"),
    Column("seen", "Times", number=True, low=True, order=("times_seen", "id"), descending_first=True),
    Column("latest", "Last came", order=("latest_at", "id"), descending_first=True),
)
DEFAULT = "-latest"
STATES = [("", "Open"), ("settled", "Settled"), ("all", "All")]
HEAD = (
    "id",
    "event_id",
    "source",
    "customer",
    "door",
    "code",
    "field",
    "detail",
    "times",
    "first",
    "last",
    "outcome",
)
CSV_ROWS_MAX = 10_000
_encode = msgspec.json.Encoder(decimal_format="number").encode
WORDS = {
    "accepted": "stored",
    "duplicate": "stored already",
    "conflict": "contradicting what is stored",
    "unmatched": "kept for an unknown customer",
    "rejected": "refused again",
    "skipped": "without content",
}


@staff_page
def refused(request: HttpRequest) -> HttpResponseBase:
    """What the doors refused, and why."""
    asked = _filter(request.GET)
    found = refusals(asked)
    if wants_csv(request):
        return _csv(found.order_by(*order_fields(*ordering(request, COLUMNS, DEFAULT))))
    page = listing(request, COLUMNS, found, default=DEFAULT, chips=chips_for(request, "state", STATES))
    codes = open_codes()
    context = {
        "listing": page,
        "asked": asked,
        "doors": chips_for(request, "door", [("", "Every door"), *((door, door) for door in READERS)]),
        "codes": chips_for(
            request, "code", [("", "Every reason"), *((code, code) for code, _ in codes)], dict(codes)
        ),
        "names": names_of([row.customer_id for row in page.rows]),
        "lost": arrived(WINDOWS[-1], present()).lost,
        "most": limits.REPLAYED_AT_ONCE_MAX,
        "now": present(),
    }
    return render(request, "console/refused.html", context)


@staff_page
def refusal(request: HttpRequest, refusal_id: UUID) -> HttpResponse:
    """One refused event: what came, every reason, and the ways on."""
    return _shown(request, rejection(refusal_id))


@require_POST
@staff_page
def replay_one(request: HttpRequest, refusal_id: UUID) -> HttpResponse:
    """Send it again, as it stands in the form."""
    row = rejection(refusal_id)
    written = request.POST.get("body", "")
    body = written.encode() if written.strip() else None
    try:
        done = replay(row, by=by(request), now=present(), body=body)
    except Problem as problem:
        messages.error(request, f"Not sent: {problem.detail}")
        return _shown(request, row, written)
    if not done.settled:
        told = (
            f"Not stored: {done.errors[0].field}: {done.detail}"
            if done.errors
            else f"Not stored: {done.detail}"
        )
        messages.error(request, told[:500])
        return _shown(request, row, written, errors=[error.as_json() for error in done.errors])
    messages.success(request, done.detail)
    event = done.event
    if event is None:
        return redirect("console:refusal", refusal_id)
    return redirect(f"{reverse('console:events')}?{urlencode({'q': event.id})}")


@require_POST
@staff_page
def discard_one(request: HttpRequest, refusal_id: UUID) -> HttpResponse:
    """Give it up."""
    row = rejection(refusal_id)
    if discard([row], by=by(request), now=present()):
        messages.success(request, "Given up. It stays listed under “Settled” until it is forgotten.")
    else:
        messages.warning(request, "It was settled already.")
    return redirect("console:refusal", refusal_id)


@require_POST
@staff_page
def settle_all(request: HttpRequest) -> HttpResponse:
    """Send again, or give up, all open refusals that the page's filter lets through, up to a bound."""
    asked = _filter(request.POST)
    rows = list(
        refusals(asked).filter(closed_at=None).order_by("recorded_at", "id")[: limits.REPLAYED_AT_ONCE_MAX]
    )
    if request.POST.get("act") == "replay":
        ends = replay_all(rows, by=by(request), now=present())
        messages.info(request, _told(ends) or "Nothing is open there.")
    elif request.POST.get("act") == "discard":
        count = discard(rows, by=by(request), now=present())
        messages.info(request, f"{count:,} given up.")
    query = {"q": asked.words, "state": asked.state, "door": asked.door, "code": asked.code}
    kept = urlencode({name: value for name, value in query.items() if value})
    return redirect(f"{reverse('console:refused')}{'?' if kept else ''}{kept}")


def _shown(
    request: HttpRequest, row: RejectedEvent, written: str = "", *, errors: list[dict[str, Any]] | None = None
) -> HttpResponse:
    key = ApiKey.objects.filter(id=row.key_id).first()
    pretty = msgspec.json.format(_encode(row.received), indent=2).decode()
    context = {
        "row": row,
        "errors": errors if errors is not None else row.errors,
        "again": errors is not None,
        "written": written or (pretty if row.received is not None else ""),
        "able": row.closed_at is None and row.door in READERS,
        "key_name": key.name if key else "",
        "customer_key": names_of([row.customer_id]).get(row.customer_id, ""),
    }
    return render(request, "console/refusal.html", context)


def _filter(given: Any) -> RefusalFilter:
    def text(name: str) -> str:
        return storable(str(given.get(name, "")), limits.SEARCH_CHARACTERS_MAX)

    return RefusalFilter(text("q"), text("state"), text("door"), text("code"))


def _told(ends: Counter[str]) -> str:
    parts = [f"{count:,} {WORDS[end]}" for end, count in ends.most_common() if count]
    return f"{', '.join(parts)}." if parts else ""


def _csv(rows: Any) -> HttpResponseBase:
    def lines() -> Iterator[list[Cell]]:
        for row in rows[:CSV_ROWS_MAX].iterator():
            yield [
                *(
                    str(row.id),
                    row.event_id,
                    row.source,
                    row.customer_key,
                    row.door,
                    row.code,
                    row.field,
                    row.detail,
                ),
                *(row.times_seen, row.recorded_at, row.latest_at, row.outcome),
            ]

    return csv_response("refused-events", HEAD, lines())
