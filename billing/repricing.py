"""Events that waited for a price: once the price book or the burn table knows them, they are rated for what was missing.

What was counted stays; only the difference is added, so a price that comes late moves the buckets of the event's own time.
Where that period is already invoiced, the difference goes where late usage goes.
"""

from datetime import datetime
from decimal import Decimal

from django.db import connection, transaction

from billing.ledger import lock_customer
from billing.margins import days_are_stale
from billing.models import CreditDraw
from billing.periods import CUSTOMER_SCOPE
from billing.rating import RatingBatch, call_dimensions
from billing.terms import MeteredCharge, Stretch
from core.money import ZERO, exact
from customers.models import Customer
from metering.stored_event import StoredEvent, set_cost, unpriced_events
from metering.usage import CALLS, BucketKey, Sums
from pricing.engine.usage import EventFacts, UnpricedEvent, Usage, contribution
from pricing.price_book import cost_of_usage, current_book

BATCH_EVENTS = 1_000
NOTHING = Usage()


def customers_unpriced(limit: int) -> list[int]:
    """Customers with events that an older price book could not price."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT customer_id FROM metering_event WHERE unpriced AND price_book < %s ORDER BY 1 LIMIT %s",
            [current_book().version, limit],
        )
        return [row[0] for row in cursor.fetchall()]


@exact
def price_again(customer_id: int, *, now: datetime) -> int:
    """Try the customer's unpriced events with the present book; returns how many are priced now."""
    priced = 0
    book = current_book().version
    while True:
        with transaction.atomic():
            position = lock_customer(customer_id)
            batch = RatingBatch(Customer.objects.get(id=customer_id), now)
            events = unpriced_events(customer_id, BATCH_EVENTS, older_than=book)
            for event in events:
                priced += _price_one(batch, event, book, rated=event.seq <= position.rated_seq)
            batch.write()
            if priced:
                days_are_stale(customer_id, now=now)
        if len(events) < BATCH_EVENTS:
            return priced


def _price_one(batch: RatingBatch, event: StoredEvent, book: int, *, rated: bool) -> int:
    buckets = {bucket: Decimal(text) for bucket, text in event.usage.items()}
    cost = cost_of_usage(event.provider, event.model, buckets, context=event.context, at=event.occurred_at)
    fresh = event._replace(cost=cost.amount, unpriced=bool(cost.unpriced))
    waiting = fresh.unpriced
    if rated:
        waiting |= _rate_difference(batch, event, fresh)
    set_cost(batch.customer.id, fresh, rows=cost.rows, unpriced=waiting, book=book)
    return 0 if waiting else 1


def _rate_difference(batch: RatingBatch, before: StoredEvent, after: StoredEvent) -> bool:
    """Add what the new cost changes, and burn what no rate had named; whether a rate is still missing."""
    more = after.cost - before.cost
    calls = Sums(cost=more)
    missing = False
    for stretch in batch.stretches:
        if not stretch.holds(after.occurred_at):
            continue
        batch.note_late(stretch, after.occurred_at)
        hour = batch.closed.hour(after.occurred_at, stretch.subscription)
        for metered in stretch.charges:
            _charge_difference(batch, stretch, metered, before, after)
        missing |= _burn_late(batch, stretch, after, calls)
        own = Sums(cost=more, prepaid=calls.prepaid)
        batch.gain(BucketKey(stretch.segment_id, CALLS, hour, ()), own)
    batch.gain(
        BucketKey(CUSTOMER_SCOPE, CALLS, batch.closed.hour(after.occurred_at), call_dimensions(after)), calls
    )
    return missing


def _charge_difference(
    batch: RatingBatch, stretch: Stretch, metered: MeteredCharge, before: StoredEvent, after: StoredEvent
) -> None:
    charge = metered.charge
    if (
        charge.measures_credits
        or charge.counts_in_order
        or metered.meter is None
        or not metered.meter.matches(after)
    ):
        return
    hour = batch.closed.hour(after.occurred_at, stretch.subscription)
    for (dimensions, quantity, old_cost), (_, _, new_cost) in zip(
        metered.quantities(before), metered.quantities(after), strict=True
    ):
        old = _usage(metered, after, dict(dimensions), quantity, old_cost)
        new = _usage(metered, after, dict(dimensions), quantity, new_cost)
        gained = Sums(amount=new.amount - old.amount, cost=new.cost - old.cost, lift=new.lift - old.lift)
        batch.gain(BucketKey(stretch.segment_id, charge.key, hour, dimensions), gained)


def _usage(
    metered: MeteredCharge, event: StoredEvent, dimensions: dict[str, str], quantity: Decimal, cost: Decimal
) -> Usage:
    facts = EventFacts(quantity, cost, dimensions, metered.own_price(event), event.failed)
    try:
        return contribution(metered.charge, facts) or NOTHING
    except UnpricedEvent:
        return Usage(dimensions, quantity, 1, ZERO, cost)


def _burn_late(batch: RatingBatch, stretch: Stretch, event: StoredEvent, calls: Sums) -> bool:
    """Burn an event that no rate named before; whether none names it still."""
    charge = next((metered.charge for metered in stretch.charges if metered.charge.measures_credits), None)
    table = stretch.terms.burn_table if charge is None else charge.burn_table
    if table is None or event.failed:
        return False
    identity = {"customer_id": batch.customer.id, "event_id": event.event_id, "source": event.source}
    if CreditDraw.objects.filter(**identity).exists():
        return False
    batch.burner.unlisted.clear()
    burnt = batch.burner.burn(event, table, calls)
    if batch.burner.unlisted:
        return True
    if burnt is not None and charge is not None:
        hour = batch.closed.hour(event.occurred_at, stretch.subscription)
        facts = EventFacts(ZERO, event.cost, credits=burnt[0], credits_covered=burnt[1])
        usage = contribution(charge, facts) or NOTHING
        gained = Sums(1, usage.quantity, usage.amount, usage.cost, usage.lift, usage.credits, usage.covered)
        batch.gain(BucketKey(stretch.segment_id, charge.key, hour, ()), gained)
    return False
