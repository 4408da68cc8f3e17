"""A call that is taken back by the name of a report whose place a richer one took, or takes later."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.billing.scenarios.diary import Diary

pytestmark = pytest.mark.django_db

RESPONSE = "msg_01XFDUDYJgAACzvnptvVoYEL"
TOKENS = {
    "key": "tokens",
    "meter": "tokens",
    "model": "per_unit",
    "unit_price": "0.01",
    "reversed_by": "call.refunded",
    "reversal_days": 14,
}
TEN_LATER = "2027-01-01T00:10:00Z"


@pytest.fixture
def book(diary: Callable[[str], Diary]) -> Diary:
    opened = diary("2027-01-01")
    opened.customer()
    opened.meter("tokens", value="usage.input")
    opened.plan("basic", [TOKENS])
    opened.subscribe("basic")
    return opened


def poor(book: Diary, **fields: Any) -> str:
    return book.use(source="gateway", response_id=RESPONSE, usage={"input": 2000, "output": 300}, **fields)


def rich(book: Diary, **fields: Any) -> str:
    usage = {"input": 80, "cache_read": 1920, "output": 200, "reasoning": 100}
    return book.use(source="app", response_id=RESPONSE, usage=usage, **fields)


def refund(book: Diary, call: str, source: str = "gateway", **fields: Any) -> str:
    return book.use(type="call.refunded", source=source, properties={"reverses": call}, **fields)


def owed(book: Diary) -> int:
    book.books_are_clean()
    return int(book.spend()["subtotal_minor"])


def test_the_report_that_counts_is_taken_back_by_the_name_of_the_one_before(book: Diary) -> None:
    call = poor(book)
    rich(book)
    book.on(TEN_LATER)
    assert owed(book) == 80
    refund(book, call)
    assert owed(book) == 0


def test_a_call_taken_back_stays_so_when_a_richer_report_comes(book: Diary) -> None:
    refund(book, poor(book))
    assert owed(book) == 0
    rich(book)
    book.on(TEN_LATER)
    assert owed(book) == 0


def test_by_either_name_it_is_taken_back_once(book: Diary) -> None:
    first, second = poor(book), rich(book)
    book.use(usage={"input": 100})
    book.on(TEN_LATER)
    refund(book, second, source="app")
    refund(book, first)
    assert owed(book) == 100
    book.on("2027-02-01T03:00:00Z")
    (invoice,) = book.invoices()
    counted = book.get(f"/v1/invoices/{invoice['id']}/lines/1/events")["results"]
    assert sorted(one["counted"] for one in counted) == ["-80", "100", "80"]


def test_another_source_takes_nothing_back(book: Diary) -> None:
    call = poor(book)
    rich(book)
    book.on(TEN_LATER)
    refund(book, call, source="elsewhere")
    refund(book, call, source="app")
    assert owed(book) == 80


def test_in_an_invoiced_period_the_next_invoice_takes_it_back(book: Diary) -> None:
    book.on("2027-01-30")
    call = poor(book)
    rich(book)
    book.on("2027-02-05")
    refund(book, call)
    book.on("2027-03-01T03:00:00Z")
    assert [one["subtotal_minor"] for one in book.invoices()] == [80, -80]
    book.books_are_clean()
