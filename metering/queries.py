"""Reads of events for lists and pages."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.db.models.fields.json import KeyTextTransform

from core import limits
from core.fields import Fields
from core.http.credentials import Credential
from core.http.pagination import PageRequest, page_of, page_request
from core.money import plain
from core.times import render_time
from customers.customers import customer_by_key
from customers.models import Customer
from metering.models import Event

NEWEST_FIRST = ("-occurred_at", "-event_id", "-source")
UNPRICED = "unpriced"


@dataclass(frozen=True)
class EventFilter:
    """Which of one customer's events.

    Empty values let all through. ``[since, until)`` is when they happened.
    """

    customer: Customer
    since: datetime | None = None
    until: datetime | None = None
    type: str = ""
    provider: str = ""
    model: str = ""
    run: str = ""
    status: str = ""
    properties: dict[str, str] = field(default_factory=dict)


def read_event_filter(query: Fields, credential: Credential) -> tuple[EventFilter, PageRequest]:
    """The filter and page that a query string asks for; wrong values are noted in the query's errors."""
    wanted = EventFilter(
        customer=_customer(query, credential),
        since=query.time("since", None),
        until=query.time("until", None),
        type=query.text("type", most=limits.EVENT_TYPE_CHARACTERS_MAX, default=""),
        provider=query.text("provider", most=limits.EVENT_PROVIDER_CHARACTERS_MAX, default=""),
        model=query.text("model", most=limits.EVENT_MODEL_CHARACTERS_MAX, default=""),
        run=query.id("run", ""),
        status=query.text("status", most=limits.EVENT_STATUS_CHARACTERS_MAX, default=""),
        properties=query.parsed("property", _property, {}, code="property", stand_in={}),
    )
    return wanted, page_request(query)


def filtered_events(wanted: EventFilter) -> QuerySet[Event]:
    """The customer's events that pass the filter, in no order."""
    events = Event.objects.filter(customer_id=wanted.customer.id)
    if wanted.since is not None:
        events = events.filter(occurred_at__gte=wanted.since)
    if wanted.until is not None:
        events = events.filter(occurred_at__lt=wanted.until)
    if wanted.status == UNPRICED:
        events = events.filter(unpriced=True)
    elif wanted.status:
        events = events.filter(status=wanted.status)
    equal = {"type": wanted.type, "provider": wanted.provider, "model": wanted.model, "run_id": wanted.run}
    events = events.filter(**{name: value for name, value in equal.items() if value})
    for name, value in wanted.properties.items():
        events = events.alias(tagged=KeyTextTransform(name, "properties")).filter(tagged=value)
    return events


def events_page(wanted: EventFilter, page: PageRequest) -> dict[str, Any]:
    """One page of the list, newest first, as the API shows it."""

    def render(event: Event) -> dict[str, Any]:
        return event_as_json(event, wanted.customer.key)

    return page_of(filtered_events(wanted), page, order=NEWEST_FIRST, render=render)


def event_as_json(event: Event, customer_key: str) -> dict[str, Any]:
    """A stored event as it was sent: no cost, which is for operators and stands in its receipt."""
    return {
        "id": event.event_id,
        "source": event.source,
        "customer": customer_key,
        "type": event.type,
        "time": render_time(event.occurred_at),
        "recorded_at": render_time(event.recorded_at),
        "provider": event.provider,
        "model": event.model,
        "service_tier": event.context,
        "usage": event.usage,
        "quantity": plain(event.quantity),
        "status": event.status,
        "latency_ms": event.latency_ms,
        "hold": event.hold or None,
        "run": {"id": event.run_id, **(event.run or {})} if event.run_id else None,
        "properties": event.properties,
    }


def _customer(query: Fields, credential: Credential) -> Customer:
    if credential.customer_id is not None and not query.has("customer"):
        return Customer.objects.get(id=credential.customer_id)
    key = query.id("customer")
    if query.errors:
        query.done()
    return customer_by_key(key, credential)


def _property(written: Any) -> dict[str, str]:
    name, colon, value = str(written).partition(":")
    if not name or not colon:
        raise ValueError("Write a property as name:value, such as feature:chat.")
    return {name: value}
