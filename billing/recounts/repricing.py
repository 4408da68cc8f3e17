"""Events that waited for a price: once the price book or the burn table knows them, they are rated for what was missing.

What was counted stays; only the difference is added, so a price that comes late moves the buckets of the event's own time.
Where that period is already invoiced, the difference goes where late usage goes.
"""

from datetime import datetime
from decimal import Decimal

from django.db import connection, transaction

from billing.ledger import lock_customer
from billing.margins import days_are_stale
from billing.rating import RatingBatch
from billing.recounts.differences import Differences, Side
from billing.recounts.redraws import Tables, burns_of, standing_draws
from billing.statements.late_periods import Cause
from core.money import exact
from customers.models import Customer
from metering.stored_event import StoredEvent, set_costs, unpriced_events
from metering.usage import Sums
from pricing.price_book import Cost, cost_of_usage, current_book

BATCH_EVENTS = 1_000


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
            events = unpriced_events(customer_id, BATCH_EVENTS, older_than=book)
            run = _Run(Customer.objects.get(id=customer_id), events, now)
            for event in events:
                priced += run.price(event, book, rated=event.seq <= position.rated_seq)
            run.batch.write()
            if priced:
                days_are_stale(customer_id, now=now)
        if len(events) < BATCH_EVENTS:
            return priced


def cost_now(event: StoredEvent) -> Cost:
    """What the event costs by the present book, by the prices of its own time."""
    buckets = {bucket: Decimal(text) for bucket, text in event.usage.items()}
    return cost_of_usage(event.provider, event.model, buckets, context=event.context, at=event.occurred_at)


class _Run:
    """A run of unpriced events of one customer."""

    def __init__(self, customer: Customer, events: list[StoredEvent], now: datetime) -> None:
        draws = standing_draws(customer.id, seqs=[event.seq for event in events])
        self.batch = RatingBatch(customer, now, cause=Cause.LATE_PRICE)
        self._drawn = {draw.seq for draw in draws}
        self._after = burns_of(customer.id, draws)
        self._tables = Tables(customer.id, self.batch.stretches)
        before = Side(customer, burns_of(customer.id, draws), now)
        self._differences = Differences(before, Side(customer, self._after, now), self.batch)

    def price(self, event: StoredEvent, book: int, *, rated: bool) -> int:
        """Note what one event costs by now, and count what that changes; 1 where nothing is missing any more."""
        cost = cost_now(event)
        fresh = event._replace(cost=cost.amount, cost_rows=cost.rows, unpriced=bool(cost.unpriced))
        waiting = fresh.unpriced
        if rated:
            waiting |= self._burn_late(fresh)
            self._differences.take(event, fresh)
        set_costs(self.batch.customer.id, [fresh._replace(unpriced=waiting)], book=book)
        return 0 if waiting else 1

    def _burn_late(self, event: StoredEvent) -> bool:
        """Burn an event that no rate named before; whether none names it still."""
        if event.seq in self._drawn:
            return False
        burns = self._tables.burns(event)
        if burns is None:
            return True
        for subscription_id, version_id, ones in burns:
            calls = Sums()
            self.batch.burner.take(event, subscription_id, version_id, ones, calls)
            place = subscription_id, self._tables.key_of(version_id)
            burnt = self._after.by_event[event.source, event.event_id][place]
            burnt.credits += calls.credits
            burnt.covered += calls.covered
            burnt.prepaid += calls.prepaid
        return False
