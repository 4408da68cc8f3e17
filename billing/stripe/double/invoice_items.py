"""Invoice items: pending ones of a customer, or lines of a draft, one by one."""

from copy import deepcopy

from billing.stripe.double.call import Call
from billing.stripe.double.currencies import check_currency
from billing.stripe.double.customers import living_customer
from billing.stripe.double.errors import Refusal
from billing.stripe.double.invoice_lines import attach, change_line, editable_invoice, fill, keep, new_item
from billing.stripe.double.state import Body

PRICED = (
    "amount", "description", "discountable", "metadata", "period", "price_data", "quantity",
    "quantity_decimal", "unit_amount_decimal",
)  # fmt: skip


def create_invoice_item(call: Call) -> Body:
    call.only("customer", "currency", "invoice", *PRICED)
    sent = call.params
    invoice = editable_invoice(call, sent["invoice"], param="invoice") if "invoice" in sent else None
    owner = sent.get("customer") or (invoice["customer"] if invoice else call.required("customer"))
    customer = living_customer(call, owner)
    stated = sent.get("currency") or sent.get("price_data", {}).get("currency")
    currency = check_currency(stated or (invoice or {}).get("currency") or customer["currency"] or "usd")
    if invoice is not None and (invoice["customer"], invoice["currency"]) != (customer["id"], currency):
        raise Refusal("The invoice is of another customer or currency.", param="invoice")
    item = new_item(call, {name: sent[name] for name in PRICED if name in sent}, customer["id"], currency, "")
    if invoice is not None:
        before = deepcopy(invoice)
        attach(call, invoice, item, "")
        keep(call, invoice, before)
    call.announce("invoiceitem.created", item)
    return item


def update_invoice_item(call: Call, invoiceitem: str) -> Body:
    call.only(*PRICED)
    item = call.find("invoiceitem", invoiceitem, "invoiceitem")
    if item["invoice"] is None:
        fill(item, call.params, "")
        return call.state.put(item)
    invoice = editable_invoice(call, item["invoice"])
    before = deepcopy(invoice)
    change_line(call, invoice, line_id(invoice, invoiceitem), call.params, "")
    keep(call, invoice, before)
    return call.find("invoiceitem", invoiceitem, "invoiceitem")


def retrieve_invoice_item(call: Call, invoiceitem: str) -> Body:
    return call.find("invoiceitem", invoiceitem, "invoiceitem")


def delete_invoice_item(call: Call, invoiceitem: str) -> Body:
    item = call.find("invoiceitem", invoiceitem, "invoiceitem")
    if item["invoice"] is not None:
        invoice = editable_invoice(call, item["invoice"])
        before = deepcopy(invoice)
        gone = line_id(invoice, invoiceitem)
        invoice["_lines"] = [line for line in invoice["_lines"] if line["id"] != gone]
        keep(call, invoice, before)
    call.state.remove(invoiceitem)
    call.announce("invoiceitem.deleted", item)
    return {"id": invoiceitem, "object": "invoiceitem", "deleted": True}


def line_id(invoice: Body, item: str) -> str:
    (found,) = (
        line["id"]
        for line in invoice["_lines"]
        if line["parent"]["invoice_item_details"]["invoice_item"] == item
    )
    return str(found)
