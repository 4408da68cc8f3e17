"""How an invoice is settled reads alike on its pages, in its PDF, in the list and in the API."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from billing.documents import invoice_pdf
from billing.invoices import record_payment, void_invoice
from billing.models import Invoice
from billing.recounts.recounting import cancel_and_recount
from core.due_work import run_due
from core.ids import public_id
from customers.models import Customer
from tests.billing.world import START, a_customer, a_plan, subscribe
from tests.console.test_pages import rows_of, text_of

NOON = START + timedelta(days=9, hours=12)


@pytest.fixture
def acme(db: None) -> Customer:
    """Ten days of 31.00 used: the first invoice is open, the second keeps 21.00 as credit."""
    acme = a_customer("settled", tax_name="GST")
    plan = a_plan([], key="advance", fee="31.00", fee_timing="advance")
    subscription = subscribe(acme, plan, key="first")
    run_due(START)
    cancel_and_recount(subscription, at=NOON, now=NOON)
    run_due(NOON + timedelta(days=1))
    run_due(NOON + timedelta(days=1))
    return acme


def invoices(acme: Customer) -> list[Invoice]:
    return list(Invoice.objects.filter(customer_id=acme.id).order_by("number"))


def told(operator: Client, acme: Customer, invoice: Invoice) -> str:
    page = text_of(operator, f"/console/invoices/{acme.id}/{public_id('inv', invoice.id)}")
    return " ".join(page.replace("<strong>", "").replace("</strong>", "").split())


def pdf_sums(invoice: Invoice, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    kept: list[Any] = []

    def keep(*args: object, sys_inputs: dict[str, str], **more: object) -> bytes:
        kept.append(json.loads(sys_inputs["invoice"]))
        return b""

    monkeypatch.setattr("billing.documents.typst.compile", keep)
    invoice_pdf(invoice)
    return dict(kept[0]["sums"]) | {"To pay": kept[0]["to_pay"]}


def test_a_total_below_zero_is_kept_as_credit(
    operator: Client, acme: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, negative = invoices(acme)
    assert (negative.total_minor, negative.open_minor) == (-2100, 0)
    assert "Settled has $21.00 more as credit for" in told(operator, acme, negative)
    assert pdf_sums(negative, monkeypatch)["Kept as your credit"] == "21.00"
    assert pdf_sums(negative, monkeypatch)["To pay"] == "0.00"


def test_a_part_that_is_paid_is_not_due_any_more(
    operator: Client, acme: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = invoices(acme)
    record_payment(acme.id, first.id, amount_minor=1000, reference="bank", now=NOON)
    first.refresh_from_db()
    page = told(operator, acme, first)
    assert "Settled owes $21.00 for" in page and "Left to pay" in page
    assert pdf_sums(first, monkeypatch) == {
        "Subtotal": "31.00",
        "Total": "31.00",
        "Paid": "\N{MINUS SIGN}10.00",
        "To pay": "21.00",
    }
    (row,) = [row for row in rows_of(operator, "/console/invoices?format=csv") if row[0] == first.number]
    assert row[-1] == "21"


def test_a_void_invoice_asks_for_nothing(
    operator: Client, acme: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = invoices(acme)
    void_invoice(acme.id, first.id, now=NOON)
    first.refresh_from_db()
    assert "Settled no longer owes $31.00 for" in told(operator, acme, first)
    assert pdf_sums(first, monkeypatch)["To pay"] == "0.00"


def test_what_credit_has_paid_is_said_so(
    operator: Client, acme: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe(acme, a_plan([], key="small", fee="11.00", fee_timing="advance"), at=NOON, key="second")
    run_due(NOON + timedelta(days=2))
    third = invoices(acme)[-1]
    assert third.total_minor == 1100
    assert "Settled paid $11.00 from its credit for" in told(operator, acme, third)
    assert pdf_sums(third, monkeypatch)["From your credit"] == "\N{MINUS SIGN}11.00"


def test_a_draft_names_the_customer_and_its_tax(
    operator: Client, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    taxed = a_customer("taxed", tax_name="GST", tax_rate="0.10")
    subscribe(taxed, a_plan([], key="arrears", fee="31.00", fee_timing="arrears"))
    run_due(datetime(2026, 2, 1, 0, 1, tzinfo=UTC))
    (draft,) = invoices(taxed)
    assert draft.status == "draft"
    assert pdf_sums(draft, monkeypatch)["GST 10 %"] == "3.10"
