"""Rating: a customer's stored events become usage and credit draws, each event exactly once.

Events are taken in the order they were stored. The position reached moves in the same transaction as the buckets, draws
and ledger entries, under the customer's lock: started twice, killed half way or delivered again, rating ends the same.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from billing.burning import DRAW_DUE, CreditBurner
from billing.drafts import CORRECTION_DUE
from billing.ledger import lock_customer
from billing.margins import days_are_stale
from billing.models import RatingPosition, Subscription
from billing.periods import ClosedPeriods, close_due_periods
from billing.statements.buckets import bucket_usage
from billing.statements.late_periods import Cause, LatePeriods, LatePlace, line_of
from billing.statements.reversals import FirstReversals, reversed_event, takes_back, usage_taken_back
from billing.subscriptions.terms import MeteredCharge, Stretch, stretches_of
from core import limits
from core.due_work import ensure
from core.failpoints import failpoint
from core.money import ZERO, exact
from customers.models import Customer
from metering.event_paths import as_text, token_buckets
from metering.stored_event import StoredEvent, events_after
from metering.usage import CALLS, BucketKey, Sums, add_to_buckets, count_new_values
from pricing.engine.contributions import contribution
from pricing.engine.usage import EventFacts, UnpricedEvent, Usage, total

BATCH_EVENTS = 5_000
# Late usage seldom comes alone, and drawing anew costs what was drawn since.
LATE_DRAWS_WAIT = timedelta(minutes=5)


def rate_pending(customer_id: int, *, now: datetime, limit: int | None = None) -> int:
    """Rate what is stored and not yet rated, batch after batch, and close periods that have ended; returns the events.

    With ``limit`` it stops after about so many events: a page that waits should not wait for a whole backlog.
    """
    rated = 0
    while True:
        batch = rate_next(customer_id, now=now)
        rated += batch
        if batch < BATCH_EVENTS or (limit is not None and rated >= limit):
            return rated


def is_behind(customer_id: int, *, now: datetime) -> bool:
    """Whether the customer has events to rate or a period to close."""
    over = Subscription.objects.filter(customer_id=customer_id, closed_at=None, period_end__lte=now)
    return events_waiting(customer_id) > 0 or over.exists()


def catch_up(customer_id: int, now: datetime) -> None:
    """Rate what is stored, so that whoever has just sent usage reads it; a long backlog only in part."""
    if is_behind(customer_id, now=now):
        rate_pending(customer_id, now=now, limit=limits.CATCH_UP_EVENTS)


def rate_next(customer_id: int, *, now: datetime, batch_events: int = BATCH_EVENTS) -> int:
    """Rate the customer's next batch in one transaction; returns how many events it held."""
    with transaction.atomic():
        rated = rate_batch(lock_customer(customer_id), now=now, batch_events=batch_events)
        failpoint("billing.rating.before_commit")
    failpoint("billing.rating.after_commit")
    return rated


@exact
def rate_batch(position: RatingPosition, *, now: datetime, batch_events: int = BATCH_EVENTS) -> int:
    """Rate the next batch in the caller's transaction, which holds the lock on the position; returns its events.

    With the last of them the customer's periods that have ended are closed.
    """
    customer_id = position.customer_id
    events_wait, periods_are_over = _what_waits(position, now)
    events = events_after(customer_id, position.rated_seq, batch_events) if events_wait else []
    if events:
        batch = RatingBatch(Customer.objects.get(id=customer_id), now)
        for event in events:
            batch.rate(event)
        batch.write()
    if periods_are_over and len(events) < batch_events:
        close_due_periods(customer_id, until=now, now=now)
    if events:
        position.rated_seq = events[-1].seq
        position.rated_at = now
        position.save(update_fields=["rated_seq", "rated_at"])
        days_are_stale(customer_id, now=now)
    return len(events)


def _what_waits(position: RatingPosition, now: datetime) -> tuple[bool, bool]:
    """Whether the customer has events to rate, and whether it has periods to close."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT EXISTS (SELECT FROM metering_event WHERE customer_id = %(customer)s AND seq > %(seq)s),
                EXISTS (SELECT FROM billing_subscription
                        WHERE customer_id = %(customer)s AND closed_at IS NULL AND period_end <= %(now)s)
            """,
            {"customer": position.customer_id, "seq": position.rated_seq, "now": now},
        )
        events_wait, periods_are_over = cursor.fetchone()
        return events_wait, periods_are_over


def customers_behind(limit: int) -> list[int]:
    """Customers with events that are stored and not yet rated."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT s.customer_id FROM metering_eventstream s
            LEFT JOIN billing_ratingposition p ON p.customer_id = s.customer_id
            WHERE s.last_seq > coalesce(p.rated_seq, 0) ORDER BY s.customer_id LIMIT %s
            """,
            [limit],
        )
        return [row[0] for row in cursor.fetchall()]


def call_dimensions(event: StoredEvent) -> tuple[tuple[str, str], ...]:
    """What every customer's own statistics are told apart by."""
    return (
        ("feature", as_text(event.properties.get("feature")) or ""),
        ("model", event.model),
        ("status", "failed" if event.failed else "ok"),
        ("type", event.type),
    )


def _tokens(event: StoredEvent) -> Decimal:
    return sum((number for _, number in token_buckets(event)), ZERO)


def events_waiting(customer_id: int) -> int:
    """How many stored events of the customer are not rated yet (an upper bound: numbers may be skipped)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT last_seq FROM metering_eventstream WHERE customer_id = %s", [customer_id])
        row = cursor.fetchone()
    position = RatingPosition.objects.filter(customer_id=customer_id).first()
    return (row[0] if row else 0) - (position.rated_seq if position else 0)


class RatingBatch:
    """What a run of events adds up to, written in a few statements at the end.

    ``cause`` is why an invoiced period gains anything by it.
    """

    def __init__(self, customer: Customer, now: datetime, *, cause: Cause = Cause.USAGE) -> None:
        self.customer = customer
        self.now = now
        self.cause = cause
        self._read_terms()

    def _read_terms(self) -> None:
        self.stretches = stretches_of(self.customer.id)
        self.closed = ClosedPeriods(self.customer)
        self.burner = CreditBurner(self.customer.id)
        self.reversals = FirstReversals(self.customer.id)
        self.reversing = {m.charge.reversed_by for s in self.stretches for m in s.charges}
        self.gains: dict[BucketKey, Sums] = {}
        self.unique: dict[tuple[Stretch, str, datetime], list[tuple[BucketKey, str]]] = defaultdict(list)
        self.aggregations: dict[tuple[UUID, str], str] = {}
        self.late = LatePeriods()

    def rate(self, event: StoredEvent) -> None:
        """Count one event for everything it counts for."""
        at = event.occurred_at
        self.open_period_of(at)
        calls = Sums(events=1, quantity=_tokens(event), cost=event.cost)
        for stretch in self.stretches:
            if self.counts(stretch, at):
                self.rate_under(stretch, event, calls)
        self.gain_calls(event, calls)
        self.take_back(event)

    def counts(self, stretch: Stretch, at: datetime) -> bool:
        """Whether what happens at the instant counts for the stretch."""
        return stretch.holds(at)

    def gain_calls(self, event: StoredEvent, calls: Sums) -> None:
        """Add to the statistics of all calls, in the event's own hour."""
        hour = self.closed.hour(event.occurred_at)
        self.gain(BucketKey(self.closed.customer_scope, CALLS, hour, call_dimensions(event)), calls)

    def open_period_of(self, at: datetime) -> None:
        """Open the periods that hold the instant, writing what was gained before."""
        if any(s.subscription.closed_at is None and s.subscription.period_end <= at for s in self.stretches):
            # Its period has not been opened: without that period's credits it would be overage.
            self.write()
            close_due_periods(self.customer.id, until=at, now=self.now)
            self.customer.refresh_from_db(fields=["timezone", "next_timezone"])
            self._read_terms()

    def rate_under(self, stretch: Stretch, event: StoredEvent, calls: Sums) -> None:
        """Count the event for the charges of one stretch; ``calls`` gains what it burns and is priced at."""
        hour = self.closed.hour(event.occurred_at, stretch.subscription)
        prepaid = calls.prepaid
        counted = set()
        for metered in stretch.charges:
            for dimensions, facts in self._facts(stretch, metered, event, calls):
                self._count(stretch, metered, hour, dimensions, facts, calls, event)
                counted.add(line_of(stretch.segment_id, metered.charge.key))
        self.note_late(stretch, event.occurred_at, dict.fromkeys(counted, self.cause))
        if not stretch.prices_credits and not event.failed:
            self.burner.burn(event, stretch, stretch.terms.burn_table, calls)
        own = Sums(events=1, cost=event.cost, prepaid=calls.prepaid - prepaid)
        self.gain(BucketKey(stretch.segment_id, CALLS, hour, ()), own)

    def take_back(self, event: StoredEvent, *, only: UUID | None = None) -> None:
        """Where the event reverses another, take that one off its own period; ``only`` names one subscription."""
        original = self.original_of(event) if event.type in self.reversing else None
        if original is None:
            return
        at = original.occurred_at
        for stretch in self.stretches:
            if not self.counts(stretch, at) or (only is not None and stretch.subscription.id != only):
                continue
            start = self.closed.period_start(stretch.subscription, at)
            for metered in stretch.charges:
                if takes_back(metered, event, original) and self.reversals.is_first(
                    stretch, metered, start, original
                ):
                    self._take_off(stretch, metered, original)

    def original_of(self, reversal: StoredEvent) -> StoredEvent | None:
        """The event that this one says it reverses."""
        return reversed_event(self.customer.id, reversal)

    def _take_off(self, stretch: Stretch, metered: MeteredCharge, original: StoredEvent) -> None:
        line = line_of(stretch.segment_id, metered.charge.key)
        self.note_late(stretch, original.occurred_at, {line: Cause.REVERSAL})
        hour = self.closed.hour(original.occurred_at, stretch.subscription)
        for usage in usage_taken_back(metered, original):
            dimensions = tuple(sorted(usage.dimensions.items()))
            gained = Sums(usage.events, usage.quantity, usage.amount)
            self.gain(BucketKey(stretch.segment_id, metered.charge.key, hour, dimensions), gained)
            self.gain_calls(original, Sums(amount=usage.amount))

    def note_late(self, stretch: Stretch, at: datetime, causes: Mapping[str, Cause]) -> None:
        """Where the period is already invoiced, have the difference of these lines put on the next invoice."""
        late = self.closed.invoiced_period(stretch.subscription, at) if causes else None
        if late is not None:
            self.late.note(LatePlace(stretch.subscription.id, late.start, late.end), causes)
            if stretch.subscription.closed_at is not None:  # no next invoice will come by itself
                grace = timedelta(hours=settings.INVOICE_GRACE_HOURS)
                ensure(self.customer.id, CORRECTION_DUE, stretch.subscription.id.hex, self.now + grace)

    def _facts(
        self, stretch: Stretch, metered: MeteredCharge, event: StoredEvent, calls: Sums
    ) -> Iterable[tuple[tuple[tuple[str, str], ...], EventFacts]]:
        """The event as the charge sees it: nothing, one fact, or one for each token kind."""
        charge = metered.charge
        if metered.meter is not None and not metered.meter.matches(event):
            return
        if charge.measures_credits:
            if event.failed and charge.bill_failed == "never":
                return
            burnt = self.burner.burn(event, stretch, charge.burn_table, calls)
            if burnt is not None and burnt[0]:  # what burns nothing leaves no draw, and is no use of credits
                yield (
                    (),
                    EventFacts(
                        ZERO, event.cost, failed=event.failed, credits=burnt[0], credits_covered=burnt[1]
                    ),
                )
            return
        if metered.meter is None:
            return
        for dimensions, quantity, cost in metered.quantities(event):
            yield (
                dimensions,
                EventFacts(quantity, cost, dict(dimensions), metered.own_price(event), event.failed),
            )

    def _count(
        self,
        stretch: Stretch,
        metered: MeteredCharge,
        hour: datetime,
        dimensions: tuple[tuple[str, str], ...],
        facts: EventFacts,
        calls: Sums,
        event: StoredEvent,
    ) -> None:
        charge = metered.charge
        key = BucketKey(stretch.segment_id, charge.key, hour, dimensions)
        try:
            usage = contribution(charge, facts, self._so_far(stretch, metered, event))
        except UnpricedEvent:
            # It counts, and shows on the invoice as a quantity without a price, which stops the invoice.
            usage = Usage(facts.dimensions, facts.quantity, 1, ZERO, facts.cost)
        if usage is None:
            return
        gained = Sums(1, usage.quantity, usage.amount, usage.cost, usage.lift, usage.credits, usage.covered)
        if metered.adds_up:
            calls.amount += usage.amount + usage.lift
        if metered.aggregation == "unique":
            period_start = self.closed.period_start(stretch.subscription, event.occurred_at)
            gained.quantity = ZERO
            self.unique[stretch, charge.key, period_start].append((key, metered.meter.text(event)))  # type: ignore[union-attr]
        elif metered.aggregation in ("max", "latest"):
            self.aggregations[key.scope_id, key.series] = metered.aggregation
            gained.latest_at = event.occurred_at
        self.gain(key, gained, metered.aggregation)

    def _so_far(self, stretch: Stretch, metered: MeteredCharge, event: StoredEvent) -> Usage | None:
        """The charge's usage in the event's period before it, for the few charges that count events in order."""
        charge = metered.charge
        if not charge.counts_in_order:
            return None
        period = self.closed.counted_together(stretch.subscription, event.occurred_at)
        stored = total(bucket_usage(stretch, metered, period))
        for key, sums in self.gains.items():
            if key.scope_id == stretch.segment_id and key.series == charge.key and key.hour in period:
                stored = stored.plus(Usage({}, sums.quantity, sums.events, sums.amount))
        return stored

    def gain(self, key: BucketKey, gained: Sums, aggregation: str = "sum") -> None:
        """Add to a bucket, by the meter's way to aggregate."""
        known = self.gains.get(key)
        if known is None:
            self.gains[key] = gained
            return
        quantity = known.quantity
        known.add(gained)
        if aggregation == "max":
            known.quantity = max(quantity, gained.quantity)
            if gained.latest_at is not None and known.latest_at is not None:
                known.latest_at = max(known.latest_at, gained.latest_at)
        elif aggregation == "latest":
            newer = gained.latest_at is not None and known.latest_at is not None
            if newer and gained.latest_at >= known.latest_at:  # type: ignore[operator]
                known.quantity, known.latest_at = gained.quantity, gained.latest_at
            else:
                known.quantity = quantity

    def write(self) -> None:
        """Write everything gained so far, in the caller's transaction."""
        for (stretch, series, period_start), pairs in self.unique.items():
            keys = {(key.dimensions, value): key for key, value in reversed(pairs)}
            new = count_new_values(self.customer.id, stretch.segment_id, series, period_start, list(keys))
            for pair in new:
                self.gain(keys[pair], Sums(quantity=1 + ZERO))
        add_to_buckets(self.customer.id, self.gains, aggregations=self.aggregations)
        self.burner.write(self.now)
        if self.burner.comes_late:
            ensure(self.customer.id, DRAW_DUE, "", self.now + LATE_DRAWS_WAIT)
            self.burner.comes_late = False
        self.late.write(self.customer.id)
        self.gains, self.unique = {}, defaultdict(list)
