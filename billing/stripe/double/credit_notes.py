"""Credit notes on finalized invoices: first against what remains to be paid, the rest after payment."""

from copy import deepcopy
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import stripe

from billing.stripe.double.call import Call
from billing.stripe.double.customers import living_customer, move_balance
from billing.stripe.double.errors import Refusal, no_such
from billing.stripe.double.invoice_lines import EXACT
from billing.stripe.double.invoice_status import mark_paid
from billing.stripe.double.metadata import merged
from billing.stripe.double.shapes import bare, new_id
from billing.stripe.double.state import Body

CREDITED = frozenset({"open", "paid", "uncollectible"})
CARRIED = (
    "amount", "credit_amount", "effective_at", "email_type", "invoice", "lines", "memo", "metadata",
    "out_of_band_amount", "reason", "refund_amount",
)  # fmt: skip


def create_credit_note(call: Call) -> Body:
    invoice, note = drawn_up(call)
    before = deepcopy(invoice)
    note["number"] = f"{invoice['number']}-CN-{call.state.next_number(invoice['id']):02d}"
    pre = note["pre_payment_amount"]
    invoice["pre_payment_credit_notes_amount"] += pre
    invoice["post_payment_credit_notes_amount"] += note["post_payment_amount"]
    invoice["amount_due"] -= pre
    invoice["amount_remaining"] -= pre
    if credit := call.params.get("credit_amount"):
        customer = living_customer(call, invoice["customer"])
        about = {"credit_note": note["id"], "invoice": invoice["id"], "currency": note["currency"]}
        moved = move_balance(call, customer, -credit, kind="credit_note", **about)
        note["customer_balance_transaction"] = moved["id"]
        call.state.put(customer)
    call.state.put(note)
    call.state.put(invoice)
    call.announce("credit_note.created", note)
    call.announce("invoice.updated", invoice, before)
    if pre and invoice["status"] == "open" and invoice["amount_remaining"] == 0:
        mark_paid(call, invoice)
    return note


def preview_credit_note(call: Call) -> Body:
    """The note that would be made; nothing is."""
    return drawn_up(call)[1]


def drawn_up(call: Call) -> tuple[Body, Body]:
    """The invoice and the note for it, not yet stored. Raises Refusal on every rule that Stripe checks."""
    call.only(*CARRIED)
    invoice = call.find("invoice", call.params["invoice"], "invoice", param="invoice")
    if invoice["status"] not in CREDITED:
        raise Refusal(
            f"You can only create a credit note on a finalized invoice; this one is {invoice['status']}.",
            param="invoice",
        )
    if ("amount" in call.params) == ("lines" in call.params):
        raise Refusal("Give exactly one of amount or lines.", param="amount")
    note_id = new_id("cn")
    lines = [line_of(call, invoice, sent, index) for index, sent in enumerate(call.params.get("lines", []))]
    net = sum(line["amount"] for line in lines) if lines else call.params.get("amount", 0)
    taxes = [tax for line in lines for tax in line["taxes"]]
    total = net + sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "exclusive")
    pre, post = split(invoice, total)
    check_post_payment(call, post)
    note = bare(
        stripe.CreditNote,
        id=note_id,
        object="credit_note",
        amount=total,
        amount_shipping=0,
        created=call.now,
        currency=invoice["currency"],
        customer=invoice["customer"],
        discount_amount=0,
        discount_amounts=[],
        effective_at=call.params.get("effective_at", call.now),
        invoice=invoice["id"],
        memo=call.params.get("memo") or None,
        metadata=merged({}, call.params.get("metadata")),
        number=f"{invoice['number']}-CN-preview",
        out_of_band_amount=call.params.get("out_of_band_amount"),
        pdf=f"{call.base_url}/credit_note/{note_id}",
        post_payment_amount=post,
        pre_payment_amount=pre,
        pretax_credit_amounts=[],
        reason=call.params.get("reason"),
        refunds=[],
        status="issued",
        subtotal=net,
        subtotal_excluding_tax=net,
        total=total,
        total_excluding_tax=net,
        total_taxes=taxes,
        type="mixed" if pre and post else "post_payment" if post else "pre_payment",
        _lines=lines,
    )
    return invoice, note


def split(invoice: Body, total: int) -> tuple[int, int]:
    """How much of a note comes off what remains, and how much after payment."""
    if total <= 0:
        raise Refusal("The credit note's total must be positive.", param="amount")
    creditable = invoice["amount_paid"] - invoice["post_payment_credit_notes_amount"]
    pre = min(total, invoice["amount_remaining"]) if invoice["status"] != "paid" else 0
    post = total - pre
    if post > creditable:
        raise Refusal(
            f"The sum of credit notes cannot exceed what was invoiced: at most "
            f"{invoice['amount_remaining'] + creditable} can still be credited, not {total}.",
            param="amount",
        )
    return pre, post


def check_post_payment(call: Call, post: int) -> None:
    parts = [call.params.get(name, 0) for name in ("refund_amount", "credit_amount", "out_of_band_amount")]
    if min(parts) < 0 or sum(parts) != post:
        raise Refusal(
            "The sum of refund_amount, credit_amount and out_of_band_amount must equal the credit note's "
            f"post-payment amount ({post}), not {sum(parts)}.",
            param="credit_amount",
        )


def line_of(call: Call, invoice: Body, sent: dict[str, Any], index: int) -> Body:
    """A line of the note: a part of an invoice line, by quantity or by amount, or one of its own."""
    at = f"lines[{index}]"
    of_invoice = sent["type"] == "invoice_line_item"
    origin = credited_line(call, invoice, sent, at) if of_invoice else None
    unit = Decimal(sent.get("unit_amount_decimal", sent.get("unit_amount", 0)))
    if "amount" in sent:
        amount = sent["amount"]
    elif origin is not None and "quantity" in sent:
        amount = rounded(Decimal(origin["amount"]) * sent["quantity"] / Decimal(origin["quantity_decimal"]))
    elif origin is None and "quantity" in sent:
        amount = rounded(unit * sent["quantity"])
    else:
        raise Refusal("Give amount, or quantity.", code="parameter_missing", param=f"{at}[quantity]")
    if origin is not None and amount > origin["amount"] - already_credited(call, invoice, origin["id"]):
        raise Refusal("The credited amount exceeds what is left of the invoice line.", param=f"{at}[amount]")
    share = Decimal(amount) / origin["amount"] if origin and origin["amount"] else Decimal(0)
    return bare(
        stripe.CreditNoteLineItem,
        id=new_id("cnli"),
        object="credit_note_line_item",
        amount=amount,
        description=sent.get("description") or (origin or {}).get("description"),
        discount_amount=0,
        discount_amounts=[],
        invoice_line_item=origin["id"] if origin else None,
        metadata=merged({}, sent.get("metadata")),
        pretax_credit_amounts=[],
        quantity=sent.get("quantity"),
        tax_rates=[],
        taxes=[{**tax, "amount": rounded(tax["amount"] * share)} for tax in (origin or {}).get("taxes", [])],
        type=sent["type"],
        unit_amount_decimal=None if origin else format(unit, "f"),
    )


def credited_line(call: Call, invoice: Body, sent: dict[str, Any], at: str) -> Body:
    identity = sent.get("invoice_line_item", "")
    by_quantity = "quantity" in sent
    for earlier in notes_of(call, invoice):
        for line in earlier["_lines"]:
            if line["invoice_line_item"] == identity and (line["quantity"] is not None) != by_quantity:
                raise Refusal(
                    "This line was credited the other way before: keep to quantity or to amount.",
                    param=f"{at}[{'quantity' if by_quantity else 'amount'}]",
                )
    for line in invoice["_lines"]:
        if line["id"] == identity:
            return dict(line)
    raise no_such("invoice line item", identity, param=f"{at}[invoice_line_item]")


def already_credited(call: Call, invoice: Body, line: str) -> int:
    notes = notes_of(call, invoice)
    return sum(row["amount"] for note in notes for row in note["_lines"] if row["invoice_line_item"] == line)


def notes_of(call: Call, invoice: Body) -> list[Body]:
    return call.state.all_of(
        "credit_note", customer=invoice["customer"], invoice=invoice["id"], status="issued"
    )


def rounded(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP, EXACT))


def retrieve_credit_note(call: Call, credit_note: str) -> Body:
    return call.find("credit_note", credit_note, "credit note")


def update_credit_note(call: Call, credit_note: str) -> Body:
    call.only("memo", "metadata")
    note = call.find("credit_note", credit_note, "credit note")
    before = deepcopy(note)
    note["memo"] = call.params.get("memo", note["memo"]) or None
    note["metadata"] = merged(note["metadata"], call.params.get("metadata"))
    call.state.put(note)
    call.announce("credit_note.updated", note, before)
    return note


def void_credit_note(call: Call, credit_note: str) -> Body:
    """Take back a note on an open invoice; what was refunded or credited after payment stays."""
    call.only()
    note = call.find("credit_note", credit_note, "credit note")
    invoice = call.find("invoice", note["invoice"], "invoice")
    if note["status"] == "void":
        raise Refusal("This credit note is already void.")
    if invoice["status"] != "open" or note["post_payment_amount"]:
        raise Refusal("You can only void a credit note of an open invoice, without refunds or credits.")
    before = deepcopy(invoice)
    note.update(status="void", voided_at=call.now)
    invoice["pre_payment_credit_notes_amount"] -= note["pre_payment_amount"]
    invoice["amount_due"] += note["pre_payment_amount"]
    invoice["amount_remaining"] += note["pre_payment_amount"]
    call.state.put(note)
    call.state.put(invoice)
    call.announce("credit_note.voided", note)
    call.announce("invoice.updated", invoice, before)
    return note
