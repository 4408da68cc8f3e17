"""Credit notes: on finalized invoices alone, never beyond what was invoiced."""

import pytest
import stripe


def test_a_draft_cannot_be_credited(client, make_draft):
    with pytest.raises(stripe.InvalidRequestError, match="finalized"):
        client.credit_notes.create({"invoice": make_draft(700).id, "amount": 1})


def test_a_note_on_an_open_invoice_lessens_what_is_left_to_pay(client, make_open):
    invoice = make_open(700)
    note = client.credit_notes.create({"invoice": invoice.id, "amount": 200, "reason": "order_change"})

    assert (note.status, note.pre_payment_amount, note.post_payment_amount) == ("issued", 200, 0)
    invoice = client.invoices.retrieve(invoice.id)
    assert (invoice.status, invoice.amount_remaining, invoice.amount_due) == ("open", 500, 500)
    assert invoice.pre_payment_credit_notes_amount == 200


def test_a_note_for_all_that_is_left_pays_the_invoice(client, make_open):
    invoice = make_open(700)
    client.credit_notes.create({"invoice": invoice.id, "amount": 700})

    assert client.invoices.retrieve(invoice.id).status == "paid"


def test_after_payment_the_note_must_say_where_the_money_goes(client, customer, make_open):
    invoice = client.invoices.pay(make_open(700).id, {"payment_method": "pm_card_visa"})

    with pytest.raises(stripe.InvalidRequestError, match="must equal"):
        client.credit_notes.create({"invoice": invoice.id, "amount": 200})
    note = client.credit_notes.create(
        {"invoice": invoice.id, "amount": 200, "credit_amount": 150, "out_of_band_amount": 50}
    )
    assert (note.type, note.post_payment_amount) == ("post_payment", 200)
    assert client.customers.retrieve(customer.id).balance == -150


def test_notes_never_exceed_the_invoice(client, make_open):
    paid = client.invoices.pay(make_open(700).id, {"payment_method": "pm_card_visa"})
    client.credit_notes.create({"invoice": paid.id, "amount": 600, "out_of_band_amount": 600})
    with pytest.raises(stripe.InvalidRequestError, match="at most 100"):
        client.credit_notes.create({"invoice": paid.id, "amount": 101, "out_of_band_amount": 101})
    unpaid = make_open(700)
    with pytest.raises(stripe.InvalidRequestError, match="at most 700"):
        client.credit_notes.create({"invoice": unpaid.id, "amount": 701})


def test_a_preview_shows_the_note_and_makes_none(client, make_open):
    invoice = make_open(700)

    assert client.credit_notes.preview({"invoice": invoice.id, "amount": 200}).total == 200
    assert client.credit_notes.list({"invoice": invoice.id}).data == []
    assert client.invoices.retrieve(invoice.id).amount_remaining == 700


def test_voiding_a_note_gives_the_amount_back_to_the_open_invoice(client, make_open):
    invoice = make_open(700)
    note = client.credit_notes.create({"invoice": invoice.id, "amount": 200})

    assert client.credit_notes.void_credit_note(note.id).status == "void"
    assert client.invoices.retrieve(invoice.id).amount_remaining == 700
    with pytest.raises(stripe.InvalidRequestError, match="already void"):
        client.credit_notes.void_credit_note(note.id)


def test_a_line_is_credited_by_quantity_or_by_amount_with_its_tax_but_not_both_ways(client, make_draft):
    rate = {"display_name": "VAT", "inclusive": False, "percentage": 20}
    price = {"currency": "usd", "unit_amount": 100, "product_data": {"name": "Seats"}}
    tax = {"amount": 200, "tax_rate_data": rate, "taxable_amount": 1000}
    draft = make_draft()
    client.invoices.add_lines(
        draft.id, {"lines": [{"price_data": price, "quantity": 10, "tax_amounts": [tax]}]}
    )
    invoice = client.invoices.finalize_invoice(draft.id)
    line = {"type": "invoice_line_item", "invoice_line_item": invoice.lines.data[0].id}

    note = client.credit_notes.create({"invoice": invoice.id, "lines": [{**line, "quantity": 3}]})
    assert (note.subtotal, note.total) == (300, 360)
    with pytest.raises(stripe.InvalidRequestError, match="the other way"):
        client.credit_notes.create({"invoice": invoice.id, "lines": [{**line, "amount": 100}]})
    with pytest.raises(stripe.InvalidRequestError, match="left of the invoice line"):
        client.credit_notes.create({"invoice": invoice.id, "lines": [{**line, "quantity": 8}]})


def test_an_invoice_with_a_note_cannot_be_voided_before_the_note(client, make_open):
    invoice = make_open(700)
    client.credit_notes.create({"invoice": invoice.id, "amount": 200})

    with pytest.raises(stripe.InvalidRequestError, match="credit notes"):
        client.invoices.void_invoice(invoice.id)
