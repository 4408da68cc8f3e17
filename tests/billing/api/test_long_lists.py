"""A list of many rows asks the database no more often than a list of two."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.billing.scenarios.diary import Diary

pytestmark = pytest.mark.django_db

LISTS = ("subscriptions", "invoices", "credit-grants", "burn-tables", "plans", "re-ratings", "backfills")
ANY_TOKEN = [{"id": "any", "match": {"token_kind": "tokens"}, "credits": "1"}]


def add_rows(book: Diary, numbers: range) -> None:
    for n in numbers:
        key = f"k{n}"
        book.post("/v1/burn-tables", {"key": key, "name": key, "rates": ANY_TOKEN})
        book.plan(key, [], fee="5", fee_timing="advance")
        book.customer(key)
        book.subscribe(key, customer=key)
        book.post("/v1/credit-grants", {"customer": key, "amount": "5"})
        span = {"from": "2026-12-31T00:00:00Z", "to": "2027-01-01T00:00:00Z"}
        book.post("/v1/re-ratings", {"customer": key, "reason": "a test", **span})
        book.post("/v1/backfills", {"customer": key})


def queries(book: Diary, name: str, rows: int) -> int:
    with CaptureQueriesContext(connection) as seen:
        assert len(book.get(f"/v1/{name}", limit=100)["results"]) >= rows
    return len(seen)


def test_lists_ask_as_often_for_many_rows_as_for_two(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-02")
    add_rows(book, range(2))
    few = {name: queries(book, name, 2) for name in LISTS}
    add_rows(book, range(2, 8))
    assert {name: queries(book, name, 8) for name in LISTS} == few
