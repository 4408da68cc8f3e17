"""The ledger: transactions that sum to zero, balances that equal their entries, grants that equal their accounts."""

from collections.abc import Iterator

from billing.books.breach import Breach, rows


def transactions_sum_to_zero() -> Iterator[Breach]:
    found = rows(
        """
        SELECT customer_id, transaction_id, unit, sum(amount) FROM billing_ledgerentry
        GROUP BY 1, 2, 3 HAVING sum(amount) <> 0 ORDER BY 1, 2, 3
        """
    )
    for customer_id, transaction_id, unit, amount in found:
        yield Breach("I1", customer_id, f"ledger transaction {transaction_id} is off by {amount} {unit}")


def balances_equal_entries() -> Iterator[Breach]:
    found = rows(
        """
        SELECT coalesce(a.customer_id, e.customer_id), coalesce(a.account, e.account), a.balance, e.total
        FROM billing_ledgeraccount a FULL JOIN
            (SELECT customer_id, account, unit, sum(amount) AS total FROM billing_ledgerentry GROUP BY 1, 2, 3) e
            ON (a.customer_id, a.account, a.unit) = (e.customer_id, e.account, e.unit)
        WHERE a.balance IS DISTINCT FROM e.total ORDER BY 1, 2
        """
    )
    for customer_id, account, balance, total in found:
        yield Breach("I2", customer_id, f"account {account} says {balance}, its entries sum to {total}")


def grants_equal_accounts() -> Iterator[Breach]:
    found = rows(
        """
        SELECT g.customer_id, g.key, g.remaining, coalesce(a.balance, 0) FROM billing_creditgrant g
        LEFT JOIN billing_ledgeraccount a ON a.customer_id = g.customer_id AND a.unit = 'credit'
            AND a.account = 'grant:' || replace(g.id::text, '-', '')
        WHERE g.remaining <> coalesce(a.balance, 0) ORDER BY 1, 2
        """
    )
    for customer_id, key, remaining, balance in found:
        yield Breach("I2", customer_id, f"grant {key} has {remaining} left, its account says {balance}")


def grants_not_below_zero() -> Iterator[Breach]:
    found = rows(
        "SELECT customer_id, key, remaining FROM billing_creditgrant WHERE remaining < 0 ORDER BY 1, 2"
    )
    for customer_id, key, remaining in found:
        yield Breach("I3", customer_id, f"grant {key} is below zero: {remaining}")


def draws_equal_burns() -> Iterator[Breach]:
    found = rows(
        """
        SELECT d.customer_id, d.transaction_id, d.credits, e.amount FROM
            (SELECT customer_id, transaction_id, sum(credits) AS credits FROM billing_creditdraw GROUP BY 1, 2) d
        LEFT JOIN billing_ledgerentry e ON e.customer_id = d.customer_id
            AND e.transaction_id = d.transaction_id AND e.account = 'burnt'
        WHERE d.credits <> coalesce(e.amount, 0) ORDER BY 1, 2
        """
    )
    for customer_id, transaction_id, credits, amount in found:
        yield Breach(
            "I2", customer_id, f"draws of {transaction_id} sum to {credits}, the ledger burnt {amount}"
        )


def no_overage_beside_credits() -> Iterator[Breach]:
    """No draw without a grant where, at that moment of the order, a grant that applies had a balance.

    Looked up for grants without conditions, among the draws that stand: what such a grant had left after the draw was
    available to it. Draws after a change of plan (``billing.credits.lent_credits``) are held against those after it too.
    """
    found = rows(
        """
        WITH shares AS MATERIALIZED (
            SELECT customer_id, share_ends_at, share_seq FROM billing_creditgrant WHERE share_ends_at IS NOT NULL),
        drawn AS (
            SELECT customer_id, event_id, grant_id, seq, sum(credits) AS credits, min(occurred_at) AS occurred_at,
                (array_agg(n ORDER BY recorded_at DESC, n DESC) FILTER (WHERE credits > 0))[1] AS n,
                max(recorded_at) AS recorded_at
            FROM billing_creditdraw GROUP BY customer_id, event_id, source, grant_id, seq HAVING sum(credits) > 0),
        standing AS (
            SELECT d.*, (SELECT count(*) FROM shares s WHERE s.customer_id = d.customer_id
                AND s.share_ends_at <= d.occurred_at AND s.share_seq < d.seq) AS changes
            FROM drawn d),
        latest AS (
            SELECT DISTINCT ON (customer_id, grant_id, changes) customer_id, grant_id, changes, seq, n FROM standing
            WHERE grant_id IS NOT NULL ORDER BY customer_id, grant_id, changes, seq DESC, n DESC)
        SELECT DISTINCT d.customer_id, d.event_id, g.key FROM standing d
        JOIN latest l ON l.customer_id = d.customer_id AND (l.seq, l.n) > (d.seq, d.n) AND l.changes >= d.changes
        JOIN billing_creditgrant g ON g.customer_id = d.customer_id AND g.id = l.grant_id
            AND g.applies_to = '{}'::jsonb AND g.voided_at IS NULL AND g.created_at < d.recorded_at
            AND g.starts_at <= d.occurred_at AND (g.expires_at IS NULL OR g.expires_at > d.occurred_at)
        WHERE d.grant_id IS NULL ORDER BY 1, 2 LIMIT 100
        """
    )
    for customer_id, event_id, key in found:
        yield Breach("I3", customer_id, f"event {event_id} was overage while grant {key} still had credits")
