"""Money booked by hand, and money given up."""

import pytest
from django.test import Client

from billing.models import Invoice
from core.ids import public_id
from tests.portal.world import Company


@pytest.fixture
def invoice(acme: Company) -> Invoice:
    return Invoice.objects.filter(customer=acme.customer, status=Invoice.Status.FINALIZED, due_minor__gt=1)[0]


def address(invoice: Invoice, step: str) -> str:
    return f"/console/invoices/{invoice.customer_id}/{public_id('inv', invoice.id)}{step}"


def now(invoice: Invoice) -> Invoice:
    return Invoice.objects.get(customer_id=invoice.customer_id, id=invoice.id)


def test_all_that_is_due_is_booked_and_the_same_reference_once(operator: Client, invoice: Invoice) -> None:
    assert "Book a payment" in operator.get(address(invoice, "")).content.decode()
    for _ in range(2):
        page = operator.post(address(invoice, "/pay"), {"reference": "bank 17"}, follow=True).content.decode()
    assert "Booked. It is paid." in page and "Book a payment" not in page
    assert now(invoice).status == "paid" and now(invoice).paid_minor == invoice.due_minor


def test_a_part_leaves_the_rest_due(operator: Client, invoice: Invoice) -> None:
    asked = {"reference": "bank 18", "amount": "0.01"}
    page = operator.post(address(invoice, "/pay"), asked, follow=True).content.decode()
    assert "The rest is still due" in page and now(invoice).paid_minor == 1


@pytest.mark.parametrize("amount", ["x", "-1", "0", "0.001", "99999999", "1e3"])
def test_an_amount_that_is_none_is_told(operator: Client, invoice: Invoice, amount: str) -> None:
    asked = {"reference": "bank 19", "amount": amount}
    page = operator.post(address(invoice, "/pay"), asked, follow=True).content.decode()
    assert "Nothing was booked" in page and now(invoice).paid_minor == 0


def test_a_payment_needs_a_reference(operator: Client, invoice: Invoice) -> None:
    page = operator.post(address(invoice, "/pay"), {}, follow=True).content.decode()
    assert "Nothing was booked: reference" in page


def test_what_is_given_up_may_still_be_paid(operator: Client, invoice: Invoice) -> None:
    page = operator.post(address(invoice, "/uncollectible"), follow=True).content.decode()
    assert now(invoice).status == "uncollectible" and "Give it up" not in page and "Book a payment" in page
    assert "Not given up" in operator.post(address(invoice, "/uncollectible"), follow=True).content.decode()
