"""What grants had lost is lent back to them while draws are made anew, and booked out again as the new draws leave it.

A grant loses what is left of it when it expires or is taken back by a person, after all draws. When its plan gives way to
another within the period, it loses what is left then beyond the share for its plan's days: before the draws of what
happened since, but for those that were made before the change was known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection

from billing.ledger import CREDIT, Entry, grant_account, post
from billing.models import CreditGrant
from core.money import CONTEXT, ZERO

SHARED = "credits.share"
ENDINGS = {"credits.expire": "expired", "credits.void": "voided"}
LOSSES = ENDINGS | {SHARED: "voided"}


@dataclass
class Loan:
    """Credits lent back to a grant that lost them by transactions of the ``kind``."""

    grant: CreditGrant
    kind: str
    lent: Decimal
    taken: Decimal | None = None

    def take_again(self) -> None:
        """Take from the grant what it would have lost, had the draws been so from the start."""
        left = self.grant.remaining
        if self.kind == SHARED and self.grant.share is not None:
            left = min(left, CONTEXT.subtract(self.grant.amount, self.grant.share))
        self.grant.remaining = CONTEXT.subtract(self.grant.remaining, left)
        self.taken = left


def comes_after(grant: CreditGrant, seq: int, at: datetime) -> bool:
    """Whether an event is drawn after the grant gave back what was beyond its share."""
    assert grant.share_ends_at is not None and grant.share_seq is not None
    return at >= grant.share_ends_at and seq > grant.share_seq


class Loans:
    """The loans to a customer's grants while draws from event ``first`` on are made anew; without it, while what has come
    late draws beside those that stand.
    """

    def __init__(self, grants: Sequence[CreditGrant], first: int | None = None) -> None:
        lost = _booked_out(grants[0].customer_id) if grants else {}
        self._shares: list[Loan] = []
        self._ends: list[Loan] = []
        for grant in grants:
            account = grant_account(grant.id)
            # Draws that come after the share are all made anew, or the share stands as it was booked.
            if first is not None and grant.share_seq is not None and first <= grant.share_seq + 1:
                self._shares.append(Loan(grant, SHARED, lost.get((account, SHARED), ZERO)))
            kind = "credits.void" if grant.voided_at else "credits.expire" if grant.expired_at else None
            if kind is not None:
                self._ends.append(Loan(grant, kind, lost.get((account, kind), ZERO)))
        for loan in [*self._shares, *self._ends]:
            loan.grant.remaining = CONTEXT.add(loan.grant.remaining, loan.lent)

    def place(self, seq: int, at: datetime) -> tuple[int, int]:
        """Where an event stands in the order of draws: after the shares it comes after, then as it was stored."""
        return sum(comes_after(loan.grant, seq, at) for loan in self._shares), seq

    def pass_shares(self, seq: int, at: datetime) -> None:
        """Before an event draws: what it comes after is taken back."""
        for loan in self._shares:
            if loan.taken is None and comes_after(loan.grant, seq, at):
                loan.take_again()

    def settle(self, *, cause: str, now: datetime) -> None:
        """Take back the rest, and book what is other than it was. ``cause`` begins the transactions' references."""
        loans = [*self._shares, *self._ends]
        for loan in loans:
            if loan.taken is None:
                loan.take_again()
        for loan in loans:
            assert loan.taken is not None
            more = CONTEXT.subtract(loan.taken, loan.lent)
            if more:
                grant = loan.grant
                entries = [
                    Entry(grant_account(grant.id), CREDIT, CONTEXT.minus(more)),
                    Entry(LOSSES[loan.kind], CREDIT, more),
                ]
                at = grant.share_ends_at if loan.kind == SHARED and grant.share_ends_at else now
                post(grant.customer_id, loan.kind, f"{cause}{grant.id.hex}", entries, occurred_at=at, now=now)
                grant.save(update_fields=["remaining"])
        self._shares, self._ends = [], []


def _booked_out(customer_id: int) -> dict[tuple[str, str], Decimal]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT e.account, t.kind, -sum(e.amount) FROM billing_ledgertransaction t
            JOIN billing_ledgerentry e ON e.customer_id = t.customer_id AND e.transaction_id = t.id
            WHERE t.customer_id = %s AND t.kind = ANY(%s) AND e.account LIKE 'grant:%%' GROUP BY 1, 2
            """,
            [customer_id, list(LOSSES)],
        )
        return {(account, kind): amount for account, kind, amount in cursor.fetchall()}
