"""What becomes of an invoice: finalized early, paid in parts, voided, given up; tax; files."""

from collections.abc import Callable

import pytest

from tests.billing.scenarios.diary import Diary

pytestmark = pytest.mark.django_db


@pytest.fixture
def book(diary: Callable[[str], Diary]) -> Diary:
    """A customer with one draft for January, over 10.00 and 19 % of tax."""
    opened = diary("2027-01-01")
    opened.customer(tax_rate="0.19", tax_name="VAT", email="pay@acme.example")
    opened.meter("m", aggregation="count")
    charge = {"key": "c", "meter": "m", "model": "per_unit", "unit_price": "10"}
    opened.plan("payg", [charge])
    opened.subscribe("payg")
    opened.on("2027-01-05")
    opened.use()
    opened.on("2027-02-01T00:10:00Z")
    return opened


def test_a_draft_takes_usage_in_until_it_is_finalized_and_then_stands(book: Diary) -> None:
    [draft] = book.invoices()
    assert (draft["status"], draft["number"], draft["finalizes_at"]) == (
        "draft",
        None,
        "2027-02-01T01:00:00Z",
    )
    assert (draft["subtotal_minor"], draft["tax_minor"], draft["total_minor"]) == (1000, 190, 1190)
    book.use(time="2027-01-31T12:00:00Z")
    assert book.get(f"/v1/invoices/{draft['id']}")["total_minor"] == 2380

    final = book.post(f"/v1/invoices/{draft['id']}/finalize")

    assert (final["status"], final["number"], final["due_minor"]) == ("finalized", "BL-000001", 2380)
    assert book.post(f"/v1/invoices/{draft['id']}/finalize") == final
    book.use(time="2027-01-31T13:00:00Z")
    assert book.get("/v1/invoices/BL-000001") == final
    book.on("2027-02-02")
    assert book.get("/v1/invoices/BL-000001") == final
    book.books_are_clean()


def test_an_invoice_is_paid_in_parts_each_booked_once(book: Diary) -> None:
    id = book.invoices()[0]["id"]
    book.post(f"/v1/invoices/{id}/finalize")
    part = book.post(f"/v1/invoices/{id}/pay", {"amount_minor": 1000, "reference": "bank 1"})
    assert (part["status"], part["paid_minor"], part["due_minor"]) == ("finalized", 1000, 190)
    assert book.post(f"/v1/invoices/{id}/pay", {"amount_minor": 1000, "reference": "bank 1"}) == part
    too_much = book.api.post(f"/v1/invoices/{id}/pay", {"amount_minor": 191, "reference": "bank 2"})
    assert too_much.status_code == 409
    given_up = book.post(f"/v1/invoices/{id}/uncollectible")
    assert given_up["status"] == "uncollectible"

    paid = book.post(f"/v1/invoices/{id}/pay", {"reference": "bank 2"})

    assert (paid["status"], paid["paid_minor"], paid["due_minor"]) == ("paid", 1190, 0)
    again = book.api.post(f"/v1/invoices/{id}/pay", {"reference": "bank 3"})
    assert again.status_code == 409
    assert book.api.post(f"/v1/invoices/{id}/void").status_code == 409
    book.books_are_clean()


def test_a_voided_invoice_keeps_its_number_and_owes_nothing(book: Diary) -> None:
    id = book.invoices()[0]["id"]
    book.post(f"/v1/invoices/{id}/finalize")

    void = book.post(f"/v1/invoices/{id}/void")

    assert (void["status"], void["number"], void["due_minor"]) == ("void", "BL-000001", 0)
    assert book.api.post(f"/v1/invoices/{id}/pay", {"reference": "bank"}).status_code == 409
    assert book.api.post(f"/v1/invoices/{id}/finalize").status_code == 409
    book.on("2027-03-02")
    assert [one["number"] for one in book.invoices()] == ["BL-000001", "BL-000002"]
    assert [one["number"] for one in book.invoices(status="void")] == ["BL-000001"]
    book.books_are_clean()


def test_an_invoice_is_a_pdf_by_id_and_by_number(book: Diary) -> None:
    id = book.invoices()[0]["id"]
    book.post(f"/v1/invoices/{id}/finalize")
    for name in (id, "BL-000001"):
        answer = book.api.get(f"/v1/invoices/{name}.pdf")
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf")
        assert answer.content.startswith(b"%PDF-")
    missing = book.api.get("/v1/invoices/BL-000009.pdf")
    assert (missing.status_code, missing["Content-Type"]) == (404, "application/problem+json")


def test_a_credit_note_of_a_cancelled_fee_pays_the_next_invoice(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    book.customer()
    book.plan("pro", [], fee="31.00")
    book.subscribe("pro", key="first")
    book.on("2027-01-10T12:00:00Z")
    book.post("/v1/subscriptions/first/cancel", {"at": "now"})
    book.on("2027-01-11")
    assert book.totals() == [("finalized", 3100), ("paid", -2100)]

    book.subscribe("pro", key="second")

    invoice = book.invoices()[-1]
    assert (invoice["total_minor"], invoice["due_minor"], invoice["status"]) == (3100, 1000, "finalized")
    book.books_are_clean()
