"""Lines of a draft invoice: added, changed and removed in bulk, at most 250."""

from copy import deepcopy
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

import stripe

from billing.stripe.double.call import Call
from billing.stripe.double.currencies import check_amount, check_currency
from billing.stripe.double.errors import Refusal, no_such, not_carried
from billing.stripe.double.metadata import merged
from billing.stripe.double.shapes import bare, id_from, new_id
from billing.stripe.double.state import Body
from billing.stripe.double.totals import line_taxes, total_up

LINES_MAX = 250
LINE_CARRIED = frozenset(
    {
        "amount", "description", "discountable", "id", "invoice_item", "metadata", "period", "price_data",
        "quantity", "quantity_decimal", "tax_amounts", "unit_amount_decimal",
    }
)  # fmt: skip
SHARED_WITH_ITEM = (
    "amount", "currency", "description", "discountable", "metadata", "period", "pricing", "quantity",
    "quantity_decimal",
)  # fmt: skip
NEGATIVE_UNDER_TAX = "Negative amounts cannot be added to automatic tax invoices."
EXACT = Context(prec=60)


def editable_invoice(call: Call, identity: str, *, param: str = "id") -> Body:
    """The draft of that id. Raises Refusal ``invoice_not_editable`` once it is finalized."""
    invoice = call.find("invoice", identity, "invoice", param=param)
    if invoice["status"] != "draft":
        raise Refusal("This invoice is no longer editable", code="invoice_not_editable", param=param)
    return invoice


def add_lines(call: Call, invoice: str) -> Body:
    call.only("lines", "invoice_metadata")
    found = editable_invoice(call, invoice)
    before = deepcopy(found)
    for index, sent in enumerate(call.params["lines"]):
        at = f"lines[{index}]"
        if "invoice_item" in sent:
            item = pending_item(call, sent["invoice_item"], found, f"{at}[invoice_item]")
        else:
            item = new_item(call, sent, found["customer"], found["currency"], at)
        attach(call, found, item, at, taxes=sent.get("tax_amounts"))
    return keep(call, found, before)


def update_lines(call: Call, invoice: str) -> Body:
    call.only("lines", "invoice_metadata")
    found = editable_invoice(call, invoice)
    before = deepcopy(found)
    for index, sent in enumerate(call.params["lines"]):
        change_line(call, found, sent["id"], sent, f"lines[{index}]")
    return keep(call, found, before)


def update_line(call: Call, invoice: str, line: str) -> Body:
    found = editable_invoice(call, invoice)
    before = deepcopy(found)
    changed = change_line(call, found, line, call.params, "")
    keep(call, found, before)
    return changed


def remove_lines(call: Call, invoice: str) -> Body:
    call.only("lines", "invoice_metadata")
    found = editable_invoice(call, invoice)
    before = deepcopy(found)
    for index, sent in enumerate(call.params["lines"]):
        line = line_of(found, sent["id"], f"lines[{index}][id]")
        found["_lines"].remove(line)
        item = item_of(call, line)
        if sent["behavior"] == "delete":
            call.state.remove(item["id"])
        else:
            call.state.put({**item, "invoice": None})
    return keep(call, found, before)


def keep(call: Call, invoice: Body, before: Body) -> Body:
    """Store a changed draft with its sums and announce it."""
    if "invoice_metadata" in call.params:
        sent = call.params["invoice_metadata"]
        invoice["metadata"] = merged(invoice["metadata"], sent, param="invoice_metadata")
    total_up(invoice, invoice["_lines"])
    call.state.put(invoice)
    call.announce("invoice.updated", invoice, before)
    return invoice


def new_item(call: Call, sent: dict[str, Any], customer: str, currency: str, at: str) -> Body:
    """A new invoice item, not yet on an invoice."""
    item = bare(
        stripe.InvoiceItem,
        id=new_id("ii"),
        object="invoiceitem",
        customer=customer,
        currency=currency,
        date=call.now,
        discountable=True,
        discounts=[],
        metadata={},
        period={"start": call.now, "end": call.now},
        proration=False,
        tax_rates=[],
    )
    fill(item, sent, at)
    if item["amount"] is None:
        raise Refusal(
            "You must give one of amount or price_data.", code="parameter_missing", param=at_of(at, "amount")
        )
    return call.state.put(item)


def fill(item: Body, sent: dict[str, Any], at: str) -> None:
    """Write what was sent into an item, with its price and its amount."""
    for name in sent:
        if name not in LINE_CARRIED:
            raise not_carried(at_of(at, name))
    if "period" in sent:
        if sent["period"]["end"] < sent["period"]["start"]:
            raise Refusal("The period must not end before it starts.", param=at_of(at, "period[end]"))
        item["period"] = sent["period"]
    if "description" in sent:
        item["description"] = sent["description"] or None
    if "discountable" in sent:
        item["discountable"] = sent["discountable"]
    item["metadata"] = merged(item["metadata"], sent.get("metadata"), param=at_of(at, "metadata"))
    price(item, sent, at)


def price(item: Body, sent: dict[str, Any], at: str) -> None:
    """``amount`` alone, or a unit price times a quantity, rounded half away from zero to the minor unit."""
    quantity = sent.get("quantity_decimal", sent.get("quantity"))
    unit = unit_price(sent, item["currency"], at)
    if "amount" in sent:
        if quantity is not None or unit is not None:
            raise Refusal("Give amount, or a unit price and a quantity, not both.", param=at_of(at, "amount"))
        unit, quantity = Decimal(sent["amount"]), Decimal(1)
    elif unit is None and quantity is None:
        return
    if unit is None:
        if item["pricing"] is None:
            return
        unit = Decimal(item["pricing"]["unit_amount_decimal"])
    quantity = Decimal(quantity if quantity is not None else item["quantity_decimal"] or 1)
    if quantity < 0:
        raise Refusal("Invalid non-negative number.", param=at_of(at, "quantity"))
    amount = int(EXACT.multiply(unit, quantity).quantize(Decimal(1), ROUND_HALF_UP, EXACT))
    check_amount(amount, item["currency"], at_of(at, "amount"))
    item.update(
        amount=amount,
        net_amount=amount,
        quantity=int(quantity),
        quantity_decimal=format(quantity, "f"),
        pricing={
            "type": "price_details",
            "price_details": {
                "price": id_from("price", item["id"], unit),
                "product": id_from("prod", item["id"]),
            },
            "unit_amount_decimal": format(unit, "f"),
        },
    )


def unit_price(sent: dict[str, Any], currency: str, at: str) -> Decimal | None:
    data = sent.get("price_data")
    if data is None:
        return sent.get("unit_amount_decimal")
    if "product" in data:
        raise no_such("product", data["product"], param=at_of(at, "price_data[product]"))
    if check_currency(data["currency"], at_of(at, "price_data[currency]")) != currency:
        raise Refusal(f"The price must be in {currency}.", param=at_of(at, "price_data[currency]"))
    given = [Decimal(data[name]) for name in ("unit_amount", "unit_amount_decimal") if name in data]
    if len(given) != 1:
        raise Refusal("Give one of unit_amount or unit_amount_decimal.", param=at_of(at, "price_data"))
    return given[0]


def attach(call: Call, invoice: Body, item: Body, at: str, *, taxes: Any = None) -> None:
    """Put an item on a draft as its last line. The caller stores the invoice."""
    if len(invoice["_lines"]) >= LINES_MAX:
        raise Refusal(
            f"An invoice can have at most {LINES_MAX} line items; {invoice['id']} already has {LINES_MAX}.",
            param=at or "invoice",
        )
    check_sign(invoice, item["amount"], at_of(at, "amount"))
    item["invoice"] = invoice["id"]
    call.state.put(item)
    line = bare(stripe.InvoiceLineItem, id=new_id("il"), object="line_item", invoice=invoice["id"], taxes=[])
    show_item(line, item)
    set_taxes(invoice, line, taxes, at)
    invoice["_lines"].append(line)


def show_item(line: Body, item: Body) -> None:
    """Copy onto a line what its item says."""
    line.update({name: item[name] for name in SHARED_WITH_ITEM})
    line.update(
        subtotal=item["amount"],
        discounts=[],
        discount_amounts=[],
        pretax_credit_amounts=[],
        parent={
            "type": "invoice_item_details",
            "invoice_item_details": {
                "invoice_item": item["id"],
                "proration": False,
                "proration_details": None,
                "subscription": None,
            },
            "subscription_item_details": None,
        },
    )


def set_taxes(invoice: Body, line: Body, taxes: Any, at: str) -> None:
    if taxes is None:
        return
    if taxes and invoice["automatic_tax"]["enabled"]:
        raise Refusal("tax_amounts cannot be set where automatic tax is on.", param=at_of(at, "tax_amounts"))
    if len(taxes) > 20:
        raise Refusal("A line can have at most 20 tax amounts.", param=at_of(at, "tax_amounts"))
    line["taxes"] = line_taxes(taxes or [])


def check_sign(invoice: Body, amount_minor: int, param: str) -> None:
    if amount_minor < 0 and invoice["automatic_tax"]["enabled"]:
        raise Refusal(NEGATIVE_UNDER_TAX, param=param)


def change_line(call: Call, invoice: Body, identity: str, sent: dict[str, Any], at: str) -> Body:
    line = line_of(invoice, identity, at_of(at, "id"))
    item = item_of(call, line)
    fill(item, sent, at)
    check_sign(invoice, item["amount"], at_of(at, "amount"))
    call.state.put(item)
    show_item(line, item)
    set_taxes(invoice, line, sent.get("tax_amounts"), at)
    return line


def pending_item(call: Call, identity: str, invoice: Body, param: str) -> Body:
    item = call.find("invoiceitem", identity, "invoiceitem", param=param)
    belongs = item["customer"] == invoice["customer"] and item["currency"] == invoice["currency"]
    if item["invoice"] is not None or not belongs:
        raise Refusal(
            f"The invoice item {identity} is not pending for this customer and currency.", param=param
        )
    return item


def item_of(call: Call, line: Body) -> Body:
    identity = line["parent"]["invoice_item_details"]["invoice_item"]
    return call.find("invoiceitem", identity, "invoiceitem")


def line_of(invoice: Body, identity: str, param: str) -> Body:
    for line in invoice["_lines"]:
        if line["id"] == identity:
            return line
    raise no_such("invoice line item", identity, param=param)


def at_of(at: str, name: str) -> str:
    return f"{at}[{name}]" if at else name
