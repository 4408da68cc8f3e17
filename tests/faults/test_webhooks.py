"""Stripe's messages come twice, at once, in any order, too early, forged or stale; a payment is booked once."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import permutations

import pytest
import stripe
from django.db import connection
from django.test import RequestFactory

from billing.models import Invoice, LedgerTransaction, StripeObject
from billing.stripe.sync import METADATA_INVOICE, reconcile, sync_invoice
from billing.stripe.webhook import stripe_webhook
from core import clock
from core.due_work import Work, run_due
from core.failpoints import armed
from core.models import DueWork, InboxMessage
from tests.faults.books import breaches, the_only_one_there
from tests.faults.installation import WEBHOOK_SECRET
from tests.faults.month import BETWEEN_SWEEPS, a_subscriber, live_through, run_what_is_due

STORY = ("invoice.finalized", "invoice.updated", "invoice.paid")


class Died(BaseException):
    """Nothing of ours catches it: what runs, ends."""


@pytest.fixture
def invoice(installation, double) -> Invoice:
    """An invoice that is open at Stripe and paid there, of which we have not heard."""
    a_subscriber("acme")
    invoice = live_through("acme", ending="")
    double.pay(StripeObject.objects.get(kind="invoice").theirs)
    return invoice


def message(
    kind: str = "invoice.paid", event_id: str = "evt_1", theirs: str = "", ours: bool = True
) -> bytes:
    stripe_id = theirs or StripeObject.objects.get(kind="invoice").theirs
    thing = {"id": stripe_id, "metadata": {METADATA_INVOICE: "ours"} if ours else {}}
    return json.dumps({"id": event_id, "type": kind, "data": {"object": thing}}).encode()


def signature(body: bytes, *, secret: str = WEBHOOK_SECRET, age_seconds: int = 0) -> str:
    return stripe.WebhookSignature.generate_signature_header(
        body.decode(), secret, timestamp=int(time.time()) - age_seconds
    )


def tell(body: bytes, header: str | None = None) -> int:
    headers = {"stripe-signature": signature(body) if header is None else header}
    request = RequestFactory().post("/v1/stripe/webhook", body, "application/json", headers=headers)
    return stripe_webhook(request).status_code


def catch_up() -> None:
    run_what_is_due(clock.now() + BETWEEN_SWEEPS)


def assert_paid_once(invoice: Invoice) -> None:
    invoice.refresh_from_db()
    assert (invoice.status, invoice.paid_minor) == ("paid", invoice.due_minor)
    assert LedgerTransaction.objects.filter(kind="invoice.payment").count() == 1
    assert not DueWork.objects.exclude(parked_at=None).exists()
    assert breaches() == []


def test_twenty_at_once_are_one(invoice):
    body = message()

    def tell_and_work() -> int:
        status = tell(body)
        link = StripeObject.objects.get(kind="invoice")
        reconcile(Work(link.customer_id, "stripe.webhook", link.theirs, {}, clock.now(), 1), clock.now())
        connection.close()
        return status

    with ThreadPoolExecutor(20) as threads:
        statuses = [told.result() for told in [threads.submit(tell_and_work) for _ in range(20)]]
    catch_up()

    assert statuses == [200] * 20
    assert InboxMessage.objects.count() == 1
    assert_paid_once(invoice)


@pytest.mark.parametrize("order", list(permutations(STORY)), ids=lambda order: " ".join(k[8:] for k in order))
def test_any_order_ends_the_same(invoice, order):
    for kind in order:
        assert tell(message(kind, f"evt_{kind}")) == 200
        catch_up()

    assert_paid_once(invoice)


def test_told_again_later_nothing_happens(invoice):
    body = message()
    tell(body)
    catch_up()

    assert tell(body) == 200
    catch_up()

    assert InboxMessage.objects.count() == 1
    assert_paid_once(invoice)


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": "whsec_another"},
        {"age_seconds": 301 + 5},
        {"age_seconds": -(301 + 5)},
    ],
    ids=["another secret", "stale", "from the future"],
)
def test_a_signature_that_is_not_right_is_refused(invoice, wrong):
    body = message()

    assert tell(body, signature(body, **wrong)) == 400

    assert not InboxMessage.objects.exists()


@pytest.mark.parametrize("header", ["", "t=,v1=", "t=abc,v1=00", "nonsense"])
def test_a_header_that_is_no_signature_is_refused(invoice, header):
    assert tell(message(), header) == 400


def test_a_changed_byte_is_refused(invoice):
    body = message()

    assert tell(body.replace(b"paid", b"Paid"), signature(body)) == 400


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"{", b'{"id": 1, "type": 2, "data": {"object": 3}}'])
def test_a_signed_body_that_is_no_event_is_refused(invoice, body):
    assert tell(body, signature(body)) == 400


def test_told_before_we_know_the_invoice_ourselves_it_waits_for_us(installation, double):
    """Stripe has created the invoice, we died before we wrote that down, and Stripe tells of it."""
    a_subscriber("acme")

    def die() -> None:
        raise Died

    with armed("billing.stripe.create.after_call", die), pytest.raises(Died):
        live_through("acme", ending="")
    (theirs,) = double.objects("invoice")
    assert not StripeObject.objects.filter(kind="invoice").exists()
    assert tell(message("invoice.updated", theirs=theirs["id"])) == 200

    assert run_due(clock.now(), kinds=["stripe.webhook"]) == {"failed": 1}
    catch_up()

    assert the_only_one_there(double, Invoice.objects.get())["status"] == "open"
    assert not DueWork.objects.filter(kind="stripe.webhook").exists(), "the message was handled in the end"
    assert breaches() == []


@pytest.mark.parametrize("ours", [False, True], ids=["as it is", "with a forged mark of ours"])
def test_an_invoice_of_someone_else_is_none_of_our_business(invoice, double, ours):
    from billing.stripe.client import stripe_client

    client = stripe_client().v1
    stranger = client.customers.create({"name": "Stranger"})
    theirs = client.invoices.create({"customer": stranger.id})

    assert tell(message("invoice.created", theirs=theirs.id, ours=ours)) == 200
    catch_up()

    assert not DueWork.objects.filter(kind="stripe.webhook").exists()


def test_paid_while_we_finalize_there_stays_paid_here(installation, double):
    """Stripe collects at once and tells us before its answer to our call has been worked off."""
    a_subscriber("acme")
    told = threading.Event()

    def pay_and_tell() -> None:
        link = StripeObject.objects.get(kind="invoice")
        double.pay(link.theirs)
        assert tell(message()) == 200
        reconcile(Work(link.customer_id, "stripe.webhook", link.theirs, {}, clock.now(), 1), clock.now())
        told.set()

    with armed("billing.stripe.finalize.after_call", pay_and_tell):
        invoice = live_through("acme", ending="")
    tell(message(event_id="evt_again"))
    catch_up()

    assert told.is_set()
    assert StripeObject.objects.get(kind="invoice").state == "paid"
    assert_paid_once(invoice)
    work = Work(invoice.customer_id, "stripe.invoice", invoice.id.hex, {}, clock.now() + timedelta(0), 1)
    assert sync_invoice(work, clock.now()) is None
