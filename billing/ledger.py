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

from django.db import DEFAULT_DB_ALIAS, connection

from billing.models import LedgerAccount, RatingPosition
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

    A row that does not exist would lock nothing: it is inserted first.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [customer_id])
        row = cursor.fetchone()
        if row is None:
            cursor.execute(
                "INSERT INTO billing_ratingposition (customer_id, rated_seq) VALUES (%s, 0) ON CONFLICT DO NOTHING",
                [customer_id],
            )
            cursor.execute(_LOCK, [customer_id])
            row = cursor.fetchone()
    fields = ["customer_id", "rated_seq", "rated_at"]
    return RatingPosition.from_db(DEFAULT_DB_ALIAS, fields, [customer_id, *row])


_LOCK = "SELECT rated_seq, rated_at FROM billing_ratingposition WHERE customer_id = %s FOR UPDATE"


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
    transaction_id = new_id()
    accounts = sorted(moved)
    with connection.cursor() as cursor:
        cursor.execute(
            _POST,
            {
                "customer": customer_id,
                "id": transaction_id,
                "kind": kind,
                "reference": reference,
                "occurred_at": occurred_at,
                "now": now,
                "entry_accounts": [entry.account for entry in kept],
                "entry_units": [entry.unit for entry in kept],
                "entry_amounts": [entry.amount for entry in kept],
                "accounts": [account for account, _ in accounts],
                "units": [unit for _, unit in accounts],
                "amounts": [moved[place] for place in accounts],
            },
        )
    return transaction_id


# One statement: a movement, its entries in their order, and the balances that they move, in one order for everyone.
_POST = """
WITH movement AS (
    INSERT INTO billing_ledgertransaction (customer_id, id, kind, reference, occurred_at, recorded_at)
    VALUES (%(customer)s, %(id)s, %(kind)s, %(reference)s, %(occurred_at)s, %(now)s)
), entries AS (
    INSERT INTO billing_ledgerentry (customer_id, transaction_id, n, account, unit, amount)
    SELECT %(customer)s, %(id)s, e.n, e.account, e.unit, e.amount
    FROM unnest(%(entry_accounts)s::text[], %(entry_units)s::text[], %(entry_amounts)s::numeric[])
        WITH ORDINALITY AS e(account, unit, amount, n)
)
INSERT INTO billing_ledgeraccount AS a (customer_id, account, unit, balance)
SELECT %(customer)s, m.account, m.unit, m.amount
FROM unnest(%(accounts)s::text[], %(units)s::text[], %(amounts)s::numeric[]) AS m(account, unit, amount)
ON CONFLICT (customer_id, account, unit) DO UPDATE SET balance = a.balance + EXCLUDED.balance
"""


def balance(customer_id: int, account: str, unit: str) -> Decimal:
    """The account's balance now; an account that was never used stands at zero."""
    row = LedgerAccount.objects.filter(customer_id=customer_id, account=account, unit=unit).first()
    return Decimal(0) if row is None else row.balance
