"""The status of an invoice: draft → open → paid, void or uncollectible, and what each step does.

draft --finalize--> open | paid (nothing to pay)     open --pay--> paid
open --send--> open                                  open --void--> void
open --mark_uncollectible--> uncollectible           uncollectible --pay--> paid, --void--> void
"""

from copy import deepcopy

from billing.stripe.double.call import Call
from billing.stripe.double.currencies import minimum_charge
from billing.stripe.double.customers import living_customer, move_balance
from billing.stripe.double.errors import Refusal
from billing.stripe.double.payments import charge, check_payment_method, record_payment
from billing.stripe.double.state import Body

FROM = {
    "finalize": frozenset({"draft"}),
    "pay": frozenset({"open", "uncollectible"}),
    "send": frozenset({"open"}),
    "void": frozenset({"open", "uncollectible"}),
    "mark_uncollectible": frozenset({"open"}),
}


def invoice_for(call: Call, identity: str, verb: str) -> Body:
    """The invoice, where its status allows the step. Raises Refusal naming the status."""
    invoice = call.find("invoice", identity, "invoice")
    if invoice["status"] in FROM[verb]:
        return invoice
    if verb == "finalize":
        raise Refusal(
            "This invoice is already finalized, you can't re-finalize a non-draft invoice.",
            code="invoice_not_editable",
        )
    if verb == "pay" and invoice["status"] == "paid":
        raise Refusal("Invoice is already paid")
    raise Refusal(
        f"You can't {verb.replace('_', ' ')} an invoice that is {invoice['status']}; "
        f"it must be {' or '.join(sorted(FROM[verb]))}."
    )


def finalize_invoice(call: Call, invoice: str) -> Body:
    call.only("auto_advance")
    found = invoice_for(call, invoice, "finalize")
    if "auto_advance" in call.params:
        found["auto_advance"] = call.params["auto_advance"]
    check_tax_location(call, found)
    finalize(call, found)
    answer = deepcopy(found)
    if found["status"] == "open" and found["auto_advance"]:
        advance(call, found)
    return answer


def check_tax_location(call: Call, invoice: Body) -> None:
    """Automatic tax needs the customer's country; without it the draft stays a draft."""
    if not invoice["automatic_tax"]["enabled"]:
        return
    if (invoice["customer_address"] or {}).get("country"):
        invoice["automatic_tax"]["status"] = "complete"
        return
    message = "The customer's location isn't recognized. Set a valid customer address to calculate tax."
    invoice["automatic_tax"]["status"] = "requires_location_inputs"
    invoice["last_finalization_error"] = {
        "code": "customer_tax_location_invalid",
        "message": message,
        "type": "invalid_request_error",
    }
    call.state.put(invoice)
    call.announce("invoice.finalization_failed", invoice)
    raise Refusal(message, code="customer_tax_location_invalid", keeps_effects=True)


def finalize(call: Call, invoice: Body) -> None:
    """Number the draft, apply the customer's balance, and open it; with nothing to pay it is paid."""
    customer = living_customer(call, invoice["customer"])
    apply_balance(call, invoice, customer)
    if invoice["number"] is None:
        invoice["number"] = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04d}"
        customer["next_invoice_sequence"] += 1
    customer["currency"] = customer["currency"] or invoice["currency"]
    call.state.put(customer)
    invoice["status"] = "open"
    invoice["status_transitions"]["finalized_at"] = call.now
    invoice["effective_at"] = invoice["effective_at"] or call.now
    invoice["automatically_finalizes_at"] = None
    invoice["last_finalization_error"] = None
    invoice["hosted_invoice_url"] = f"{call.base_url}/invoice/{invoice['id']}"
    call.state.put(invoice)
    call.announce("invoice.finalized", invoice)
    if invoice["amount_due"] == 0:
        invoice["attempted"] = True
        mark_paid(call, invoice)


def apply_balance(call: Call, invoice: Body, customer: Body) -> None:
    """Settle the total against the customer's balance, as Stripe does at this moment.

    What is owed is total + balance. Nothing owed, or less than the minimum charge, leaves nothing due and the
    remainder on the balance; otherwise all of it is due and the balance is zero.
    """
    in_currency = customer["currency"] in (None, invoice["currency"])
    starting = customer["balance"] if in_currency else 0
    owed = invoice["total"] + starting
    too_small = 0 < owed < minimum_charge(invoice["currency"])
    due = 0 if owed <= 0 or too_small else owed
    ending = owed - due
    if ending != starting:
        kind = "invoice_too_small" if too_small else "applied_to_invoice"
        about = {"invoice": invoice["id"], "currency": invoice["currency"]}
        move_balance(call, customer, ending - starting, kind=kind, **about)
    invoice.update(starting_balance=starting, ending_balance=ending, amount_due=due, amount_remaining=due)


def advance(call: Call, invoice: Body) -> None:
    """What Stripe does by itself with an open invoice that advances: send it, or charge the card."""
    if invoice["collection_method"] == "send_invoice":
        call.announce("invoice.sent", invoice)
        return
    method = default_method(call, invoice)
    if method is not None:
        attempt(call, invoice, method)


def default_method(call: Call, invoice: Body) -> str | None:
    customer = call.find("customer", invoice["customer"], "customer")
    settings = customer.get("invoice_settings") or {}
    return invoice["default_payment_method"] or settings.get("default_payment_method")


def attempt(call: Call, invoice: Body, method: str) -> Refusal | None:
    """Charge a card; gives the card's refusal, with the failed attempt written down, or None when it paid."""
    card = charge(call, invoice, method)
    if card.code == "":
        mark_paid(call, invoice)
        return None
    call.state.put(invoice)
    call.announce("invoice.payment_failed", invoice)
    if card.code == "invoice_payment_intent_requires_action":
        call.announce("invoice.payment_action_required", invoice)
    return Refusal(
        card.message,
        status=402,
        kind="card_error",
        code=card.code,
        keeps_effects=True,
        decline_code=card.decline or None,
    )


def mark_paid(call: Call, invoice: Body) -> Body:
    invoice["status"] = "paid"
    invoice["status_transitions"]["paid_at"] = call.now
    call.state.put(invoice)
    call.announce("invoice.paid", invoice)
    call.announce("invoice.payment_succeeded", invoice)
    return invoice


def pay_invoice(call: Call, invoice: str) -> Body:
    call.only("off_session", "paid_out_of_band", "payment_method")
    found = invoice_for(call, invoice, "pay")
    if call.params.get("paid_out_of_band"):
        return settle(call, found, out_of_band=True)
    method = call.params.get("payment_method") or default_method(call, found)
    if method is None:
        raise Refusal(
            "There is no default_payment_method set on this Customer or Invoice. Please set one before "
            "calling pay."
        )
    check_payment_method(method)
    refusal = attempt(call, found, method)
    if refusal is not None:
        raise refusal
    return found


def settle(call: Call, invoice: Body, *, out_of_band: bool = False) -> Body:
    """The rest arrives: outside of Stripe, or by the customer on the hosted page."""
    if out_of_band:
        invoice["amount_paid_off_stripe"] += invoice["amount_remaining"]
        invoice["amount_paid"] += invoice["amount_remaining"]
        invoice["amount_remaining"] = 0
    else:
        record_payment(call, invoice, invoice["amount_remaining"])
    return mark_paid(call, invoice)


def send_invoice(call: Call, invoice: str) -> Body:
    call.only()
    found = invoice_for(call, invoice, "send")
    if found["collection_method"] != "send_invoice":
        raise Refusal("You can only manually send an invoice whose collection_method is send_invoice.")
    call.announce("invoice.sent", found)
    return found


def void_invoice(call: Call, invoice: str) -> Body:
    call.only()
    found = invoice_for(call, invoice, "void")
    if found["pre_payment_credit_notes_amount"]:
        raise Refusal("You can't void an invoice with credit notes; void them first.")
    found["status"] = "void"
    found["status_transitions"]["voided_at"] = call.now
    found["amount_remaining"] = found["amount_due"] - found["amount_paid"]
    call.state.put(found)
    call.announce("invoice.voided", found)
    return found


def mark_uncollectible(call: Call, invoice: str) -> Body:
    call.only()
    found = invoice_for(call, invoice, "mark_uncollectible")
    found["status"] = "uncollectible"
    found["status_transitions"]["marked_uncollectible_at"] = call.now
    call.state.put(found)
    call.announce("invoice.marked_uncollectible", found)
    return found
