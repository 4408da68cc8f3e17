"""What comes due as the clock moves: drafts that finalize themselves, invoices that become overdue."""

from billing.stripe.double.call import Call
from billing.stripe.double.errors import Refusal
from billing.stripe.double.invoice_status import advance, check_tax_location, finalize


def run_due(call: Call) -> None:
    """Do everything that is due by ``call.now``, oldest first."""
    for invoice in reversed(call.state.all_of("invoice", status="draft")):
        finalizes_at = invoice["automatically_finalizes_at"]
        if not invoice["auto_advance"] or finalizes_at is None or finalizes_at > call.now:
            continue
        try:
            check_tax_location(call, invoice)
        except Refusal:
            continue
        finalize(call, invoice)
        if invoice["status"] == "open":
            advance(call, invoice)
    for invoice in reversed(call.state.all_of("invoice", status="open")):
        overdue = invoice["due_date"] is not None and invoice["due_date"] < call.now
        if overdue and not invoice.get("_overdue"):
            invoice["_overdue"] = True
            call.state.put(invoice)
            call.announce("invoice.overdue", invoice)
