"""What Stripe does with amounts: minor units, minimum charge, balance, tax."""

import pytest
import stripe


def draft_in(client, currency, **terms):
    customer = client.customers.create({"name": "Acme", **terms})
    return client.invoices.create({"customer": customer.id, "currency": currency})


@pytest.mark.parametrize(
    ("currency", "refused", "held"),
    [("jpy", None, 501), ("kwd", 1235, 1230), ("isk", 150, 100), ("ugx", 101, 100), ("usd", None, 101)],
)
def test_each_currency_holds_only_its_own_minor_units(client, currency, refused, held):
    invoice = draft_in(client, currency)

    if refused is not None:
        with pytest.raises(stripe.InvalidRequestError, match="multiple of"):
            client.invoices.add_lines(invoice.id, {"lines": [{"amount": refused}]})
    assert client.invoices.add_lines(invoice.id, {"lines": [{"amount": held}]}).total == held


def test_an_unknown_currency_is_refused(client):
    with pytest.raises(stripe.InvalidRequestError, match="Invalid currency: xxx"):
        draft_in(client, "xxx")


def test_a_unit_price_is_multiplied_exactly_and_rounded_half_away_from_zero(client, make_draft):
    lines = [
        {
            "price_data": {
                "currency": "usd",
                "unit_amount_decimal": unit,
                "product_data": {"name": "Tokens"},
            },
            **count,
        }
        for unit, count in (
            ("0.5", {"quantity": 1}),
            ("-0.5", {"quantity": 1}),
            ("0.000000000123", {"quantity_decimal": "5000000000"}),
        )
    ]
    invoice = client.invoices.add_lines(make_draft().id, {"lines": lines})

    assert [line.amount for line in invoice.lines.data] == [1, -1, 1]


def test_a_decimal_in_e_notation_is_refused(client, make_draft):
    price = {"currency": "usd", "unit_amount_decimal": "1.23E-10", "product_data": {"name": "Tokens"}}
    with pytest.raises(stripe.InvalidRequestError, match="Invalid decimal: 1.23E-10"):
        client.invoices.add_lines(make_draft().id, {"lines": [{"price_data": price, "quantity": 1}]})


@pytest.mark.parametrize(("total", "status", "due", "balance"), [(49, "paid", 0, 49), (50, "open", 50, 0)])
def test_less_than_the_minimum_charge_is_paid_at_once_and_moves_to_the_balance(
    client, customer, make_open, total, status, due, balance
):
    invoice = make_open(total)

    assert (invoice.status, invoice.amount_due, invoice.ending_balance) == (status, due, balance)
    assert client.customers.retrieve(customer.id).balance == balance


def test_what_was_too_small_is_due_with_the_next_invoice(make_open):
    make_open(49)
    following = make_open(1000)

    assert (following.total, following.starting_balance, following.amount_due) == (1000, 49, 1049)


def test_a_balance_that_was_given_is_applied_when_the_invoice_is_finalized(client, customer, make_open):
    client.customers.balance_transactions.create(customer.id, {"amount": -300, "currency": "usd"})
    invoice = make_open(1000)

    assert (invoice.total, invoice.amount_due, invoice.ending_balance) == (1000, 700, 0)
    booked = client.customers.balance_transactions.list(customer.id).data
    assert [(entry.amount, entry.type) for entry in booked] == [
        (300, "applied_to_invoice"),
        (-300, "adjustment"),
    ]


def test_an_ordinary_invoice_does_not_touch_the_balance(client, customer, make_open):
    client.invoices.pay(make_open(1000).id, {"paid_out_of_band": True})

    assert client.customers.retrieve(customer.id).balance == 0
    assert client.customers.balance_transactions.list(customer.id).data == []


def test_an_invoice_of_nothing_is_paid_when_finalized(make_open):
    assert make_open().status == "paid"


def test_tax_amounts_add_to_the_total_and_sum_by_rate(client, make_draft):
    rate = {"display_name": "VAT", "inclusive": False, "percentage": 20}
    lines = [
        {"amount": net, "tax_amounts": [{"amount": tax, "tax_rate_data": rate, "taxable_amount": net}]}
        for net, tax in ((1000, 200), (505, 101))
    ]
    invoice = client.invoices.add_lines(make_draft().id, {"lines": lines})

    assert (invoice.subtotal, invoice.total, invoice.total_excluding_tax) == (1505, 1806, 1505)
    assert [(tax.amount, tax.taxable_amount) for tax in invoice.total_taxes] == [(301, 1505)]


def test_negative_lines_are_refused_under_automatic_tax_whichever_comes_first(client, make_draft):
    taxed = make_draft(automatic_tax={"enabled": True})
    with pytest.raises(stripe.InvalidRequestError, match="automatic tax"):
        client.invoices.add_lines(taxed.id, {"lines": [{"amount": -5}]})
    credited = make_draft(-5)
    with pytest.raises(stripe.InvalidRequestError, match="automatic tax"):
        client.invoices.update(credited.id, {"automatic_tax": {"enabled": True}})


def test_automatic_tax_without_an_address_fails_to_finalize_and_says_so(client, double, make_draft):
    invoice = make_draft(700, automatic_tax={"enabled": True})

    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.invoices.finalize_invoice(invoice.id)

    assert refused.value.code == "customer_tax_location_invalid"
    invoice = client.invoices.retrieve(invoice.id)
    assert (invoice.status, invoice.last_finalization_error.code) == (
        "draft",
        "customer_tax_location_invalid",
    )
    assert double.objects("event")[-1]["type"] == "invoice.finalization_failed"
