"""docs/credits.md, sent as it stands there: every figure of its tables is the API's own."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tests.billing.scenarios.diary import Diary
from tests.billing.scenarios.test_concepts import send, tables

PAGE = Path(__file__).resolve().parents[3] / "docs" / "credits.md"
NAMES = ("Welcome", "Team credits carried over", "Team credits", "Order 1", "overage")

pytestmark = pytest.mark.django_db


def test_the_page_says_what_happens(diary: Callable[[str], Diary]) -> None:
    _, given, burnt, topped_up, _, _, kept = PAGE.read_text().split("\n## ")
    book = diary("2027-01-01")
    send(book, given)
    send(book, burnt)
    for event, credits, *told in tables(burnt)[0]:
        receipt = book.get(f"/v1/events/{event}/receipt")["credits"]
        drawn = {draw["name"]: draw["credits"] for draw in receipt["draws"]}
        assert (receipt["amount"], [drawn.get(name, "0") for name in NAMES]) == (credits, told), event

    told = tables(topped_up)[0]
    assert told[0] == ["before", *overage(book)]
    send(book, topped_up)
    assert told[1] == ["after", *overage(book)]
    left = {grant["name"]: grant["remaining"] for grant in book.credits()["grants"]}
    assert f"tells the other {left['Order 2']}." in topped_up

    accounts = {entry["account"] for movement in ledger(book) for entry in movement["entries"]}
    named = {cell.strip("`").removesuffix(":…") for row in tables(kept)[0] for cell in row[0].split(", ")}
    assert {account.partition(":")[0] for account in accounts} <= named
    revenue = Decimal(book.spend()["margin"]["revenue"]) - 20
    assert f"February earns {revenue / Decimal('0.015'):f} × 0.015" in kept
    book.on("2027-03-02")
    assert [total for _, total in book.totals()] == [2000, 2000]
    book.books_are_clean()


def overage(book: Diary) -> list[str]:
    """Credits that no grant covers, and what they come to in this period."""
    lines = [line for line in book.spend()["lines"] if line["charge"] == "output"]
    return [book.credits()["overage"], f"{sum(Decimal(line['amount_minor']) for line in lines) / 100:.2f}"]


def ledger(book: Diary) -> list[dict[str, list[dict[str, str]]]]:
    return book.get("/v1/customers/acme/credits/ledger", limit=100)["results"]
