"""Paying an open invoice with Stripe's test cards, and the record of each payment."""

from dataclasses import dataclass

import stripe

from billing.stripe.double.call import Call
from billing.stripe.double.errors import Refusal
from billing.stripe.double.shapes import bare, new_id
from billing.stripe.double.state import Body


@dataclass(frozen=True)
class TestCard:
    """How a test payment method behaves; an empty ``code`` pays."""

    code: str = ""
    decline: str = ""
    message: str = ""


CARDS = {
    "pm_card_visa": TestCard(),
    "pm_card_mastercard": TestCard(),
    "pm_card_chargeDeclined": TestCard("card_declined", "generic_decline", "Your card was declined."),
    "pm_card_chargeDeclinedInsufficientFunds": TestCard(
        "card_declined", "insufficient_funds", "Your card has insufficient funds."
    ),
    "pm_card_authenticationRequired": TestCard(
        "invoice_payment_intent_requires_action", "", "The payment needs an action by the customer."
    ),
}


def check_payment_method(identity: str, param: str = "payment_method") -> str:
    if identity not in CARDS:
        raise Refusal(f"No such PaymentMethod: '{identity}'", code="resource_missing", param=param)
    return identity


def charge(call: Call, invoice: Body, method: str) -> TestCard:
    """Try the card for what remains; the attempt counts either way. The caller stores the invoice."""
    card = CARDS[check_payment_method(method)]
    invoice["attempted"] = True
    invoice["attempt_count"] += 1
    if card.code == "":
        record_payment(call, invoice, invoice["amount_remaining"])
    return card


def record_payment(call: Call, invoice: Body, amount_minor: int) -> None:
    """Book money from a customer against the invoice, with its ``invoice_payment``."""
    payment = bare(
        stripe.InvoicePayment,
        id=new_id("inpay"),
        object="invoice_payment",
        amount_paid=amount_minor,
        amount_requested=amount_minor,
        created=call.now,
        currency=invoice["currency"],
        invoice=invoice["id"],
        is_default=True,
        payment={"type": "payment_intent", "payment_intent": new_id("pi")},
        status="paid",
        status_transitions={"canceled_at": None, "paid_at": call.now},
    )
    call.state.put(payment)
    invoice["amount_paid"] += amount_minor
    invoice["amount_remaining"] -= amount_minor
    call.announce("invoice_payment.paid", payment)


def retrieve_invoice_payment(call: Call, invoice_payment: str) -> Body:
    return call.find("invoice_payment", invoice_payment, "invoice payment")
