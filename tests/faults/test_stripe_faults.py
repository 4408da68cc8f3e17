"""Stripe answers wrongly, late or not at all; in the end it has one invoice, and it is the right one."""

from datetime import timedelta

import pytest

from billing.models import Invoice, StripeCall
from core.due_work import run_due
from core.models import DueWork
from core.sandbox import set_clock
from tests.faults.books import breaches, numbers, the_only_one_there
from tests.faults.month import BETWEEN_SWEEPS, CLOSED, a_subscriber, expected_total, live_through

PATHS = {
    "customer": "/v1/customers",
    "create": "/v1/invoices",
    "lines": "/v1/invoices/*/add_lines",
    "finalize": "/v1/invoices/*/finalize",
}
FAULTS = {
    "429 three times": {"kind": "rate_limited", "times": 3},
    "nothing arrived": {"kind": "timeout_before_commit"},
    "done, and no answer": {"kind": "timeout_after_commit"},
    "done, and a 500 that is replayed": {"kind": "error_after_commit"},
    "not done, and a 500 that is replayed": {"kind": "error_before_commit", "saved": True},
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_one_invoice_whatever_one_call_met(installation, double, path, fault):
    a_subscriber("acme")
    double.faults.add(**fault, path=path, method="POST")

    invoice = live_through("acme")

    assert not double.faults.waiting, "the fault was never met"
    assert (invoice.status, invoice.total_minor) == ("paid", expected_total())
    assert the_only_one_there(double, invoice)["status"] == "paid"
    assert numbers() == [invoice.number]
    assert breaches() == []


def test_hours_without_stripe_park_nothing_and_hold_up_nobody(installation, double):
    for key in ("acme", "globex"):
        a_subscriber(key)
    double.faults.add("rate_limited", times=10_000)
    now = CLOSED
    for _ in range(25):
        set_clock(now)
        run_due(now)
        now += timedelta(minutes=12)
    assert sorted(Invoice.objects.values_list("status", flat=True)) == ["finalized", "finalized"]
    assert not DueWork.objects.exclude(parked_at=None).exists()
    assert StripeCall.objects.exclude(state="unknown").count() == 0

    double.faults.clear()
    for key in ("acme", "globex"):
        live_through(key, ending="", start=now + timedelta(hours=2))

    there = [(theirs["status"], theirs["number"]) for theirs in double.objects("invoice")]
    assert sorted(there) == [("open", number) for number in numbers()]
    assert breaches() == []


def test_what_waits_for_stripe_is_told_to_a_person_in_the_end(installation, double):
    a_subscriber("acme")
    double.faults.add("rate_limited", times=10_000)
    now = CLOSED
    for _ in range(40):
        set_clock(now)
        run_due(now)
        now += timedelta(hours=2)

    parked = DueWork.objects.exclude(parked_at=None).get()
    assert (parked.kind, "No answer from Stripe" in parked.last_error) == ("stripe.invoice", True)
    assert now - CLOSED > BETWEEN_SWEEPS
