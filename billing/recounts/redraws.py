"""Credits burnt by a table that was corrected: the draws are taken back and drawn again in the published order.

Draws and the ledger are append-only, so what was drawn stands, beside it a row that takes it back, and a new one. A
corrected event changes what is left for those rated after it: from the first one on, every draw is made anew, as if the
corrected table had been known. What a grant had lost is lent back to it meanwhile: see ``billing.credits.lent_credits``.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from billing.burning import CreditBurner, burn_facts
from billing.credits.draws import Draw
from billing.credits.grants import burn_order
from billing.credits.lent_credits import Loans
from billing.models import CreditGrant
from billing.recounts.differences import Burns
from billing.subscriptions.terms import Stretch
from core.money import CONTEXT, ZERO, to_stored
from metering.stored_event import StoredEvent, event_by_id
from metering.usage import Sums
from pricing.burn_rates import Burn
from pricing.burn_tables import Unlisted, burn
from pricing.models import BurnTableVersion

REDRAW = "credits.redraw"

# One burn: the event's seq, for which subscription, the table's version, its row and the kind of token.
BurnKey = tuple[int, UUID | None, int, str, str]
# What an event burns for a subscription by one version of a table.
Burning = tuple[UUID | None, int, list[Burn]]


@dataclass(frozen=True, slots=True)
class Standing:
    """What of an event's draws by one rate on one grant stands, after all that was taken back."""

    seq: int
    event_id: str
    source: str
    subscription_id: UUID | None
    version_id: int
    burn_row: str
    token_kind: str
    grant_id: UUID | None
    quantity: Decimal
    credits: Decimal
    occurred_at: datetime

    @property
    def burn(self) -> BurnKey:
        return self.seq, self.subscription_id, self.version_id, self.burn_row, self.token_kind


def standing_draws(
    customer_id: int,
    *,
    from_seq: int = 0,
    seqs: list[int] | None = None,
    span: tuple[datetime, datetime] | None = None,
) -> list[Standing]:
    """The draws that stand, in their order: of events from ``from_seq`` on, of these ``seqs``, or of the half-open span."""
    where = "seq >= %s"
    values: list[Any] = [customer_id, from_seq]
    if seqs is not None:
        where, values = f"{where} AND seq = ANY(%s)", [*values, seqs]
    if span is not None:
        where, values = f"{where} AND occurred_at >= %s AND occurred_at < %s", [*values, *span]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT seq, event_id, source, subscription_id, burn_table_version_id, burn_row, token_kind, grant_id,
                   sum(quantity), sum(credits), min(occurred_at)
            FROM billing_creditdraw WHERE customer_id = %s AND {where}
            GROUP BY seq, event_id, source, subscription_id, burn_table_version_id, burn_row, token_kind, grant_id
            HAVING sum(credits) <> 0 ORDER BY seq, max(recorded_at), max(n)
            """,
            values,
        )
        return [Standing(*row) for row in cursor.fetchall()]


def burns_of(customer_id: int, draws: Iterable[Standing]) -> Burns:
    """What each event has burnt by each table, as the draws say."""
    burns = Burns()
    keys = dict(BurnTableVersion.objects.values_list("id", "table__key"))
    basis = dict(CreditGrant.objects.filter(customer_id=customer_id).values_list("id", "cost_basis"))
    for draw in draws:
        burnt = burns.by_event[draw.source, draw.event_id][draw.subscription_id, keys[draw.version_id]]
        burnt.add(draw.credits, None if draw.grant_id is None else basis[draw.grant_id])
    return burns


class Tables:
    """What events burn by the tables that hold at their time, as these are known now."""

    def __init__(self, customer_id: int, stretches: Iterable[Stretch]) -> None:
        self._burner = CreditBurner(customer_id)
        self._stretches = list(stretches)
        self._keys: dict[int, str] = {}

    def burns(self, event: StoredEvent) -> list[Burning] | None:
        """What the event burns under each stretch, in rating's order; ``None`` where a table lacks a rate."""
        told: list[Burning] = []
        for stretch in self._stretches:
            if not stretch.holds(event.occurred_at):
                continue
            for table in tables_of(stretch, event):
                version = self._burner.version_of(table, event.occurred_at)
                if version is None:
                    continue
                try:
                    told.append((stretch.subscription.id, version.id, burn(version, burn_facts(event))))
                except Unlisted:
                    return None
        return told

    def key_of(self, version_id: int) -> str:
        """The key of the table that a version belongs to."""
        if version_id not in self._keys:
            self._keys[version_id] = BurnTableVersion.objects.values_list("table__key", flat=True).get(
                id=version_id
            )
        return self._keys[version_id]


def redrawn_from(customer_id: int, first: int, moments: Iterable[datetime]) -> int:
    """The ``seq`` from which on draws are made anew where those from ``first`` on are, which happened at these moments.

    What comes to a plan that has given way to another since takes from what the change took back; so all that was drawn
    since the change is drawn anew as well.
    """
    earliest = min(moments, default=None)
    if earliest is None:
        return first
    shares = CreditGrant.objects.filter(
        customer_id=customer_id, share_ends_at__gt=earliest, share_seq__lt=first
    )
    return min([first, *(seq + 1 for seq in shares.values_list("share_seq", flat=True) if seq is not None)])


def tables_of(stretch: Stretch, event: StoredEvent) -> list[str]:
    """The burn tables that the event burns by under the stretch: those of its charges, else the plan's own."""
    charges = [metered for metered in stretch.charges if metered.charge.measures_credits]
    if not charges:
        plain = stretch.terms.burn_table
        return [plain] if plain is not None and not event.failed else []
    return [
        metered.charge.burn_table
        for metered in charges
        if metered.charge.burn_table is not None
        and (metered.meter is None or metered.meter.matches(event))
        and not (event.failed and metered.charge.bill_failed == "never")
    ]


@dataclass(frozen=True)
class Verdict:
    """``first`` is the ``seq`` of the first event that would burn otherwise than its draws say, ``None`` where none would;
    ``unlisted`` are the events that a table does not name."""

    first: int | None
    unlisted: frozenset[int]


def compare_burns(events: Iterable[StoredEvent], draws: Iterable[Standing], tables: Tables) -> Verdict:
    """Hold what events would burn by the tables as they are known now against the draws that stand."""
    stands: dict[int, dict[BurnKey, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for draw in draws:
        stands[draw.seq][draw.burn] += draw.credits
    first: int | None = None
    unlisted = set()
    for event in events:
        burns = tables.burns(event)
        if burns is None:
            unlisted.add(event.seq)
        wanted: dict[BurnKey, Decimal] = defaultdict(Decimal)
        for subscription_id, version_id, ones in burns or ():
            for one in ones:
                if one.credits:
                    wanted[event.seq, subscription_id, version_id, one.row_id, one.token_kind] += to_stored(
                        one.credits
                    )
        if first is None and wanted != stands.get(event.seq, {}):
            first = event.seq
    return Verdict(first, frozenset(unlisted))


class Redraw(CreditBurner):
    """Takes back the draws from one event on, and draws anew. The caller holds the customer's lock."""

    loans: Loans

    def __init__(self, customer_id: int, first: int, *, cause: str) -> None:
        super().__init__(customer_id, kind=REDRAW, cause=f"{cause}:")
        self.grants = sorted(CreditGrant.objects.filter(customer_id=customer_id), key=burn_order)
        self._by_id = {grant.id: grant for grant in self.grants}
        self.loans = Loans(self.grants, first)

    def take_back(self, draw: Standing) -> None:
        """Undo one draw: its credits are the grant's again."""
        if draw.grant_id is not None:
            grant = self._by_id[draw.grant_id]
            grant.remaining = CONTEXT.add(grant.remaining, draw.credits)
            self.touched[grant.id] = grant
        self.draws.append(
            Draw(
                event_id=draw.event_id,
                source=draw.source,
                seq=draw.seq,
                n=len(self.draws) + 1,
                grant_id=draw.grant_id,
                subscription_id=draw.subscription_id,
                burn_table_version_id=draw.version_id,
                burn_row=draw.burn_row,
                token_kind=draw.token_kind,
                quantity=-draw.quantity,
                credits=-draw.credits,
                occurred_at=draw.occurred_at,
            )
        )

    def write(self, now: datetime) -> None:
        """Write the draws and their ledger transaction, and what grants lose by now that have ended or were shared."""
        self.loans.settle(cause=self.cause, now=now)
        super().write(now)


def redraw(
    customer_id: int,
    first: int,
    corrected: dict[int, StoredEvent],
    tables: Tables,
    *,
    cause: str,
    now: datetime,
    without: frozenset[int] = frozenset(),
) -> None:
    """Draw anew from event ``first`` on: the corrected events, by ``seq``, by the tables, all others what they burnt.

    An event that a table does not name burns nothing; nor do those ``without`` which it is to be as if they had not been.
    """
    burner = Redraw(customer_id, first, cause=cause)
    taken = standing_draws(customer_id, from_seq=first)
    for draw in taken:
        burner.take_back(draw)
    told = [draw for draw in taken if draw.seq not in without]
    for event, burns in _burns_in_order(customer_id, first, corrected, told, tables, burner.loans):
        burner.loans.pass_shares(event.seq, event.occurred_at)
        for subscription_id, version_id, ones in burns or ():
            burner.take(event, subscription_id, version_id, [one for one in ones if one.credits], Sums())
    burner.write(now)


def _burns_in_order(
    customer_id: int,
    first: int,
    corrected: dict[int, StoredEvent],
    taken: list[Standing],
    tables: Tables,
    loans: Loans,
) -> Iterator[tuple[StoredEvent, list[Burning] | None]]:
    told: dict[int, list[Standing]] = defaultdict(list)
    for draw in taken:
        told[draw.seq].append(draw)
    moments = {draw.seq: draw.occurred_at for draw in taken}
    moments |= {seq: event.occurred_at for seq, event in corrected.items() if seq >= first}
    for seq in sorted(moments, key=lambda seq: loans.place(seq, moments[seq])):
        event = corrected.get(seq)
        if event is not None:
            yield event, tables.burns(event)
            continue
        one = told[seq][0]
        event = event_by_id(customer_id, one.event_id, one.source)
        assert event is not None, f"draws of event {one.event_id!r}, which is not stored"
        yield event, _as_burns(told[seq])


def _as_burns(draws: list[Standing]) -> list[Burning]:
    """What the draws of one event burnt in all, rate by rate, whoever covered it."""
    sums: dict[BurnKey, list[Decimal]] = {}
    for draw in draws:
        known = sums.setdefault(draw.burn, [ZERO, ZERO])
        known[0] = CONTEXT.add(known[0], draw.quantity)
        known[1] = CONTEXT.add(known[1], draw.credits)
    return [
        (subscription_id, version_id, [Burn(row_id, kind, quantity, credits)])
        for (_, subscription_id, version_id, row_id, kind), (quantity, credits) in sums.items()
    ]
