"""A customer's credits as a history: each movement in words, with its entries and the balance after it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from billing.credits.lent_credits import LOSSES
from billing.ledger import CREDIT, GRANT
from billing.models import CreditGrant, LedgerEntry, LedgerTransaction
from core.money import ZERO, exact
from core.pages.figures import trimmed

KINDS = "credits."
BURN = "credits.burn"
WORDS = {
    "credits.grant": "{credits} credits granted: {names}",
    "credits.burn": "{credits} credits burnt for usage",
    "credits.cover": "{credits} credits of {names} cover usage from before they were granted",
    "credits.redraw": "Usage burnt again after a correction",
    "credits.share": "{credits} credits of {names} taken back: the plan changed within the period",
    "credits.expire": "{credits} credits of {names} expired",
    "credits.void": "{credits} credits of {names} taken back",
    "credits.rollover": "{credits} credits carried over into the next period: {names}",
}


@dataclass(frozen=True)
class CreditEntry:
    """One side of a movement. ``grant_id`` is set where the account is a grant's."""

    account: str
    grant_id: UUID | None
    amount: Decimal


@dataclass(frozen=True)
class Movement:
    """A transaction of the ledger that moves credits. ``balance`` is what all grants hold after it."""

    transaction: LedgerTransaction
    text: str
    change: Decimal
    balance: Decimal
    entries: tuple[CreditEntry, ...]


def credit_transactions(customer_id: int) -> QuerySet[LedgerTransaction]:
    """The customer's movements of credits, in no order."""
    return LedgerTransaction.objects.filter(customer_id=customer_id, kind__startswith=KINDS)


@exact
def movements(customer_id: int, transactions: Sequence[LedgerTransaction]) -> list[Movement]:
    """A run of transactions, newest first and without a gap, told in full."""
    if not transactions:
        return []
    entries: dict[UUID, list[CreditEntry]] = defaultdict(list)
    ids = [transaction.id for transaction in transactions]
    for row in LedgerEntry.objects.filter(customer_id=customer_id, transaction_id__in=ids, unit=CREDIT):
        entries[row.transaction_id].append(_entry(row))
    names = _grant_names(customer_id, entries)
    balance = _balance_after(customer_id, transactions[0].id)
    told = []
    for transaction in transactions:
        own = entries[transaction.id]
        change = sum((entry.amount for entry in own if entry.grant_id), ZERO)
        told.append(Movement(transaction, _text(transaction, own, names), change, balance, tuple(own)))
        balance -= change
    return told


def _entry(row: LedgerEntry) -> CreditEntry:
    if row.account.startswith(GRANT):
        return CreditEntry("grant", UUID(row.account.removeprefix(GRANT)), row.amount)
    return CreditEntry(row.account, None, row.amount)


def _grant_names(customer_id: int, entries: dict[UUID, list[CreditEntry]]) -> dict[UUID, str]:
    ids = {entry.grant_id for own in entries.values() for entry in own if entry.grant_id}
    grants = CreditGrant.objects.filter(customer_id=customer_id, id__in=ids)
    return {grant.id: grant.name or grant.key for grant in grants}


def _balance_after(customer_id: int, transaction_id: UUID) -> Decimal:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT coalesce(sum(amount), 0) FROM billing_ledgerentry
            WHERE customer_id = %s AND transaction_id <= %s AND unit = 'credit' AND account LIKE 'grant:%%'
            """,
            [customer_id, transaction_id],
        )
        return Decimal(cursor.fetchone()[0])


def _text(transaction: LedgerTransaction, entries: list[CreditEntry], names: dict[UUID, str]) -> str:
    moved = sum((entry.amount for entry in entries if entry.amount > 0), ZERO)
    granted = [names[entry.grant_id] for entry in entries if entry.grant_id and entry.amount > 0]
    others = [names[entry.grant_id] for entry in entries if entry.grant_id and entry.amount < 0]
    words = WORDS.get(transaction.kind, "{credits} credits moved")
    if transaction.kind in LOSSES and granted:
        words = "{credits} credits of {names} given back: usage of their time came late or burns anew"
    text = words.format(credits=_grouped(moved), names=", ".join(granted or others))
    beyond = sum((entry.amount for entry in entries if not entry.grant_id and entry.amount < 0), ZERO)
    if transaction.kind == BURN and beyond:
        text += f", {_grouped(-beyond)} of them beyond the credits granted"
    return text


def _grouped(credits: Decimal) -> str:
    """As a sentence tells it, to two decimals; the entries hold every digit.

    >>> _grouped(Decimal("1912.208178")), _grouped(Decimal("0.00314"))
    ('1,912.21', '0.0031')
    """
    return trimmed(credits, 2)
