from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from billing.receipts import receipt_of
from console.access import staff_page
from console.queries.events import (
    CSV_ROWS_MAX,
    PAGE,
    EventFilter,
    events_of,
    latest_events,
    removals,
    unmatched_events,
)
from core.clock import now as present
from core.pages.spreadsheet import Cell, csv_response
from core.pages.streams import before_of, stream
from core.pages.tables import chips_for, kept, searched, wants_csv
from core.problems import NotFound
from customers.models import Customer
from metering.models import Event

STATES = [("", "All"), ("unpriced", "Without a price"), ("failed", "Failed")]
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
    """A customer's events with filters; without a customer, the newest of all."""
    words = request.GET.get("customer", "").replace("\0", "").strip()
    customer = Customer.objects.filter(key=words).first() if words else None
    context: dict[str, Any] = {
        "asked": words,
        "customer": customer,
        "search": searched(request),
        "chips": chips_for(request, "state", STATES),
        "kept": [(name, value) for name, value in kept(request.GET) if name not in ("customer", "model")],
        "model": request.GET.get("model", ""),
        "now": present(),
    }
    if customer is None:
        rows = [] if words else latest_events()
        removed = [] if words else removals(None)
        names = dict(
            Customer.objects.filter(
                id__in={row.customer_id for row in rows} | {row.customer_id for row in removed}
            ).values_list("id", "key")
        )
        context |= {
            "rows": [(row, names.get(row.customer_id, "")) for row in rows],
            "unmatched": [] if words else unmatched_events(),
            "removals": [(row, names.get(row.customer_id, "")) for row in removed],
        }
        return render(request, "console/events.html", context)
    asked = EventFilter(
        customer.id, searched(request), context["model"], request.GET.get("state", ""), before_of(request)
    )
    if wants_csv(request):
        return _csv(customer, asked)
    found = list(events_of(asked)[: PAGE + 1])
    page = stream(request, found, size=PAGE, last_seq=found[PAGE - 1].seq if len(found) > PAGE else None)
    context |= {
        "page": page,
        "rows": [(row, customer.key) for row in page.rows],
        "removals": [(row, customer.key) for row in removals(customer.id)],
    }
    return render(request, "console/events.html", context)


@staff_page
def event(request: HttpRequest, customer_id: int, seq: int) -> HttpResponse:
    """One event's receipt, with what it cost."""
    row = Event.objects.filter(customer_id=customer_id, seq=seq).first()
    customer = Customer.objects.filter(id=customer_id).first()
    receipt = receipt_of(customer, row.event_id, row.source) if row and customer else None
    if row is None or customer is None or receipt is None:
        raise NotFound("There is no such event.")
    context = {"row": row, "customer": customer, "zone": customer.timezone, "receipt": receipt}
    return render(request, "console/event.html", context)


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
