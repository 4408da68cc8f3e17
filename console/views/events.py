from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from console.access import staff_page
from console.queries.events import (
    CSV_ROWS_MAX,
    PAGE,
    EventFilter,
    events_of,
    find,
    latest_events,
    removals,
    sifted_down_to,
)
from console.queries.refused import contradicted, names_of, open_refusals_count, unmatched_count
from console.queries.story import story_of
from core.clock import now as present
from core.pages.spreadsheet import Cell, csv_response
from core.pages.streams import before_of, stream
from core.pages.tables import chips_for, day_of, kept, parameter, searched, wants_csv
from customers.models import Customer
from metering.formats.bodies import READERS
from metering.models import Event

STATES = [("", "All"), ("unpriced", "Without a price"), ("failed", "Failed")]
OWN_FIELDS = frozenset({"customer", "model", "type", "source", "door", "since", "until"})
HEAD = (
    "id",
    "source",
    "customer",
    "type",
    "occurred_at",
    "provider",
    "model",
    "status",
    "quantity",
    "cost_usd",
)


@staff_page
def events(request: HttpRequest) -> HttpResponseBase:
    """Where is what was sent? A customer's events with filters; without a customer, an id of anybody's, or the newest."""
    key = parameter(request, "customer")
    words = searched(request)
    customer = Customer.objects.filter(key=key).first() if key else None
    context: dict[str, Any] = {
        "asked": key,
        "customer": customer,
        "zone": customer.timezone if customer else "UTC",
        "search": words,
        "chips": chips_for(request, "state", STATES),
        "kept": [(name, value) for name, value in kept(request.GET) if name not in OWN_FIELDS],
        "fields": {name: parameter(request, name) for name in sorted(OWN_FIELDS)},
        "narrowed": any(parameter(request, name) for name in OWN_FIELDS - {"customer"}),
        "doors": list(READERS),
        "refused_count": open_refusals_count(),
        "unmatched_count": unmatched_count(),
        "now": present(),
    }
    if customer is not None:
        return _of_customer(request, customer, context)
    found = find(words, customer_key=key) if words and not key else None
    rows = [*found.stored] if found else [] if key or words else latest_events()
    removed = [] if key or words else removals(None)
    names = names_of([*(row.customer_id for row in rows), *(row.customer_id for row in removed)])
    context |= {
        "found": found,
        "names": names,
        "rows": [(row, names.get(row.customer_id, "")) for row in rows],
        "removals": [(row, names.get(row.customer_id, "")) for row in removed],
    }
    return render(request, "console/events.html", context)


def _of_customer(request: HttpRequest, customer: Customer, context: dict[str, Any]) -> HttpResponseBase:
    asked = _filter(request, customer)
    if wants_csv(request):
        return _csv(customer, asked)
    rows = list(events_of(asked)[: PAGE + 1])
    sifted_to = sifted_down_to(asked) if asked.sifts and not (asked.since or asked.until) else 0
    more = len(rows) > PAGE
    last_seq = rows[PAGE - 1].seq if more else sifted_to + 1 if sifted_to else None
    page = stream(request, rows, size=PAGE, last_seq=last_seq, goes_on=bool(sifted_to))
    found = find(asked.words, customer_id=customer.id, customer_key=customer.key) if asked.words else None
    context |= {
        "page": page,
        "found": found,
        "names": {customer.id: customer.key},
        "sifted_to": sifted_to,
        "rows": [(row, customer.key) for row in page.rows],
        "removals": [(row, customer.key) for row in removals(customer.id)],
    }
    return render(request, "console/events.html", context)


@staff_page
def event(request: HttpRequest, customer_id: int, seq: int) -> HttpResponse:
    """One event from its arrival to the invoice line, with what it cost."""
    story = story_of(customer_id, seq)
    context = {"story": story, "row": story.event, "receipt": story.receipt, "customer": story.customer}
    return render(request, "console/event.html", context | {"zone": story.customer.timezone})


@staff_page
def conflict(request: HttpRequest, customer_id: int, conflict_id: UUID) -> HttpResponse:
    """Two contents under one id, side by side."""
    told = contradicted(customer_id, conflict_id)
    zone = told.customer.timezone if told.customer else "UTC"
    return render(request, "console/conflict.html", {"told": told, "zone": zone})


def _filter(request: HttpRequest, customer: Customer) -> EventFilter:
    until = day_of(request, "until")
    return EventFilter(
        customer.id,
        words=searched(request),
        model=parameter(request, "model"),
        state=request.GET.get("state", ""),
        type=parameter(request, "type"),
        source=parameter(request, "source"),
        door=parameter(request, "door"),
        since=_midnight(day_of(request, "since"), customer),
        until=_midnight(until + timedelta(days=1) if until else None, customer),
        before=before_of(request),
    )


def _midnight(day: Any, customer: Customer) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), ZoneInfo(customer.timezone))


def _csv(customer: Customer, asked: EventFilter) -> HttpResponse | HttpResponseBase:
    def lines() -> Iterator[list[Cell]]:
        for row in events_of(asked)[:CSV_ROWS_MAX].iterator():
            yield _cells(row, customer.key)

    return csv_response("events", HEAD, lines())


def _cells(row: Event, key: str) -> list[Cell]:
    return [
        row.event_id,
        row.source,
        key,
        row.type,
        row.occurred_at,
        row.provider,
        row.model,
        row.status,
        row.quantity,
        row.cost,
    ]
