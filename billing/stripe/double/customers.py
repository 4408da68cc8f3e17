"""Customers and their balance."""

from typing import Any

import stripe

from billing.stripe.double.call import Call
from billing.stripe.double.currencies import check_amount, check_currency
from billing.stripe.double.errors import Refusal, no_such
from billing.stripe.double.metadata import merged
from billing.stripe.double.payments import check_payment_method
from billing.stripe.double.shapes import bare, new_id
from billing.stripe.double.state import Body

PLAIN = (
    "address", "business_name", "description", "email", "individual_name", "invoice_prefix", "name", "phone",
    "preferred_locales", "shipping", "tax_exempt",
)  # fmt: skip
CARRIED = (*PLAIN, "balance", "invoice_settings", "metadata", "next_invoice_sequence")


def living_customer(call: Call, identity: str, *, param: str = "customer") -> Body:
    """The customer. Raises Refusal where there is none or it was deleted."""
    customer = call.find("customer", identity, "customer", param=param)
    if customer.get("deleted"):
        raise no_such("customer", identity, param=param)
    return customer


def create_customer(call: Call) -> Body:
    call.only(*CARRIED)
    identity = new_id("cus")
    customer = bare(
        stripe.Customer,
        id=identity,
        object="customer",
        created=call.now,
        balance=0,
        delinquent=False,
        invoice_prefix=identity[-8:].upper(),
        invoice_settings={
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        metadata={},
        next_invoice_sequence=1,
        preferred_locales=[],
        tax_exempt="none",
    )
    apply(call, customer)
    call.state.put(customer)
    call.announce("customer.created", customer)
    return customer


def update_customer(call: Call, customer: str) -> Body:
    call.only(*CARRIED)
    found = living_customer(call, customer, param="id")
    before = dict(found)
    apply(call, found)
    call.state.put(found)
    call.announce("customer.updated", found, before)
    return found


def apply(call: Call, customer: Body) -> None:
    sent = call.params
    email = sent.get("email")
    if email and ("@" not in email.strip("@") or " " in email):
        raise Refusal(f"Invalid email address: {email}", code="email_invalid", param="email")
    customer.update({name: (sent[name] or None) for name in PLAIN if name in sent})
    customer["metadata"] = merged(customer["metadata"], sent.get("metadata"))
    if settings := sent.get("invoice_settings"):
        if method := settings.get("default_payment_method"):
            check_payment_method(method, "invoice_settings[default_payment_method]")
        customer["invoice_settings"] = {**customer["invoice_settings"], **settings}
    if "next_invoice_sequence" in sent:
        customer["next_invoice_sequence"] = sent["next_invoice_sequence"]
    if "balance" in sent and (change := sent["balance"] - customer["balance"]):
        customer["currency"] = customer["currency"] or "usd"
        move_balance(call, customer, change, currency=customer["currency"], kind="adjustment")


def move_balance(
    call: Call, customer: Body, amount_minor: int, *, currency: str, kind: str, **about: Any
) -> Body:
    """Book a balance transaction; a positive balance is owed. The caller stores the customer."""
    customer["balance"] += amount_minor
    return call.state.put(
        bare(
            stripe.CustomerBalanceTransaction,
            id=new_id("cbtxn"),
            object="customer_balance_transaction",
            amount=amount_minor,
            created=call.now,
            currency=currency,
            customer=customer["id"],
            ending_balance=customer["balance"],
            type=kind,
            **{"metadata": {}, **about},
        )
    )


def create_balance_transaction(call: Call, customer: str) -> Body:
    call.only("amount", "currency", "description", "metadata")
    found = living_customer(call, customer)
    before = dict(found)
    currency = check_currency(call.params["currency"])
    if found["currency"] not in (None, currency):
        raise Refusal(f"The customer's balance is in {found['currency']}, not {currency}.", param="currency")
    found["currency"] = currency
    entry = move_balance(
        call,
        found,
        check_amount(call.params["amount"], currency),
        kind="adjustment",
        currency=currency,
        description=call.params.get("description"),
        metadata=merged({}, call.params.get("metadata")),
    )
    call.state.put(found)
    call.announce("customer.updated", found, before)
    return entry


def retrieve_customer(call: Call, customer: str) -> Body:
    return call.find("customer", customer, "customer")


def delete_customer(call: Call, customer: str) -> Body:
    found = living_customer(call, customer, param="id")
    call.announce("customer.deleted", found)
    gone = {"id": customer, "object": "customer", "deleted": True}
    call.state.put({**gone, "created": found["created"]})
    return gone
