"""What a change makes of events that were rated before: each is rated as it was and as it is now, and buckets gain the rest.

Both sides go through the one path of rating, so a difference can never follow other rules than the first rating did.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import reduce
from uuid import UUID

from billing.burning import CreditBurner
from billing.rating import RatingBatch
from billing.statements.late_periods import Cause, line_of
from billing.subscriptions.terms import MeteredCharge, Stretch
from core.money import CONTEXT, ZERO
from core.periods import Period
from customers.models import Customer
from metering.stored_event import StoredEvent, events_between
from metering.usage import ADDED, BucketKey, Sums
from pricing.engine.charge import Charge
from pricing.engine.contributions import contributions
from pricing.engine.usage import EventFacts, Usage

# What of a charge's bucket its price can depend on; of the cost only some charges do.
PRICED = ("quantity", "amount", "lift", "credits", "covered")


@dataclass(slots=True)
class Burnt:
    """What one event has burnt by one table: credits, of these covered by grants, and the money these were granted at."""

    credits: Decimal = ZERO
    covered: Decimal = ZERO
    prepaid: Decimal = ZERO

    def add(self, credits: Decimal, cost_basis: Decimal | None) -> None:
        """Add a draw; ``cost_basis`` is the grant's money per credit, ``None`` where no grant covers it."""
        self.credits = CONTEXT.add(self.credits, credits)
        if cost_basis is not None:
            self.covered = CONTEXT.add(self.covered, credits)
            self.prepaid = CONTEXT.add(self.prepaid, CONTEXT.multiply(credits, cost_basis))

    @classmethod
    def together(cls, several: Sequence["Burnt"]) -> "Burnt":
        """Several burns as one."""
        sums = ([getattr(one, name) for one in several] for name in ("credits", "covered", "prepaid"))
        return cls(*(reduce(CONTEXT.add, numbers, ZERO) for numbers in sums))


@dataclass
class Burns:
    """What events have burnt, by (source, event id), then by subscription and the key of the burn table."""

    by_event: dict[tuple[str, str], dict[tuple[UUID | None, str], Burnt]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(Burnt))
    )

    def of(self, event: StoredEvent, stretch: Stretch, table: str) -> Burnt | None:
        """What the event has burnt for the stretch by the table; ``None`` where it has not.

        A plan that holds since it was burnt may name another table: then what was burnt by tables that it does not name.
        """
        told = self.by_event.get((event.source, event.event_id), {})
        own = {key: burnt for key, burnt in told.items() if key[0] in (None, stretch.subscription.id)}
        named = [burnt for (_, key), burnt in own.items() if key == table]
        stands = named or [burnt for (_, key), burnt in own.items() if key not in stretch.burn_tables]
        return Burnt.together(stands) if stands else None


class Recalled(CreditBurner):
    """Burns every event as it is told to have burnt; draws nothing."""

    def __init__(self, customer_id: int, burns: Burns) -> None:
        super().__init__(customer_id)
        self._burns = burns

    def burn(
        self, event: StoredEvent, stretch: Stretch, table: str | None, calls: Sums
    ) -> tuple[Decimal, Decimal] | None:
        burnt = None if table is None else self._burns.of(event, stretch, table)
        if burnt is None:
            return None
        calls.credits += burnt.credits
        calls.covered += burnt.covered
        calls.prepaid += burnt.prepaid
        return burnt.credits, burnt.covered


class Side(RatingBatch):
    """Rates events one by one for what each adds, and keeps and writes nothing."""

    def __init__(self, customer: Customer, burns: Burns, now: datetime) -> None:
        super().__init__(customer, now)
        self.burner = Recalled(customer.id, burns)
        self._orders: dict[tuple[object, ...], dict[int, Usage]] = {}

    def gains_of(self, event: StoredEvent) -> dict[BucketKey, Sums]:
        """What the event adds to each bucket. A ``unique`` quantity is left out: no price or draw changes it."""
        self.gains = {}
        self.rate(event)
        self.unique.clear()
        return self.gains

    def open_period_of(self, at: datetime) -> None:
        """Rating has opened the periods of every event that it has rated."""

    def note_late(self, stretch: Stretch, at: datetime, causes: Mapping[str, Cause]) -> None:
        """Only a difference makes a period late."""

    def _so_far(self, stretch: Stretch, metered: MeteredCharge, event: StoredEvent) -> Usage | None:
        if not metered.charge.counts_in_order:
            return None
        period = self.closed.counted_together(stretch.subscription, event.occurred_at)
        place = (stretch.segment_id, metered.charge.key, period.start)
        if place not in self._orders:
            self._orders[place] = usage_before_each(metered, self._events_of(stretch, period))
        return self._orders[place].get(event.seq, Usage())

    def _events_of(self, stretch: Stretch, period: Period) -> list[StoredEvent]:
        """The events that rating counted as the period's when it asked what came before."""
        events = events_between(self.customer.id, period.start, period.end)
        return [event for event in events if stretch.holds(event.occurred_at)]


def usage_before_each(metered: MeteredCharge, events: Iterable[StoredEvent]) -> dict[int, Usage]:
    """By the event's ``seq``: what the charge had counted before it. Costs do not matter to it, so they may be old."""
    before: dict[int, Usage] = {}
    so_far = Usage()
    for event in events:
        before[event.seq] = so_far
        if metered.meter is None or not metered.meter.matches(event):
            continue
        facts = [
            EventFacts(quantity, cost, dict(dimensions), metered.own_price(event), event.failed)
            for dimensions, quantity, cost in metered.quantities(event)
        ]
        for usage in contributions(metered.charge, facts, so_far):
            so_far = so_far.plus(usage)
    return before


class Differences:
    """Differences of a run of events, gathered into one batch. The caller holds the customer's lock and writes the batch."""

    def __init__(self, before: Side, after: Side, batch: RatingBatch) -> None:
        self._before = before
        self._after = after
        self._batch = batch

    def take(self, was: StoredEvent, now_is: StoredEvent | None) -> bool:
        """Have the buckets gain what one event adds now, less what it added before; whether that is anything at all.

        ``None`` adds nothing: the event counts no more.
        """
        moved = difference(self._before.gains_of(was), {} if now_is is None else self._after.gains_of(now_is))
        for key, sums in moved.items():
            self._batch.gain(key, sums)
        for side in (self._before, self._after):
            for stretch in side.stretches:
                causes = moved_lines(stretch, moved, self._batch.cause)
                for at in {was.occurred_at, (now_is or was).occurred_at}:
                    if stretch.holds(at):
                        self._batch.note_late(stretch, at, causes)
        return bool(moved)


def difference(before: dict[BucketKey, Sums], after: dict[BucketKey, Sums]) -> dict[BucketKey, Sums]:
    """What each bucket has more after than before; buckets that agree are left out."""
    moved = {}
    for key in sorted(before.keys() | after.keys(), key=str):
        old, new = before.get(key, Sums()), after.get(key, Sums())
        more = {name: getattr(new, name) - getattr(old, name) for name in ADDED}
        if any(more.values()):
            moved[key] = Sums(**more)
    return moved


def moved_lines(stretch: Stretch, moved: dict[BucketKey, Sums], cause: Cause) -> dict[str, Cause]:
    """The lines of the stretch of which anything that they are priced by has moved: only then is an invoice wrong.

    With each why: the cause, as far as it is the line's own. A line of credits may have moved by other grants alone.
    """
    charges = {metered.charge.key: metered.charge for metered in stretch.charges}
    lines = {}
    for key, sums in moved.items():
        charge = charges.get(key.series) if key.scope_id == stretch.segment_id else None
        if charge is None:
            continue
        if any(getattr(sums, name) for name in PRICED) or (sums.cost and _priced_by_cost(charge)):
            lines[line_of(key.scope_id, charge.key)] = _cause_of(charge, sums, cause)
    return lines


def _cause_of(charge: Charge, sums: Sums, cause: Cause) -> Cause:
    if not charge.measures_credits:
        return cause
    if sums.covered and not sums.credits:
        return Cause.REDRAWN
    return Cause.CREDIT_RATE if sums.credits and cause is Cause.PRICE else cause


def _priced_by_cost(charge: Charge) -> bool:
    return charge.model.name == "cost_plus" or charge.margin_floor is not None
