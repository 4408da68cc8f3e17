"""An invoice at Stripe: the same lines and total, once, whatever fails on the way; and paid when Stripe says so."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from billing.invoices import record_payment
from billing.models import Invoice, InvoiceLine, StripeCall, StripeObject
from billing.stripe import client as stripe_client_module
from billing.stripe.double.stripe_double import StripeDouble
from core import clock
from core.due_work import run_due
from core.models import InboxMessage
from core.sandbox import set_clock
from tests.billing.test_path import breaches
from tests.billing.world import START, a_customer, a_meter, a_plan, call, subscribe, use

pytestmark = pytest.mark.django_db
SECRET = "whsec_test_secret"
LATER = datetime(2026, 2, 1, 2, tzinfo=UTC)


@pytest.fixture
def double(settings):
    with StripeDouble() as running:
        settings.STRIPE_API_KEY = "sk_test_burnline"
        settings.STRIPE_API_BASE = running.url
        settings.STRIPE_WEBHOOK_SECRET = SECRET
        stripe_client_module._client.cache_clear()
        yield running


def an_invoice() -> Invoice:
    acme = a_customer(tax_rate="0.19", tax_name="VAT", email="billing@acme.example")
    a_meter("output", "usage.output")
    charge = {"key": "output-tokens", "meter": "output", "model": "per_unit", "unit_price": "0.01"}
    subscribe(acme, a_plan([charge], fee="49.00", fee_timing="arrears"))
    use(acme, call("e1", START + timedelta(days=3), usage={"output": 1234}))
    run_due(LATER, kinds=["subscription.period"])
    run_due(LATER, kinds=["invoice.finalize"])
    return Invoice.objects.get()


def invoices_there(double) -> list:
    return list(stripe_client_module.stripe_client().v1.invoices.list().data)


def test_lines_and_total_are_the_same_there(double):
    invoice = an_invoice()

    run_due(LATER)

    (theirs,) = invoices_there(double)
    ours = [line.amount_minor for line in InvoiceLine.objects.order_by("n")]
    assert (theirs.status, theirs.total, theirs.number) == ("open", invoice.total_minor, invoice.number)
    assert sorted(line.amount for line in theirs.lines.data) == sorted([*ours, invoice.tax_minor])
    assert StripeObject.objects.get(kind="invoice").state == "finalized"
    assert breaches() == []


@pytest.mark.parametrize("step", ["create", "lines0", "finalize"])
@pytest.mark.parametrize("moment", ["before_call", "after_call"])
def test_dying_around_any_call_leaves_one_invoice_there(double, step, moment):
    from core.failpoints import FailpointReached, armed

    invoice = an_invoice()

    def die():
        raise FailpointReached(step)

    with armed(f"billing.stripe.{step}.{moment}", die):
        run_due(LATER)
    run_due(LATER + timedelta(minutes=10))

    (theirs,) = invoices_there(double)
    assert (theirs.status, theirs.total) == ("open", invoice.total_minor)
    assert not StripeCall.objects.exclude(state="done").exists()


def test_a_webhook_marks_it_paid_once_however_often_it_comes(double):
    import json

    import stripe

    invoice = an_invoice()
    run_due(LATER)
    (theirs,) = invoices_there(double)
    double.pay(theirs.id)
    set_clock(LATER)
    body = json.dumps(
        {"id": "evt_1", "object": "event", "type": "invoice.paid", "data": {"object": {"id": theirs.id}}}
    )
    header = stripe.WebhookSignature.generate_signature_header(body, SECRET)

    for _ in range(2):
        answer = Client().post(
            "/v1/stripe/webhook", body, content_type="application/json", headers={"stripe-signature": header}
        )
        assert answer.status_code == 200
    run_due(clock.now())

    invoice.refresh_from_db()
    assert (invoice.status, invoice.paid_minor) == ("paid", invoice.due_minor)
    assert InboxMessage.objects.get().handled_at is not None
    assert breaches() == []


def test_what_was_paid_by_bank_transfer_is_not_asked_for_again(double):
    invoice = an_invoice()
    record_payment(
        invoice.customer_id, invoice.id, amount_minor=invoice.due_minor, reference="bank 17", now=LATER
    )

    run_due(LATER)

    assert invoices_there(double) == []
