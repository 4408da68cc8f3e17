"""The main path, month by month: start, usage, period close, invoice."""

from collections.abc import Callable

import pytest

from tests.billing.scenarios.diary import Diary

pytestmark = pytest.mark.django_db

TIERED = {
    "key": "output-tokens",
    "meter": "output",
    "model": "graduated",
    "tiers": [{"up_to": "1000", "unit_price": "0"}, {"up_to": None, "unit_price": "0.001"}],
}


def test_a_month_of_usage_becomes_an_invoice_exact_to_the_cent(diary: Callable[[str], Diary]) -> None:
    jan = diary("2027-01-01")
    jan.customer(tax_rate="0.19", tax_name="VAT")
    jan.meter("output", value="usage.output")
    jan.plan("pro", [TIERED], fee="49.00")
    jan.subscribe("pro")
    assert [(one["kind"], one["status"], one["total_minor"]) for one in jan.invoices()] == [
        ("start", "finalized", 5831)
    ]

    jan.on("2027-01-10")
    jan.use(usage={"output": 1500})
    spend = jan.spend()
    assert (spend["subtotal_minor"], spend["tax_minor"], spend["total_minor"]) == (4950, 941, 5891)
    assert spend["period"] == {"start": "2027-01-01T00:00:00Z", "end": "2027-02-01T00:00:00Z"}
    jan.on("2027-01-31T23:59:59Z")
    jan.use(usage={"output": 725})

    jan.on("2027-02-01T03:00:00Z")
    invoice = jan.invoices()[-1]
    assert (invoice["kind"], invoice["status"], invoice["number"]) == ("period", "finalized", "BL-000002")
    assert jan.lines(invoice) == [("output-tokens", 123), ("fee", 4900)]
    assert invoice["lines"][0]["quantity"] == "2225"
    assert invoice["lines"][0]["unrounded"] == "1.225"
    assert (invoice["subtotal_minor"], invoice["tax_minor"], invoice["total_minor"]) == (5023, 954, 5977)
    assert jan.get(f"/v1/invoices/{invoice['number']}") == invoice
    jan.books_are_clean()
