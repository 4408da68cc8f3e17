"""Burning credits for events: what the burn table says is taken from grants in the published order, draw by draw."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from uuid import UUID

from billing.credits.draws import Draw, write_draws
from billing.credits.grants import (
    Drawn,
    applicable,
    burn_order,
    cover,
    expired_grants,
    last_expiry,
    open_grants,
)
from billing.credits.lent_credits import Loans
from billing.ledger import CREDIT, Entry, grant_account, post
from billing.models import CreditGrant
from billing.subscriptions.terms import Stretch
from core.money import ZERO
from metering.event_paths import text_reader
from metering.stored_event import StoredEvent, mark_unpriced
from metering.usage import Sums
from pricing.burn_rates import BurnFacts
from pricing.burn_tables import Burn, BurnHistory, Unlisted, burn, facts_of
from pricing.models import BurnTable, BurnTableVersion

BURN = "credits.burn"
DRAW_DUE = "credits.draw"


class CreditBurner:
    """Draws for a run of events of one customer. The caller holds the customer's lock until ``write`` is committed.

    ``kind`` and ``cause`` name the ledger's transaction: together with the events they are unique.
    """

    def __init__(self, customer_id: int, *, kind: str = BURN, cause: str = "") -> None:
        self.customer_id = customer_id
        self.kind = kind
        self.cause = cause
        self.grants = open_grants(customer_id)
        self.draws: list[Draw] = []
        self.unlisted: list[tuple[str, str]] = []
        self.touched: dict[UUID, CreditGrant] = {}
        self.comes_late = False
        shared = [grant.share_ends_at for grant in self.grants if grant.share_ends_at is not None]
        self._plan_changed_at = max(shared, default=None)
        self.loans: Loans | None = None
        self._histories: dict[str, BurnHistory] = {}

    def version_of(self, table: str | None, at: datetime) -> BurnTableVersion | None:
        if table is None:
            return None
        if table not in self._histories:
            self._histories[table] = BurnHistory(BurnTable.objects.get(key=table))
        return self._histories[table].version_at(at)

    def burn(
        self, event: StoredEvent, stretch: Stretch, table: str | None, calls: Sums
    ) -> tuple[Decimal, Decimal] | None:
        """Burn for the stretch what the event costs in credits by the table in force at its time.

        Returns (credits, of these covered by grants).

        ``calls`` gains the credits and the money at which they were granted. ``None`` where no table applies.
        """
        version = self.version_of(table, event.occurred_at)
        if version is None:
            return None
        try:
            burns = burn(version, burn_facts(event))
        except Unlisted:
            # No rate names it: it burns nothing, and shows as an event that waits for a rate.
            self.unlisted.append((event.event_id, event.source))
            return None

        return self.take(event, stretch.subscription.id, version.id, burns, calls)

    def take(
        self,
        event: StoredEvent,
        subscription_id: UUID | None,
        version_id: int,
        burns: Sequence[Burn],
        calls: Sums,
    ) -> tuple[Decimal, Decimal]:
        """Draw from the grants, in their order, what the event burns for a subscription; (credits, of these covered)."""

        def matches(applies_to: dict[str, list[str]]) -> bool:
            return all(text_reader(path)(event) in values for path, values in applies_to.items())

        if self._plan_changed_at is not None and event.occurred_at < self._plan_changed_at:
            self.comes_late = True  # what the change took back is owed to it: see billing.recounts.late_draws
        if burns:
            self._lend_expired(event.occurred_at)
        credits = covered = ZERO
        for burnt in burns:
            credits += burnt.credits
            for drawn in cover(burnt.credits, applicable(self.grants, event.occurred_at, matches)):
                whole = drawn.credits == burnt.credits
                part = burnt.quantity if whole else burnt.quantity * drawn.credits / burnt.credits
                self._note(event, subscription_id, version_id, burnt, part, drawn)
                if drawn.grant is not None:
                    covered += drawn.credits
                    calls.prepaid += drawn.credits * drawn.grant.cost_basis
        calls.credits += credits
        calls.covered += covered
        return credits, covered

    @cached_property
    def _last_expiry(self) -> datetime:
        return last_expiry(self.customer_id)

    def _lend_expired(self, at: datetime) -> None:
        """Usage that comes when a grant of its time has expired may burn what the grant had left."""
        if self.loans is None and at < self._last_expiry:
            expired = expired_grants(self.customer_id)
            self.loans = Loans(expired)
            self.grants = sorted([*self.grants, *expired], key=burn_order)

    def _settle_loans(self, reference: str, now: datetime) -> None:
        if self.loans is not None:
            self.loans.settle(cause=f"{reference}:", now=now)
            self.loans = None
            self.grants = [grant for grant in self.grants if grant.expired_at is None]

    def _note(
        self,
        event: StoredEvent,
        subscription_id: UUID | None,
        version_id: int,
        burnt: Burn,
        quantity: Decimal,
        drawn: Drawn,
    ) -> None:
        grant = drawn.grant
        if grant is not None:
            self.touched[grant.id] = grant
        self.draws.append(
            Draw(
                event_id=event.event_id,
                source=event.source,
                seq=event.seq,
                n=len(self.draws) + 1,
                grant_id=None if grant is None else grant.id,
                subscription_id=subscription_id,
                burn_table_version_id=version_id,
                burn_row=burnt.row_id,
                token_kind=burnt.token_kind,
                quantity=quantity,
                credits=drawn.credits,
                occurred_at=event.occurred_at,
            )
        )

    def write(self, now: datetime) -> None:
        """Write the draws, one ledger transaction for all of them, and what is left of the grants."""
        mark_unpriced(self.customer_id, self.unlisted)
        self.unlisted = []
        if not self.draws:
            return
        taken: dict[str, Decimal] = defaultdict(Decimal)
        for draw in self.draws:
            taken["overage" if draw.grant_id is None else grant_account(draw.grant_id)] += draw.credits
        entries = [Entry(account, CREDIT, -credits) for account, credits in sorted(taken.items())]
        entries.append(Entry("burnt", CREDIT, sum(taken.values(), ZERO)))
        first, last = self.draws[0], self.draws[-1]
        reference = f"{self.cause}{first.seq}:{first.n}-{last.seq}:{last.n}"
        self._settle_loans(reference, now)
        transaction_id = post(
            self.customer_id, self.kind, reference, entries, occurred_at=last.occurred_at, now=now
        )
        write_draws(self.customer_id, self.draws, transaction_id, now=now)
        for grant in sorted(self.touched.values(), key=lambda grant: grant.id):
            grant.save(update_fields=["remaining"])
        self.draws, self.touched = [], {}


def burn_facts(event: StoredEvent) -> BurnFacts:
    """The event as a burn table sees it."""
    return facts_of(
        provider=event.provider,
        model=event.model,
        at=event.occurred_at,
        buckets={bucket: Decimal(text) for bucket, text in event.usage.items()},
        type=event.type,
        context=event.context,
        quantity=event.quantity,
        properties=event.properties,
    )
