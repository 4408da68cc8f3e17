"""The double-entry ledger: credits and money move between a customer's accounts, and every movement sums to zero.

Accounts of credits: ``grant:<id>`` (what is left of a grant), ``issued`` (the other side of every grant), ``burnt``,
``expired``, ``voided``, ``overage`` (burnt without a grant) and ``owed`` (its other side).
Accounts of money: ``receivable``, ``revenue``, ``tax``, ``cash``, ``credit`` (what the operator owes the customer).
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection

from billing.models import LedgerAccount, LedgerEntry, LedgerTransaction, RatingPosition
from core.ids import new_id

CREDIT = "credit"
GRANT = "grant:"


@dataclass(frozen=True)
class Entry:
    """One side of a movement: positive raises the account, negative lowers it. ``unit`` is ``credit`` or a currency."""

    account: str
    unit: str
    amount: Decimal


def grant_account(grant_id: UUID) -> str:
    return f"{GRANT}{grant_id.hex}"


def lock_customer(customer_id: int) -> RatingPosition:
    """Take the customer's money lock, the first lock of every transaction that moves credits or documents.

    Insert, then lock: a row that does not exist would lock nothing.
    """
    RatingPosition.objects.bulk_create([RatingPosition(customer_id=customer_id)], ignore_conflicts=True)
    return RatingPosition.objects.select_for_update().get(customer_id=customer_id)


def post(
    customer_id: int,
    kind: str,
    reference: str,
    entries: Iterable[Entry],
    *,
    occurred_at: datetime,
    now: datetime,
) -> UUID:
    """Write one movement. The caller holds the customer's lock. The same (kind, reference) twice is an integrity error.

    Entries of zero are left out; entries that do not sum to zero for each unit are a bug and raise ``ValueError`` here,
    before the database's own trigger would refuse them.
    """
    kept = [entry for entry in entries if entry.amount]
    sums: dict[str, Decimal] = defaultdict(Decimal)
    moved: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for entry in kept:
        sums[entry.unit] += entry.amount
        moved[entry.account, entry.unit] += entry.amount
    if any(sums.values()):
        raise ValueError(f"ledger entries of {kind} {reference} do not sum to zero: {dict(sums)}")
    transaction = LedgerTransaction.objects.create(
        customer_id=customer_id,
        id=new_id(),
        kind=kind,
        reference=reference,
        occurred_at=occurred_at,
        recorded_at=now,
    )
    LedgerEntry.objects.bulk_create(
        LedgerEntry(
            customer_id=customer_id,
            transaction_id=transaction.id,
            n=n,
            account=entry.account,
            unit=entry.unit,
            amount=entry.amount,
        )
        for n, entry in enumerate(kept, start=1)
    )
    _move_balances(customer_id, moved)
    return transaction.id


def balance(customer_id: int, account: str, unit: str) -> Decimal:
    """The account's balance now; an account that was never used stands at zero."""
    row = LedgerAccount.objects.filter(customer_id=customer_id, account=account, unit=unit).first()
    return Decimal(0) if row is None else row.balance


def _move_balances(customer_id: int, moved: dict[tuple[str, str], Decimal]) -> None:
    if not moved:
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO billing_ledgeraccount (customer_id, account, unit, balance) VALUES (%s, %s, %s, %s)
            ON CONFLICT (customer_id, account, unit)
            DO UPDATE SET balance = billing_ledgeraccount.balance + EXCLUDED.balance
            """,
            [(customer_id, account, unit, amount) for (account, unit), amount in sorted(moved.items())],
        )
