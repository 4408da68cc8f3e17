"""All checks of the books, in order."""

from collections.abc import Callable, Iterator

from billing.books import invoice_checks, ledger_checks, usage_checks, work_checks
from billing.books.breach import Breach

Check = Callable[[], Iterator[Breach]]

CHECKS: dict[str, Check] = {
    "ledger transactions sum to zero": ledger_checks.transactions_sum_to_zero,
    "balances equal their entries": ledger_checks.balances_equal_entries,
    "grants equal their accounts": ledger_checks.grants_equal_accounts,
    "no grant is below zero": ledger_checks.grants_not_below_zero,
    "draws equal what the ledger burnt": ledger_checks.draws_equal_burns,
    "no overage while a grant has credits": ledger_checks.no_overage_beside_credits,
    "invoice totals equal their lines": invoice_checks.totals_equal_lines,
    "taxes tie": invoice_checks.taxes_tie,
    "one invoice a period": invoice_checks.one_invoice_a_period,
    "invoice numbers have no gaps": invoice_checks.numbers_have_no_gaps,
    "issued documents are unchanged": invoice_checks.fingerprints_match,
    "finalized invoices re-rate to the same lines": invoice_checks.lines_rerate,
    "usage buckets equal their events": usage_checks.buckets_equal_events,
    "calls equal their events": usage_checks.calls_equal_events,
    "events taken back count nothing": usage_checks.withdrawn_events_count_nothing,
    "richer reports take their places": usage_checks.richer_reports_are_due,
    "rating is not ahead of the events": usage_checks.rating_never_ahead,
    "every event has a customer": usage_checks.events_have_a_customer,
    "every number is finite": usage_checks.every_number_is_finite,
    "no call to Stripe is left hanging": work_checks.stripe_calls_answered,
}


def verify_books() -> Iterator[tuple[str, list[Breach]]]:
    """Run every check; yields its name and what it found."""
    for name, check in CHECKS.items():
        yield name, list(check())
