"""Prepaid credits: grants, what they are drawn for, and their balances.

Burn order, total and published: priority (lower first), then earliest expiry (none last), then promotional before paid,
then earliest start, then id. A grant covers an event when it is active at the event's own time and applies to it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import Max, Q, Sum

from billing.credits.lent_credits import SHARED
from billing.ledger import CREDIT, GRANT, Entry, grant_account, lock_customer, post
from billing.models import CreditDraw, CreditGrant, LedgerEntry, LedgerTransaction
from core.due_work import schedule
from core.ids import new_id
from core.money import ZERO, exact
from core.problems import Conflict

EXPIRY_DUE = "credits.expire"
NEVER = datetime.max.replace(tzinfo=UTC)
EVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class NewGrant:
    """Credits to give. ``key`` makes the grant once: the same key again is a conflict."""

    key: str
    amount: Decimal
    starts_at: datetime
    expires_at: datetime | None = None
    name: str = ""
    category: str = CreditGrant.Category.PROMOTIONAL
    cost_basis: Decimal = ZERO
    currency: str = "USD"
    priority: int = 10
    applies_to: dict[str, list[str]] | None = None
    subscription_id: UUID | None = None
    rollover: Decimal = ZERO
    reason: str = ""


@dataclass(frozen=True)
class Balance:
    """A customer's credits at an instant. ``available`` = ``balance`` − ``held``; ``overage`` was burnt without a grant."""

    balance: Decimal
    held: Decimal
    available: Decimal
    overage: Decimal
    grants: tuple["GrantBalance", ...]
    as_of: datetime


@dataclass(frozen=True)
class GrantBalance:
    grant: CreditGrant
    remaining: Decimal


def burn_order(grant: CreditGrant) -> tuple[object, ...]:
    """The key that sorts grants into the order in which they burn."""
    paid = grant.category == CreditGrant.Category.PAID
    return (grant.priority, grant.expires_at or NEVER, paid, grant.starts_at, grant.id)


def active_at(grant: CreditGrant, at: datetime) -> bool:
    """Whether the grant may cover an event of that time: from its start up to, and without, its expiry."""
    if at < grant.starts_at or (grant.expires_at is not None and at >= grant.expires_at):
        return False
    return grant.voided_at is None or at < grant.voided_at


@transaction.atomic
def grant_credits(customer_id: int, new: NewGrant, *, now: datetime) -> CreditGrant:
    """Give credits. ``billing.recounts.overage.grant_with_cover`` also covers the overage that a start in the past reaches.

    Raises ``Conflict`` when the customer already has a grant with this key.
    """
    lock_customer(customer_id)
    if CreditGrant.objects.filter(customer_id=customer_id, key=new.key).exists():
        raise Conflict(f"There already is a grant with the key {new.key!r}.")
    return give_credits(customer_id, new, now=now)


def give_credits(customer_id: int, new: NewGrant, *, now: datetime) -> CreditGrant:
    """Give credits under a key that is new. The caller holds the customer's lock."""
    grant = CreditGrant.objects.create(
        customer_id=customer_id,
        id=new_id(),
        key=new.key,
        name=new.name,
        amount=new.amount,
        remaining=new.amount,
        category=new.category,
        cost_basis=new.cost_basis,
        currency=new.currency,
        priority=new.priority,
        applies_to=new.applies_to or {},
        starts_at=new.starts_at,
        expires_at=new.expires_at,
        subscription_id=new.subscription_id,
        rollover=new.rollover,
        reason=new.reason,
        created_at=now,
    )
    entries = [
        Entry(grant_account(grant.id), CREDIT, new.amount),
        Entry("issued", CREDIT, -new.amount),
    ]
    post(customer_id, "credits.grant", grant.id.hex, entries, occurred_at=new.starts_at, now=now)
    if new.expires_at is not None:
        schedule(customer_id, EXPIRY_DUE, grant.id.hex, new.expires_at)
    return grant


@transaction.atomic
def void_grant(customer_id: int, grant_id: UUID, *, now: datetime, reason: str) -> CreditGrant:
    """Take back what is left of a grant. What it has covered stays covered."""
    lock_customer(customer_id)
    grant = CreditGrant.objects.get(customer_id=customer_id, id=grant_id)
    if grant.voided_at is not None or grant.expired_at is not None:
        raise Conflict("The grant has already ended.")
    _end_grant(grant, "credits.void", "voided", now)
    grant.voided_at, grant.reason = now, reason
    grant.save(update_fields=["voided_at", "reason"])
    return grant


@transaction.atomic
def expire_grant(customer_id: int, grant_id: UUID, *, now: datetime) -> Decimal:
    """Book what is left of a grant past its expiry as expired; returns how much. A second call books nothing."""
    lock_customer(customer_id)
    grant = CreditGrant.objects.get(customer_id=customer_id, id=grant_id)
    if grant.expired_at is not None or grant.voided_at is not None:
        return ZERO
    if grant.expires_at is None or grant.expires_at > now:
        return ZERO
    left = grant.remaining
    _end_grant(grant, "credits.expire", "expired", now)
    grant.expired_at = now
    grant.save(update_fields=["expired_at"])
    return left


def _end_grant(grant: CreditGrant, kind: str, account: str, now: datetime) -> None:
    left = grant.remaining
    if left:
        entries = [Entry(grant_account(grant.id), CREDIT, -left), Entry(account, CREDIT, left)]
        post(grant.customer_id, kind, grant.id.hex, entries, occurred_at=now, now=now)
    grant.remaining = ZERO
    grant.save(update_fields=["remaining"])


@exact
def move_rollover(
    grant: CreditGrant, *, key: str, starts_at: datetime, expires_at: datetime | None, now: datetime
) -> CreditGrant | None:
    """Carry up to ``grant.rollover`` of what is left into a grant for the next period. The caller holds the lock."""
    moved = min(grant.rollover, grant.remaining)
    if moved <= 0:
        return None
    rolled = CreditGrant.objects.create(
        customer_id=grant.customer_id,
        id=new_id(),
        key=key,
        name=f"{grant.name} carried over" if grant.name else "Carried over",
        amount=moved,
        remaining=moved,
        category=grant.category,
        cost_basis=grant.cost_basis,
        currency=grant.currency,
        priority=grant.priority,
        applies_to=grant.applies_to,
        starts_at=starts_at,
        expires_at=expires_at,
        subscription_id=grant.subscription_id,
        created_at=now,
    )
    grant.remaining -= moved
    grant.save(update_fields=["remaining"])
    entries = [
        Entry(grant_account(grant.id), CREDIT, -moved),
        Entry(grant_account(rolled.id), CREDIT, moved),
    ]
    post(grant.customer_id, "credits.rollover", rolled.id.hex, entries, occurred_at=starts_at, now=now)
    if expires_at is not None:
        schedule(grant.customer_id, EXPIRY_DUE, rolled.id.hex, expires_at)
    return rolled


def open_grants(customer_id: int) -> list[CreditGrant]:
    """Grants with anything left, in burn order, whatever their dates; and those that gave back what they had left."""
    may_burn = Q(remaining__gt=0) | Q(share_ends_at__isnull=False, expired_at=None)
    grants = CreditGrant.objects.filter(may_burn, customer_id=customer_id, voided_at=None)
    return sorted(grants, key=burn_order)


def expired_grants(customer_id: int) -> list[CreditGrant]:
    """Grants whose end is booked, but for those that a person took back."""
    return list(CreditGrant.objects.filter(customer_id=customer_id, voided_at=None, expired_at__isnull=False))


def last_expiry(customer_id: int) -> datetime:
    """When the last of the expired grants ended; before all time where none has."""
    expired = CreditGrant.objects.filter(customer_id=customer_id, voided_at=None, expired_at__isnull=False)
    found: datetime | None = expired.aggregate(last=Max("expires_at"))["last"]
    return found or EVER


@exact
def credit_balance(customer_id: int, *, as_of: datetime, history: bool = False) -> Balance:
    """The balance at an instant: grants active then, less what was drawn for events before it.

    With ``history`` the remaining amounts are what was granted less the draws up to ``as_of``; without, they are the
    present ones, which is the same when ``as_of`` is now.
    """
    grants = CreditGrant.objects.filter(Q(expires_at=None) | Q(expires_at__gt=as_of), customer_id=customer_id)
    grants = grants.filter(Q(voided_at=None) | Q(voided_at__gt=as_of), starts_at__lte=as_of)
    ordered = sorted(grants, key=burn_order)
    remaining = {grant.id: grant.amount if history else grant.remaining for grant in ordered}
    draws = CreditDraw.objects.filter(customer_id=customer_id)
    if history:
        drawn = draws.filter(occurred_at__lt=as_of).values_list("grant_id").annotate(total=Sum("credits"))
        for grant_id, total in drawn:
            if grant_id in remaining:
                remaining[grant_id] -= total
        for grant_id, taken in _taken_by_shares(customer_id, as_of).items():
            if grant_id in remaining:
                remaining[grant_id] -= taken
    overage = draws.filter(grant_id=None, occurred_at__lt=as_of).aggregate(total=Sum("credits"))["total"]
    balance = sum(remaining.values(), ZERO)
    held = ZERO
    return Balance(
        balance,
        held,
        balance - held,
        overage or ZERO,
        tuple(GrantBalance(grant, remaining[grant.id]) for grant in ordered),
        as_of,
    )


def _taken_by_shares(customer_id: int, as_of: datetime) -> dict[UUID, Decimal]:
    """By grant, what changes of plan had taken back by then."""
    shared = LedgerTransaction.objects.filter(
        customer_id=customer_id, kind=SHARED, occurred_at__lte=as_of
    ).values("id")
    entries = LedgerEntry.objects.filter(
        customer_id=customer_id, transaction_id__in=shared, account__startswith=GRANT
    )
    told = entries.values_list("account").annotate(taken=-Sum("amount"))
    return {UUID(account.removeprefix(GRANT)): taken for account, taken in told}


@dataclass(frozen=True)
class Drawn:
    """A part of one burn that one grant covered, or that no grant did (``grant`` is ``None``)."""

    grant: CreditGrant | None
    credits: Decimal


@exact
def cover(credits: Decimal, grants: Sequence[CreditGrant]) -> list[Drawn]:
    """Take credits from grants in their order; what none covers is overage. Lowers the grants' ``remaining`` in place.

    >>> grants = [CreditGrant(remaining=Decimal(3)), CreditGrant(remaining=Decimal(4))]
    >>> [str(drawn.credits) for drawn in cover(Decimal(9), grants)]
    ['3', '4', '2']
    """
    drawn = []
    for grant in grants:
        if credits <= 0:
            break
        taken = min(credits, grant.remaining)
        if taken > 0:
            grant.remaining -= taken
            credits -= taken
            drawn.append(Drawn(grant, taken))
    if credits > 0:
        drawn.append(Drawn(None, credits))
    return drawn


def applicable(
    grants: Iterable[CreditGrant], at: datetime, matches: Callable[[dict[str, list[str]]], bool]
) -> list[CreditGrant]:
    """The grants, in the order given, that are active at the time, have something left, and apply to the event."""
    return [
        g
        for g in grants
        if g.remaining > 0 and active_at(g, at) and (not g.applies_to or matches(g.applies_to))
    ]
