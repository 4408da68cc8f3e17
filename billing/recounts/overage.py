"""Grants that start in the past: they take over the overage burnt since, where no invoice has billed it yet.

Draws are append-only, so what was overage is drawn back and drawn again on the grant, beside the rows that stand; the
usage buckets gain the difference.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from uuid import UUID

from django.db import transaction

from billing.credits.draws import Draw, write_draws
from billing.credits.grants import NewGrant, active_at, grant_credits
from billing.ledger import CREDIT, Entry, grant_account, post
from billing.margins import days_are_stale
from billing.models import CreditDraw, CreditGrant
from billing.rating import RatingBatch
from billing.subscriptions.terms import MeteredCharge, Stretch
from core.money import CONTEXT, ZERO, exact
from customers.models import Customer
from metering.event_paths import text_reader
from metering.removal import kept_since
from metering.stored_event import StoredEvent, event_by_id
from metering.usage import CALLS, BucketKey, Sums
from pricing.engine.contributions import contribution
from pricing.engine.usage import NOTHING, EventFacts, UnpricedEvent, Usage
from pricing.models import BurnTableVersion

DRAWS_AT_ONCE = 2_000
# What draws of one burn have in common. Where a richer report took an event's place, two have one number.
BURN = ("seq", "event_id", "source", "subscription_id", "burn_table_version_id", "burn_row", "token_kind")


@dataclass(frozen=True)
class _Burn:
    """One event's burn by one rate: what it burnt in all, and what of it no grant covers yet."""

    seq: int
    event_id: str
    source: str
    subscription_id: UUID | None
    version_id: int
    burn_row: str
    token_kind: str
    occurred_at: datetime
    quantity: Decimal
    credits: Decimal


@transaction.atomic
def grant_with_cover(customer: Customer, new: NewGrant, *, now: datetime) -> CreditGrant:
    """Give credits, and let a grant that starts in the past cover the overage since then that is not invoiced yet.

    Raises ``Conflict`` when the customer already has a grant with this key.
    """
    grant = grant_credits(customer.id, new, now=now)
    grant.customer = customer
    if grant.starts_at < now:
        cover_overage(grant, customer, now=now)
    return grant


@exact
def cover_overage(grant: CreditGrant, customer: Customer, *, now: datetime) -> Decimal:
    """Draw uncovered burns on the grant, oldest event first; returns the credits. The caller holds the customer's lock."""
    cover = _Cover(grant, RatingBatch(customer, now))
    for burn in _uncovered(grant):
        if not grant.remaining:
            break
        cover.take(burn)
    return cover.write(now)


def _uncovered(grant: CreditGrant) -> Iterator[_Burn]:
    """The customer's overage of the grant's time, by event and rate, in the order of the events."""
    # Where events are no longer kept, every period is invoiced, and what is invoiced is not covered any more.
    since = max(grant.starts_at, kept_since(grant.customer_id) or grant.starts_at)
    rows = CreditDraw.objects.filter(customer_id=grant.customer_id, grant_id=None, occurred_at__gte=since)
    if grant.expires_at is not None:
        rows = rows.filter(occurred_at__lt=grant.expires_at)
    ordered = rows.order_by(*BURN, "n")
    for _, group in groupby(ordered.iterator(chunk_size=DRAWS_AT_ONCE), key=_same_burn):
        draws = list(group)
        credits = sum((draw.credits for draw in draws), ZERO)
        if credits > 0:
            quantity = sum((draw.quantity for draw in draws), ZERO)
            one = draws[0]
            yield _Burn(
                one.seq,
                one.event_id,
                one.source,
                one.subscription_id,
                one.burn_table_version_id,
                one.burn_row,
                one.token_kind,
                one.occurred_at,
                quantity,
                credits,
            )


def _same_burn(draw: CreditDraw) -> tuple[object, ...]:
    return tuple(getattr(draw, name) for name in BURN)


class _Cover:
    """What one grant takes over, written at the end."""

    def __init__(self, grant: CreditGrant, batch: RatingBatch) -> None:
        self.grant = grant
        self.batch = batch
        self.draws: list[Draw] = []
        self.taken = ZERO
        self._tables: dict[int, str] = {}
        self._event: StoredEvent | None = None

    def take(self, burn: _Burn) -> None:
        """Cover the burn as far as the grant reaches, where it applies to the event and no invoice has billed it."""
        event = self._event_of(burn)
        if not active_at(self.grant, burn.occurred_at) or not self._applies(event):
            return
        stretch = self._stretch(burn)
        if stretch is None or self.batch.closed.invoiced_period(stretch.subscription, burn.occurred_at):
            return
        credits = min(burn.credits, self.grant.remaining)
        before = self._credits_of(burn)
        quantity = CONTEXT.divide(CONTEXT.multiply(burn.quantity, credits), burn.credits)
        self.draws += [
            self._draw(burn, None, -quantity, -credits, len(self.draws) + 1),
            self._draw(burn, self.grant, quantity, credits, len(self.draws) + 2),
        ]
        self.grant.remaining -= credits
        self.taken += credits
        self._move_buckets(stretch, event, self._table_of(burn.version_id), before, credits)

    def write(self, now: datetime) -> Decimal:
        """Write draws, ledger, buckets and the grant; returns the credits covered."""
        if not self.taken:
            return ZERO
        grant = self.grant
        entries = [
            Entry("overage", CREDIT, self.taken),
            Entry(grant_account(grant.id), CREDIT, -self.taken),
        ]
        transaction_id = post(
            grant.customer_id, "credits.cover", grant.id.hex, entries, occurred_at=grant.starts_at, now=now
        )
        write_draws(grant.customer_id, self.draws, transaction_id, now=now)
        grant.save(update_fields=["remaining"])
        self.batch.write()
        days_are_stale(grant.customer_id, now=now)
        return self.taken

    def _event_of(self, burn: _Burn) -> StoredEvent:
        known = self._event
        if known is None or (known.event_id, known.source) != (burn.event_id, burn.source):
            known = self._event = event_by_id(self.grant.customer_id, burn.event_id, burn.source)
        assert known is not None
        return known

    def _applies(self, event: StoredEvent) -> bool:
        return all(text_reader(path)(event) in values for path, values in self.grant.applies_to.items())

    def _stretch(self, burn: _Burn) -> Stretch | None:
        """The stretch that burnt by this table: of the burn's subscription, the one that holds the event's time."""
        table = self._table_of(burn.version_id)
        own = [s for s in self.batch.stretches if burn.subscription_id in (None, s.subscription.id)]
        held = [stretch for stretch in own if stretch.holds(burn.occurred_at)]
        return next((stretch for stretch in held if table in stretch.burn_tables), None)

    def _table_of(self, version_id: int) -> str:
        if version_id not in self._tables:
            version = BurnTableVersion.objects.select_related("table").get(id=version_id)
            self._tables[version_id] = version.table.key
        return self._tables[version_id]

    def _credits_of(self, burn: _Burn) -> tuple[Decimal, Decimal]:
        """What its event has burnt for the subscription by the table, and what of that is covered, by this grant as well."""
        table = self._table_of(burn.version_id)
        rows: list[CreditDraw | Draw] = list(
            CreditDraw.objects.filter(
                customer_id=self.grant.customer_id,
                event_id=burn.event_id,
                source=burn.source,
                subscription_id=burn.subscription_id,
            )
        )
        own = (burn.seq, burn.subscription_id)
        rows += [draw for draw in self.draws if (draw.seq, draw.subscription_id) == own]
        same = [draw for draw in rows if self._table_of(draw.burn_table_version_id) == table]
        burnt = sum((draw.credits for draw in same), ZERO)
        return burnt, sum((draw.credits for draw in same if draw.grant_id is not None), ZERO)

    def _move_buckets(
        self,
        stretch: Stretch,
        event: StoredEvent,
        table: str,
        before: tuple[Decimal, Decimal],
        credits: Decimal,
    ) -> None:
        batch, at = self.batch, event.occurred_at
        hour = batch.closed.hour(at, stretch.subscription)
        prepaid = CONTEXT.multiply(credits, self.grant.cost_basis)
        amount = ZERO
        for metered in stretch.charges:
            if metered.charge.measures_credits and metered.charge.burn_table == table:
                burnt, covered = before
                moved = _usage(metered, event, burnt, covered + credits).plus(
                    -_usage(metered, event, burnt, covered)
                )
                gained = Sums(
                    0, moved.quantity, moved.amount, moved.cost, moved.lift, moved.credits, moved.covered
                )
                batch.gain(BucketKey(stretch.segment_id, metered.charge.key, hour, ()), gained)
                amount += moved.amount + moved.lift
        batch.gain(BucketKey(stretch.segment_id, CALLS, hour, ()), Sums(prepaid=prepaid))
        batch.gain_calls(event, Sums(amount=amount, covered=credits, prepaid=prepaid))

    def _draw(
        self, burn: _Burn, grant: CreditGrant | None, quantity: Decimal, credits: Decimal, n: int
    ) -> Draw:
        return Draw(
            event_id=burn.event_id,
            source=burn.source,
            seq=burn.seq,
            n=n,
            grant_id=None if grant is None else grant.id,
            subscription_id=burn.subscription_id,
            burn_table_version_id=burn.version_id,
            burn_row=burn.burn_row,
            token_kind=burn.token_kind,
            quantity=quantity,
            credits=credits,
            occurred_at=burn.occurred_at,
        )


def _usage(metered: MeteredCharge, event: StoredEvent, burnt: Decimal, covered: Decimal) -> Usage:
    facts = EventFacts(ZERO, event.cost, failed=event.failed, credits=burnt, credits_covered=covered)
    try:
        return contribution(metered.charge, facts) or NOTHING
    except UnpricedEvent:
        return Usage(quantity=burnt - covered, events=1, cost=event.cost, credits=burnt, covered=covered)
