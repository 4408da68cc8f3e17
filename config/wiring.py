"""Where rooms that may not import each other are joined: what one needs of another is handed over as a function."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from billing import tasks as billing_tasks
from billing.backfills.due import HANDLERS as BACKFILL_HANDLERS
from billing.receipts.dry_run import dry_run_receipts
from billing.recounts import richer_reports
from billing.stripe.sync import HANDLERS as STRIPE_HANDLERS
from billing.subscriptions.lifecycle import customers_by_subscription
from core import due_work
from core.due_work import register
from core.tasks import nudge_customer
from customers.customers import hand_over_arrival
from customers.models import Customer
from metering.costing import EventCost, hand_over_costing
from metering.customer_lookup import hand_over_subscription_lookup
from metering.dry_run import hand_over_dry_run
from metering.events import take_in_unmatched
from metering.meters import counter_of, known_meter_keys
from metering.new_event import NewEvent
from metering.nudges import hand_over_nudge
from metering.reported_calls import hand_over_replacing
from pricing.plans import hand_over_meters
from pricing.preview import hand_over_counting
from pricing.price_book import cost_of_usage


def cost_of_event(event: NewEvent) -> EventCost:
    """The provider cost of an event by the price book that holds at its time."""
    if not event.usage:
        return EventCost()
    cost = cost_of_usage(
        event.provider, event.model, event.usage, context=event.context, at=event.occurred_at
    )
    return EventCost(cost.amount, cost.rows, cost.unpriced, cost.book)


def take_in_early_events(customer: Customer, now: datetime) -> None:
    """What a customer's clients sent before it was made here is stored as its own."""
    take_in_unmatched(customer.key, customer.id, now=now)


def wire() -> None:
    """Hand everything over. Called once in each process, when Django is ready."""
    hand_over_costing(cost_of_event)
    hand_over_nudges()
    hand_over_dry_run(dry_run_receipts)
    hand_over_subscription_lookup(customers_by_subscription)
    hand_over_meters(known_meter_keys)
    hand_over_arrival(take_in_early_events)
    hand_over_counting(counter_of)
    hand_over_replacing(richer_reports.make_due)
    rooms = (billing_tasks.HANDLERS, BACKFILL_HANDLERS, richer_reports.HANDLERS, STRIPE_HANDLERS)
    for handlers in rooms:
        for kind, handler in handlers.items():
            register(kind, handler)


def hand_over_nudges() -> None:
    due_work.hand_over_nudge(nudge_customer)
    hand_over_nudge(billing_tasks.nudge_rating)


@contextmanager
def without_nudges() -> Iterator[None]:
    """No worker is told of what is stored or scheduled meanwhile: for who does all of the work itself."""
    due_work.hand_over_nudge(None)
    hand_over_nudge(None)
    try:
        yield
    finally:
        hand_over_nudges()
