"""A small world for billing's tests: a customer, meters, a plan, a subscription, events through the real door."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from billing.models import Subscription
from billing.rating import rate_pending
from billing.recounts.recounting import start_and_count
from billing.subscriptions.lifecycle import NewSubscription
from customers.customers import create_customer
from customers.models import Customer
from metering.events import NewEvent, store_events
from metering.meters import create_meter, read_meter
from pricing.models import PlanVersion
from pricing.plan_terms import read_terms
from pricing.plans import create_plan, publish_version

START = datetime(2026, 1, 1, tzinfo=UTC)


def a_customer(key: str = "acme", **fields: Any) -> Customer:
    return create_customer(key=key, name=fields.pop("name", key.title()), now=START, **fields)


def a_meter(key: str, value: str = "", aggregation: str = "sum", **fields: Any) -> None:
    body = {"key": key, "event_type": "llm.call", "aggregation": aggregation, **fields}
    if value:
        body["value"] = value
    create_meter(read_meter(body), now=START)


def a_plan(charges: list[dict[str, Any]], **terms: Any) -> PlanVersion:
    body = {"key": "pro", "name": "Pro", "currency": "USD", "fee": "0", "charges": charges, **terms}
    return publish_version(create_plan(read_terms(body), now=START), now=START)


def subscribe(customer: Customer, version: PlanVersion, at: datetime = START, **fields: Any) -> Subscription:
    new = NewSubscription(customer, version, key=fields.pop("key", "main"), starts_at=at, **fields)
    return start_and_count(new, now=at)


def call(event_id: str, at: datetime, customer: str = "acme", **fields: Any) -> NewEvent:
    usage = {name: Decimal(number) for name, number in fields.pop("usage", {}).items()}
    return NewEvent(
        id=event_id,
        source="test",
        customer=customer,
        type=fields.pop("type", "llm.call"),
        occurred_at=at,
        usage=usage,
        **fields,
    )


def use(customer: Customer, *events: NewEvent, now: datetime | None = None) -> None:
    """Store the events and rate them."""
    moment = now or max(event.occurred_at for event in events) + timedelta(seconds=1)
    store_events(events, now=moment)
    rate_pending(customer.id, now=moment)
