"""An invoice from draft to paid, and every step that its status refuses."""

import pytest
import stripe

from billing.stripe.double import StripeDouble


def test_a_draft_gets_lines_is_finalized_and_paid_and_each_step_is_told(connect, listener):
    with StripeDouble(webhook_url=listener.url, webhook_secret="whsec_test") as double:
        client = connect(double)
        customer = client.customers.create({"name": "Acme", "email": "acme@example.com"})
        invoice = client.invoices.create(
            {
                "customer": customer.id,
                "auto_advance": False,
                "collection_method": "send_invoice",
                "days_until_due": 30,
                "currency": "usd",
                "pending_invoice_items_behavior": "exclude",
                "metadata": {"bl_invoice": "inv_1"},
            }
        )
        assert (invoice.status, invoice.total, invoice.due_date) == ("draft", 0, invoice.created + 30 * 86400)

        invoice = client.invoices.add_lines(
            invoice.id,
            {
                "lines": [
                    {"amount": 4900, "description": "Pro plan", "period": {"start": 1, "end": 2}},
                    {"amount": 1234, "description": "Output tokens", "metadata": {"line": "2"}},
                ]
            },
        )
        assert (invoice.subtotal, invoice.total, invoice.amount_due) == (6134, 6134, 6134)
        assert [line.amount for line in invoice.lines.data] == [4900, 1234]

        invoice = client.invoices.finalize_invoice(invoice.id)
        assert (invoice.status, invoice.amount_remaining) == ("open", 6134)
        assert invoice.number.endswith("-0001")
        client.invoices.send_invoice(invoice.id)

        double.pay(invoice.id)
        invoice = client.invoices.retrieve(invoice.id, {"expand": ["payments", "customer"]})
        assert (invoice.status, invoice.amount_paid, invoice.amount_remaining) == ("paid", 6134, 0)
        assert [payment.amount_paid for payment in invoice.payments.data] == [6134]
        assert invoice.customer.name == "Acme"

        double.settle()
        assert listener.types() == [
            "customer.created",
            "invoice.created",
            "invoice.updated",
            "invoice.finalized",
            "invoice.sent",
            "invoice_payment.paid",
            "invoice.paid",
            "invoice.payment_succeeded",
        ]
        snapshot = listener.events()[-2].data.object
        assert (snapshot.id, snapshot.status) == (invoice.id, "paid")


def test_paid_out_of_band_leaves_nothing_to_pay_and_makes_no_payment(client, make_open):
    invoice = client.invoices.pay(make_open(700).id, {"paid_out_of_band": True})

    assert (invoice.status, invoice.amount_paid_off_stripe, invoice.amount_remaining) == ("paid", 700, 0)
    assert client.invoice_payments.list({"invoice": invoice.id}).data == []


def test_a_declined_card_leaves_the_invoice_open_with_the_attempt_counted(client, double, make_open):
    invoice = make_open(700)

    with pytest.raises(stripe.CardError) as refused:
        client.invoices.pay(invoice.id, {"payment_method": "pm_card_chargeDeclined"})

    assert refused.value.code == "card_declined"
    invoice = client.invoices.retrieve(invoice.id)
    assert (invoice.status, invoice.attempt_count) == ("open", 1)
    assert double.objects("event")[-1]["type"] == "invoice.payment_failed"


def test_finalizing_with_auto_advance_charges_the_default_method(client, customer, make_draft):
    client.customers.update(customer.id, {"invoice_settings": {"default_payment_method": "pm_card_visa"}})
    invoice = client.invoices.finalize_invoice(make_draft(700).id, {"auto_advance": True})

    assert invoice.status == "open"
    assert client.invoices.retrieve(invoice.id).status == "paid"


REACHED = {
    "draft": [],
    "open": ["finalize_invoice"],
    "paid": ["finalize_invoice", "pay"],
    "void": ["finalize_invoice", "void_invoice"],
    "uncollectible": ["finalize_invoice", "mark_uncollectible"],
}
ALLOWED = {
    "finalize_invoice": {"draft"},
    "pay": {"open", "uncollectible"},
    "send_invoice": {"open"},
    "void_invoice": {"open", "uncollectible"},
    "mark_uncollectible": {"open"},
    "delete": {"draft"},
    "add_lines": {"draft"},
}


@pytest.mark.parametrize("status", REACHED)
@pytest.mark.parametrize("verb", ALLOWED)
def test_a_step_is_taken_only_from_the_statuses_that_allow_it(client, make_draft, status, verb):
    terms = {"pay": {"paid_out_of_band": True}, "add_lines": {"lines": [{"amount": 5}]}}
    invoice = make_draft(700, collection_method="send_invoice", days_until_due=1)
    for step in REACHED[status]:
        getattr(client.invoices, step)(invoice.id, terms.get(step))
    before = client.invoices.retrieve(invoice.id)
    assert before.status == status

    if status in ALLOWED[verb]:
        getattr(client.invoices, verb)(invoice.id, terms.get(verb))
    else:
        with pytest.raises(stripe.InvalidRequestError):
            getattr(client.invoices, verb)(invoice.id, terms.get(verb))
        assert client.invoices.retrieve(invoice.id).to_dict() == before.to_dict()


def test_a_finalized_invoice_keeps_its_money_but_takes_new_metadata(client, make_open):
    invoice = make_open(700)

    assert client.invoices.update(invoice.id, {"metadata": {"seen": "1"}}).metadata["seen"] == "1"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.invoices.update(invoice.id, {"days_until_due": 3})
    assert refused.value.code == "invoice_not_editable"


def test_lines_can_be_changed_and_removed_while_it_is_a_draft(client, make_draft):
    invoice = make_draft(700, 300, 5)
    first, second, third = (line.id for line in invoice.lines.data)

    client.invoices.update_lines(invoice.id, {"lines": [{"id": first, "amount": 100}]})
    client.invoices.line_items.update(invoice.id, second, {"amount": 50})
    invoice = client.invoices.remove_lines(invoice.id, {"lines": [{"id": third, "behavior": "unassign"}]})

    assert [line.amount for line in invoice.lines.data] == [100, 50]
    assert invoice.total == 150
    pending = client.invoice_items.list({"customer": invoice.customer, "pending": True}).data
    assert [item.amount for item in pending] == [5]


def test_pending_items_join_an_invoice_only_when_asked(client, customer):
    client.invoice_items.create({"customer": customer.id, "amount": 900, "currency": "usd"})

    assert client.invoices.create({"customer": customer.id}).total == 0
    included = client.invoices.create({"customer": customer.id, "pending_invoice_items_behavior": "include"})
    assert included.total == 900
    assert client.invoice_items.list({"pending": True}).data == []


def test_an_invoice_holds_250_lines_shows_ten_and_lists_them_all(client, make_draft):
    invoice = make_draft(*range(1, 251))

    assert (len(invoice.lines.data), invoice.lines.has_more) == (10, True)
    listed = [line.amount for line in client.invoices.line_items.list(invoice.id).auto_paging_iter()]
    assert listed == list(range(1, 251))
    with pytest.raises(stripe.InvalidRequestError, match="at most 250"):
        client.invoices.add_lines(invoice.id, {"lines": [{"amount": 1}]})
    assert client.invoices.retrieve(invoice.id).total == sum(range(1, 251))


def test_a_customers_invoices_are_listed_newest_first_and_nobody_elses(client, make_draft):
    made = [make_draft().id for _ in range(5)]
    other = client.customers.create({"name": "Other"})
    client.invoices.create({"customer": other.id})
    mine = client.invoices.retrieve(made[0]).customer

    first = client.invoices.list({"customer": mine, "limit": 2})
    assert ([row.id for row in first.data], first.has_more) == (made[:2:-1], True)
    assert [row.id for row in first.auto_paging_iter()] == made[::-1]
    back = client.invoices.list({"customer": mine, "limit": 2, "ending_before": made[0]})
    assert [row.id for row in back.data] == [made[2], made[1]]


def test_a_deleted_draft_is_gone(client, make_draft):
    invoice = make_draft(700)

    assert client.invoices.delete(invoice.id).deleted is True
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.invoices.retrieve(invoice.id)
    assert (refused.value.code, refused.value.http_status) == ("resource_missing", 404)


def test_an_invoice_to_be_sent_needs_an_email_and_a_due_date(client, customer):
    with pytest.raises(stripe.InvalidRequestError, match="days_until_due"):
        client.invoices.create({"customer": customer.id, "collection_method": "send_invoice"})
    silent = client.customers.create({"name": "No mail"})
    with pytest.raises(stripe.InvalidRequestError, match="Missing email"):
        client.invoices.create(
            {"customer": silent.id, "collection_method": "send_invoice", "days_until_due": 1}
        )


def test_the_clock_finalizes_what_advances_by_itself_and_finds_what_is_overdue(client, double, make_draft):
    invoice = make_draft(700, auto_advance=True, collection_method="send_invoice", days_until_due=30)

    double.advance(3600)
    assert client.invoices.retrieve(invoice.id).status == "open"
    double.advance(30 * 86400)
    double.advance(86400)
    types = [event.type for event in client.events.list({"limit": 100}).data]
    assert types.count("invoice.overdue") == 1
    with pytest.raises(ValueError, match="only moves forward"):
        double.advance(-1)
