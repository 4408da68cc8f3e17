"""One call told by several programs, of which the one that comes later tells more."""

from collections.abc import Callable
from typing import Any

import pytest

from metering.models import Event, RicherReport, WithdrawnEvent
from tests.billing.scenarios.diary import Diary

pytestmark = pytest.mark.django_db

RESPONSE = "msg_01XFDUDYJgAACzvnptvVoYEL"
POOR = {"input": 2000, "output": 300}
RICH = {"input": 80, "cache_read": 1920, "output": 200, "reasoning": 100}
CHARGES: list[dict[str, Any]] = [
    {"key": "fresh", "meter": "fresh", "model": "per_unit", "unit_price": "0.01"},
    {"key": "cached", "meter": "cached", "model": "per_unit", "unit_price": "0.001"},
    {"key": "overage", "model": "credits", "burn_table": "standard", "unit_price": "0.02"},
]
RATES = [
    {"id": "cached", "match": {"token_kind": "cache_read"}, "credits": "1", "per": "1000"},
    {"id": "rest", "match": {"token_kind": "tokens"}, "credits": "10", "per": "1000"},
]


@pytest.fixture
def book(diary: Callable[[str], Diary]) -> Diary:
    """Acme's calls are told twice; its twin's once, by the richer report alone."""
    book = diary("2027-01-01")
    book.meter("fresh", value="usage.input")
    book.meter("cached", value="usage.cache_read")
    table = {"key": "standard", "name": "Standard", "rates": RATES, "effective_at": "2026-01-01T00:00:00Z"}
    book.post("/v1/burn-tables", table)
    book.plan("pool", CHARGES, credit_grants=[{"amount": "15"}])
    for customer in ("acme", "twin"):
        book.customer(customer)
        book.subscribe("pool", customer)
    return book


def report(book: Diary, usage: dict[str, int], *, source: str, customer: str = "acme", **fields: Any) -> None:
    book.use(customer, source=source, response_id=RESPONSE, usage=usage, **fields)


def bill(book: Diary, customer: str) -> list[tuple[str, str, int]]:
    return [
        (line["charge"], line["quantity"], line["amount_minor"]) for line in book.spend(customer)["lines"]
    ]


def test_in_an_open_period_nothing_of_the_poorer_report_is_left(book: Diary) -> None:
    report(book, POOR, source="gateway")
    assert book.credits()["balance"] == "0"
    report(book, RICH, source="app")
    report(book, RICH, source="app", customer="twin")
    book.use(usage={"input": 100})
    book.use("twin", usage={"input": 100})
    book.on("2027-01-01T00:10:00Z")
    assert Event.objects.filter(source="gateway").count() == RicherReport.objects.count() == 0
    assert bill(book, "acme") == bill(book, "twin")
    assert book.credits()["balance"] == book.credits("twin")["balance"] == "8.28"
    book.books_are_clean()


def test_its_receipt_says_what_took_its_place(book: Diary) -> None:
    report(book, POOR, source="gateway")
    report(book, RICH, source="app")
    book.on("2027-01-01T00:10:00Z")
    poorer = WithdrawnEvent.objects.get()
    receipt = book.get(f"/v1/events/{poorer.event_id}/receipt", customer="acme")
    assert receipt["status"] == "withdrawn"
    richer = Event.objects.get()
    assert receipt["withdrawn"]["replaced_by"] == {"id": richer.event_id, "source": "app"}


def test_in_an_invoiced_period_the_difference_comes_on_the_next_invoice(book: Diary) -> None:
    report(book, POOR, source="gateway")
    report(book, RICH, source="app", customer="twin")
    book.on("2027-02-10")
    january = book.invoices()[0]
    report(book, RICH, source="app", time="2027-01-01T00:00:00Z")
    book.on("2027-03-01T03:00:00Z")
    assert book.invoices()[0] == january
    assert sum(total for _, total in book.totals()) == sum(total for _, total in book.totals("twin"))
    corrections = [line for line in book.invoices()[1]["lines"] if line["kind"] == "correction"]
    assert {line["charge"]: line["amount_minor"] for line in corrections} == {
        "fresh": -1920,
        "cached": 192,
        "overage": -16,
    }
    book.books_are_clean()


def test_what_several_programs_tell_of_many_calls_ends_like_the_richest_alone(book: Diary) -> None:
    for n in range(6):
        own = {"response_id": f"{RESPONSE}-{n}"}
        told = [("gateway", POOR), ("trace", {"input": 2000, "output": 200, "reasoning": 100}), ("app", RICH)]
        for source, usage in told[n % 3 :] + told[: n % 3]:
            book.use(source=source, usage=usage, **own)
        book.use("twin", source="app", usage=RICH, **own)
    book.on("2027-01-01T01:00:00Z")
    assert bill(book, "acme") == bill(book, "twin")
    assert [book.credits(one)["balance"] for one in ("acme", "twin")] == ["0", "0"]
    assert book.credits()["overage"] == book.credits("twin")["overage"] == "19.32"
    book.books_are_clean()
