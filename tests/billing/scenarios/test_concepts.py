"""docs/concepts.md, sent as it stands there: every figure of its tables is the API's own."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.billing.scenarios.diary import Diary

PAGE = Path(__file__).resolve().parents[3] / "docs" / "concepts.md"
REQUEST = re.compile(r"^```json POST (\S+)(?: (\S+))?\n(.*?)^```", re.MULTILINE | re.DOTALL)
TABLE = re.compile(r"^(\|.+\|)\n\|[-|]+\|\n((?:\|.+\|\n)+)", re.MULTILINE)

pytestmark = pytest.mark.django_db


def send(book: Diary, part: str) -> None:
    """The page's requests of this part, in their order, each on the day that stands beside it."""
    for path, day, body in REQUEST.findall(part):
        if day:
            book.on(day)
        told = json.loads(body)
        for one in told if isinstance(told, list) and path != "/v1/events" else [told]:
            book.post(path, one)


def tables(part: str) -> list[list[list[str]]]:
    def cells(line: str) -> list[str]:
        return [cell.strip() for cell in line.strip("|").split("|")]

    return [[cells(line) for line in rows.splitlines()] for _, rows in TABLE.findall(part)]


def billed(invoice: Any) -> list[tuple[str, Decimal]]:
    lines = [
        (
            line["kind"] if line["kind"] == "correction" else line["charge"] or line["kind"],
            line["amount_minor"],
        )
        for line in invoice["lines"]
    ]
    return [(name, Decimal(minor) / 100) for name, minor in [*lines, ("total", invoice["total_minor"])]]


def as_billed(table: list[list[str]]) -> list[tuple[str, Decimal]]:
    return [(line, Decimal(amount)) for line, _, amount in table]


def test_the_page_says_what_happens(diary: Callable[[str], Diary]) -> None:
    _, sold, used, owed, late = PAGE.read_text().split("\n## ")
    book = diary("2027-01-01")
    send(book, sold)
    send(book, used)

    costs, draws, moved = tables(used)
    for event, *told in costs:
        receipt = book.get(f"/v1/events/{event}/receipt")
        assert [*receipt["tokens"].values(), receipt["cost"]["amount"]] == told, event
    for event, credits, *told in draws:
        receipt = book.get(f"/v1/events/{event}/receipt")["credits"]
        drawn = {draw["name"]: draw["credits"] for draw in receipt["draws"]}
        of = [drawn.get(name, "0") for name in ("Team credits", "order-1", "overage")]
        assert (receipt["amount"], of) == (credits, told), event
    entries = book.get("/v1/customers/acme/credits/ledger")["results"][0]["entries"]
    assert sorted((entry["account"], entry["amount"]) for entry in entries) == sorted(
        (account.partition(":")[0], amount) for account, amount in moved
    )

    margin = book.spend()["margin"]
    assert f"({Decimal(margin['revenue']):.2f} − {margin['cost']}) / {Decimal(margin['revenue']):.2f}" in owed
    assert f"{Decimal(margin['rate']):.1%}".replace("%", " %") in owed
    book.on("2027-02-02")
    assert billed(book.invoices()[0]) == as_billed(tables(owed)[0])

    send(book, late)
    book.on("2027-03-02")
    first, second = book.invoices()
    assert billed(second) == as_billed(tables(late)[0])
    assert billed(first) == as_billed(tables(owed)[0])
    book.books_are_clean()
