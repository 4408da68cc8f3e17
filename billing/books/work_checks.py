"""Work that went out: nothing asked of Stripe is forgotten."""

from collections.abc import Iterator

from billing.books.breach import Breach, rows


def stripe_calls_answered() -> Iterator[Breach]:
    """No call requested and unanswered without due work that will look into it. A later version of it takes its place."""
    found = rows(
        """
        SELECT s.customer_id, s.step, s.invoice_id FROM billing_stripecall s
        WHERE s.state IN ('requested', 'unknown') AND NOT EXISTS (
            SELECT 1 FROM core_duework w WHERE w.customer_id = s.customer_id AND w.kind = 'stripe.invoice'
            AND w.key = replace(s.invoice_id::text, '-', ''))
        AND NOT EXISTS (
            SELECT 1 FROM billing_stripecall later WHERE later.customer_id = s.customer_id
            AND later.invoice_id = s.invoice_id AND later.step = s.step AND later.version > s.version)
        ORDER BY 1, 2
        """
    )
    for customer_id, step, invoice_id in found:
        yield Breach(
            "I10", customer_id, f"Stripe was asked to {step} for {invoice_id}; nobody waits for the answer"
        )
