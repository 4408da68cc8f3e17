"""Invoices before and beside their status: made, read, changed, deleted."""

from copy import deepcopy
from typing import Any

import stripe

from billing.stripe.double.call import Call
from billing.stripe.double.currencies import check_currency
from billing.stripe.double.customers import living_customer
from billing.stripe.double.errors import Refusal
from billing.stripe.double.invoice_lines import NEGATIVE_UNDER_TAX, attach
from billing.stripe.double.metadata import merged
from billing.stripe.double.payments import check_payment_method
from billing.stripe.double.shapes import bare, new_id
from billing.stripe.double.state import Body
from billing.stripe.double.totals import total_up

DAY_SECONDS = 24 * 60 * 60
AUTO_ADVANCE_SECONDS = 60 * 60
"""A draft that advances by itself is finalized about an hour after it was made."""

TERMS = (
    "auto_advance", "automatic_tax", "collection_method", "custom_fields", "days_until_due",
    "default_payment_method", "description", "due_date", "effective_at", "footer", "metadata", "number",
    "payment_settings", "rendering", "statement_descriptor",
)  # fmt: skip
OPEN_TERMS = frozenset(
    {"auto_advance", "default_payment_method", "description", "metadata", "payment_settings"}
)
"""What may still change once an invoice is finalized."""

CUSTOM_FIELDS_MAX = 4
NUMBER_LENGTH_MAX = 26


def create_invoice(call: Call) -> Body:
    call.only("customer", "currency", "pending_invoice_items_behavior", *TERMS)
    customer = living_customer(call, call.required("customer"))
    currency = check_currency(call.params.get("currency") or customer["currency"] or "usd")
    invoice = new_invoice(call, customer, currency)
    apply_terms(call, invoice)
    check_collection(invoice)
    if call.params.get("pending_invoice_items_behavior") == "include":
        items = call.state.all_of("invoiceitem", customer=customer["id"], currency=currency)
        for item in items:
            if item["invoice"] is None:
                attach(call, invoice, item, "")
    total_up(invoice, invoice["_lines"])
    call.state.put(invoice)
    call.announce("invoice.created", invoice)
    return invoice


def new_invoice(call: Call, customer: Body, currency: str) -> Body:
    """A draft with the customer's facts copied on; what a later edit of the customer does not change."""
    return bare(
        stripe.Invoice,
        id=new_id("in"),
        object="invoice",
        status="draft",
        billing_reason="manual",
        created=call.now,
        period_start=call.now,
        period_end=call.now,
        currency=currency,
        customer=customer["id"],
        customer_address=customer["address"],
        customer_email=customer["email"],
        customer_name=customer["name"],
        customer_phone=customer["phone"],
        customer_shipping=customer["shipping"],
        customer_tax_exempt=customer["tax_exempt"],
        customer_tax_ids=[],
        starting_balance=customer["balance"],
        amount_overpaid=0,
        amount_paid=0,
        amount_paid_off_stripe=0,
        amount_shipping=0,
        attempt_count=0,
        attempted=False,
        auto_advance=False,
        automatic_tax=automatic_tax(False),
        collection_method="charge_automatically",
        default_tax_rates=[],
        discounts=[],
        issuer={"type": "self"},
        metadata={},
        payment_settings={
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        post_payment_credit_notes_amount=0,
        pre_payment_credit_notes_amount=0,
        status_transitions=dict.fromkeys(("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")),
        total_discount_amounts=[],
        total_pretax_credit_amounts=[],
        _lines=[],
    )


def automatic_tax(enabled: bool) -> dict[str, Any]:
    return {
        "enabled": enabled,
        "disabled_reason": None,
        "liability": {"type": "self"} if enabled else None,
        "provider": "stripe" if enabled else None,
        "status": None,
    }


def apply_terms(call: Call, invoice: Body) -> None:
    """Write the sent terms into an invoice and check each."""
    sent = dict(call.params)
    plain = ("collection_method", "description", "effective_at", "footer", "number", "payment_settings")
    for name in (*plain, "custom_fields", "default_payment_method", "rendering", "statement_descriptor"):
        if name in sent:
            invoice[name] = None if sent[name] == "" else sent[name]
    invoice["metadata"] = merged(invoice["metadata"], sent.get("metadata"))
    if invoice["default_payment_method"]:
        check_payment_method(invoice["default_payment_method"], "default_payment_method")
    if "auto_advance" in sent:
        invoice["auto_advance"] = sent["auto_advance"]
        finalizes = invoice["status"] == "draft" and sent["auto_advance"]
        invoice["automatically_finalizes_at"] = call.now + AUTO_ADVANCE_SECONDS if finalizes else None
    if "automatic_tax" in sent:
        if sent["automatic_tax"]["enabled"] and any(line["amount"] < 0 for line in invoice["_lines"]):
            raise Refusal(NEGATIVE_UNDER_TAX, param="automatic_tax")
        invoice["automatic_tax"] = automatic_tax(sent["automatic_tax"]["enabled"])
    if "days_until_due" in sent:
        invoice["due_date"] = invoice["created"] + sent["days_until_due"] * DAY_SECONDS
    if "due_date" in sent:
        if sent["due_date"] < call.now:
            raise Refusal("The due date must be in the future.", param="due_date")
        invoice["due_date"] = sent["due_date"]
    check_custom_fields(invoice["custom_fields"] or [])
    if "number" in sent:
        check_number(call, invoice)


def check_collection(invoice: Body) -> None:
    """What each collection method asks for: one that sends needs an address and a due date."""
    if invoice["collection_method"] == "charge_automatically":
        if invoice["due_date"] is not None:
            raise Refusal(
                "days_until_due and due_date can only be set where collection_method is send_invoice.",
                param="days_until_due",
            )
        return
    if invoice["due_date"] is None:
        raise Refusal(
            "If collection_method is send_invoice, give days_until_due or due_date.", param="days_until_due"
        )
    if not invoice["customer_email"]:
        raise Refusal(
            "Missing email. In order to create invoices that are sent to the customer, the customer must have "
            "a valid email.",
            param="customer",
        )


def check_custom_fields(fields: list[dict[str, str]]) -> None:
    if len(fields) > CUSTOM_FIELDS_MAX:
        raise Refusal(
            f"An invoice can have at most {CUSTOM_FIELDS_MAX} custom fields.", param="custom_fields"
        )
    for index, field in enumerate(fields):
        for part, longest in (("name", 40), ("value", 140)):
            if len(field[part]) > longest:
                raise Refusal(
                    f"Invalid string: at most {longest} characters.", param=f"custom_fields[{index}][{part}]"
                )


def check_number(call: Call, invoice: Body) -> None:
    number = invoice["number"]
    if number is None:
        return
    if len(number) > NUMBER_LENGTH_MAX:
        raise Refusal(f"Invalid string: at most {NUMBER_LENGTH_MAX} characters.", param="number")
    if any(other["id"] != invoice["id"] for other in call.state.all_of("invoice", number=number)):
        raise Refusal(f"The invoice number {number} is already taken.", param="number")


def update_invoice(call: Call, invoice: str) -> Body:
    call.only(*TERMS)
    found = call.find("invoice", invoice, "invoice")
    for name in call.params:
        if found["status"] != "draft" and name not in OPEN_TERMS:
            raise Refusal(
                f"This invoice is {found['status']}; {name} can no longer be changed.",
                code="invoice_not_editable",
                param=name,
            )
    before = deepcopy(found)
    apply_terms(call, found)
    if found["status"] == "draft":
        check_collection(found)
        total_up(found, found["_lines"])
    call.state.put(found)
    call.announce("invoice.updated", found, before)
    return found


def retrieve_invoice(call: Call, invoice: str) -> Body:
    return call.find("invoice", invoice, "invoice")


def delete_invoice(call: Call, invoice: str) -> Body:
    """Drafts alone can be deleted; their items go with them."""
    found = call.find("invoice", invoice, "invoice")
    if found["status"] != "draft":
        raise Refusal("You can only delete draft invoices.", code="invoice_not_editable", param="id")
    for item in call.state.all_of("invoiceitem", customer=found["customer"], invoice=invoice):
        call.state.remove(item["id"])
    call.state.remove(invoice)
    call.announce("invoice.deleted", found)
    return {"id": invoice, "object": "invoice", "deleted": True}
