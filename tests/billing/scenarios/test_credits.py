"""Credits through the months: granted, drawn, gone over, carried over, expired, taken back."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.billing.scenarios.diary import Diary

pytestmark = pytest.mark.django_db

RATES = [
    {"id": "in", "match": {"token_kind": "input"}, "credits": "1", "per": "100"},
    {"id": "out", "match": {"token_kind": "output"}, "credits": "5", "per": "100"},
]
OVERAGE = {"key": "overage", "model": "credits", "burn_table": "standard", "unit_price": "0.02"}


@pytest.fixture
def book(diary: Callable[[str], Diary]) -> Diary:
    opened = diary("2027-01-01")
    opened.customer()
    table = {"key": "standard", "name": "Standard", "rates": RATES, "effective_at": "2026-01-01T00:00:00Z"}
    opened.post("/v1/burn-tables", table)
    return opened


def give(book: Diary, amount: str, **fields: Any) -> Any:
    return book.post("/v1/credit-grants", {"customer": "acme", "amount": amount, **fields})


def test_a_months_credits_are_drawn_gone_over_and_billed(book: Diary) -> None:
    book.plan("pool", [OVERAGE], credit_grants=[{"amount": "30"}])
    book.subscribe("pool")
    book.on("2027-01-10")
    first = book.use(usage={"input": 1000, "output": 300})
    assert (book.credits()["balance"], book.credits()["overage"]) == ("5", "0")
    second = book.use(usage={"output": 300})
    balance = book.credits()
    assert (balance["balance"], balance["available"], balance["overage"]) == ("0", "0", "10")
    receipt = book.get(f"/v1/events/{second}/receipt")["credits"]
    assert receipt["amount"] == "15"
    assert [(draw["grant"] is None, draw["credits"]) for draw in receipt["draws"]] == [
        (False, "5"),
        (True, "10"),
    ]
    assert book.credits(as_of="2027-01-05T00:00:00Z")["balance"] == "30"

    book.on("2027-02-01T03:00:00Z")

    january = book.invoices()[0]
    assert book.lines(january) == [("overage", 20)]
    events = book.get(f"/v1/invoices/{january['id']}/lines/1/events")["results"]
    assert [(event["id"], event["counted"]) for event in events] == [(second, "10")]
    assert first != second
    assert book.credits()["balance"] == "30"
    book.books_are_clean()


def test_what_is_left_is_carried_over_as_far_as_the_plan_says_and_the_rest_expires(book: Diary) -> None:
    book.plan("pool", [OVERAGE], credit_grants=[{"amount": "30", "rollover": "10"}])
    book.subscribe("pool")
    book.on("2027-01-10")
    book.use(usage={"input": 500})
    assert book.credits()["balance"] == "25"

    book.on("2027-02-01T03:00:00Z")

    balance = book.credits()
    assert balance["balance"] == "40"
    assert sorted(grant["remaining"] for grant in balance["grants"]) == ["10", "30"]
    told = book.get("/v1/customers/acme/credits/ledger")
    assert {one["kind"]: one["change"] for one in told["results"]} == {
        "credits.expire": "-15",
        "credits.rollover": "0",
        "credits.grant": "30",
        "credits.burn": "-5",
    }
    assert book.credits(as_of="2027-01-20T00:00:00Z")["balance"] == "25"
    book.books_are_clean()


@pytest.mark.parametrize("since", ["2027-02-01T00:10:00Z", "2027-02-05T00:00:00Z"], ids=["draft", "invoiced"])
def test_usage_that_comes_late_burns_what_its_own_month_had_left(book: Diary, since: str) -> None:
    book.plan("pool", [OVERAGE], credit_grants=[{"amount": "30", "rollover": "10"}])
    book.subscribe("pool")
    book.on("2027-01-10")
    give(book, "100", name="Top-up", category="paid", cost_basis="0.01")
    book.use(usage={"input": 500})
    book.on(since)
    assert book.credits()["balance"] == "140"  # 5 were burnt, 10 carried over, 15 expired

    book.use(time="2027-01-31T23:59:00Z", usage={"input": 1200})
    assert book.credits()["balance"] == "140"
    book.use(time="2027-01-31T23:59:30Z", usage={"input": 400})

    # Of the sixteen, January's plan had fifteen left, which go before what does not end.
    assert book.credits()["balance"] == "139"
    ledger = book.get("/v1/customers/acme/credits/ledger")["results"]
    assert [(one["text"], one["change"]) for one in ledger[:2]] == [
        ("4 credits burnt for usage", "-4"),
        ("3 credits of Pool credits given back: usage of their time came late or burns anew", "3"),
    ]
    assert ledger[0]["balance"] == "139"
    book.books_are_clean()
    book.on("2027-03-01T03:00:00Z")
    assert [total for _, total in book.totals()] == [0, 0]
    book.books_are_clean()


def test_late_usage_beyond_what_its_month_had_left_is_overage(book: Diary) -> None:
    book.plan("pool", [OVERAGE], credit_grants=[{"amount": "30"}])
    book.subscribe("pool")
    book.on("2027-02-05")
    book.use(time="2027-01-20T00:00:00Z", usage={"input": 2000})
    book.use(time="2027-01-21T00:00:00Z", usage={"input": 2000})
    book.use(time="2027-01-22T00:00:00Z", usage={"input": 100})
    assert book.credits()["balance"] == "30"
    book.on("2027-03-01T03:00:00Z")
    # Forty-one credits, of which January's thirty cover thirty.
    assert book.totals()[-1][1] == 22
    book.books_are_clean()


def test_a_top_up_burns_after_what_expires_earlier_and_tells_its_story(book: Diary) -> None:
    book.plan("pool", [OVERAGE], credit_grants=[{"amount": "30"}])
    book.subscribe("pool")
    book.on("2027-01-10")
    grant = give(book, "100", name="Top-up", category="paid", cost_basis="0.01")
    assert (grant["remaining"], grant["status"], grant["currency"]) == ("100", "active", "USD")
    book.on("2027-01-11")
    book.use(usage={"input": 5000})
    spend = book.spend()
    assert spend["credits"] == {"balance": "80", "held": "0", "available": "80", "overage": "0"}
    # Twenty of the credits were sold at a cent each; those of the plan earned nothing of their own.
    assert spend["margin"]["revenue"] == "0.2"
    ledger = book.get("/v1/customers/acme/credits/ledger")["results"]
    assert [(one["text"], one["change"], one["balance"]) for one in ledger] == [
        ("50 credits burnt for usage", "-50", "80"),
        ("100 credits granted: Top-up", "100", "130"),
        ("30 credits granted: Pool credits", "30", "30"),
    ]
    page = book.get("/v1/customers/acme/credits/ledger", limit=1)
    following = book.get("/v1/customers/acme/credits/ledger", limit=1, cursor=page["next"])
    assert following["results"] == ledger[1:2]

    voided = book.post(f"/v1/credit-grants/{grant['id']}/void", {"reason": "refunded"})
    assert (voided["status"], voided["remaining"], voided["reason"]) == ("voided", "0", "refunded")
    assert book.credits()["balance"] == "0"
    book.books_are_clean()


def test_a_grant_for_some_models_leaves_the_others_to_overage(book: Diary) -> None:
    book.plan("pool", [OVERAGE])
    book.subscribe("pool")
    give(book, "100", applies_to={"model": ["claude-opus-4-5"]})
    book.on("2027-01-02")
    book.use(model="claude-opus-4-5", usage={"input": 1000})
    book.use(model="claude-haiku-4-5", usage={"input": 1000})
    balance = book.credits()
    assert (balance["balance"], balance["overage"]) == ("90", "10")
    book.books_are_clean()


def test_a_grant_dated_back_covers_overage_that_is_not_invoiced(book: Diary) -> None:
    book.plan("pool", [OVERAGE])
    book.subscribe("pool")
    book.on("2027-01-10")
    book.use(usage={"input": 1000})
    book.on("2027-02-10")
    book.use(usage={"input": 1000})
    partly = book.use(usage={"output": 400})
    assert book.credits()["overage"] == "40"
    book.on("2027-02-12")

    give(book, "15", starts_at="2027-01-01T00:00:00Z", name="Goodwill", key="sorry")

    balance = book.credits()
    # January's ten are on an invoice; February's thirty are covered in order, as far as the grant goes.
    assert (balance["balance"], balance["overage"]) == ("0", "25")
    receipt = book.get(f"/v1/events/{partly}/receipt")["credits"]
    assert receipt["amount"] == "20"
    assert sum(float(draw["credits"]) for draw in receipt["draws"] if draw["grant"]) == 5
    text = book.get("/v1/customers/acme/credits/ledger")["results"][0]["text"]
    assert text == "15 credits of Goodwill cover usage from before they were granted"
    assert book.spend()["lines"][0]["amount_minor"] == 30
    book.books_are_clean()

    book.on("2027-03-01T03:00:00Z")
    assert [one["total_minor"] for one in book.invoices()] == [20, 30]
    book.books_are_clean()


def test_the_same_grant_key_is_a_conflict_and_gives_nothing(book: Diary) -> None:
    give(book, "5", key="promo")
    again = book.api.post("/v1/credit-grants", {"customer": "acme", "amount": "5", "key": "promo"})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert book.credits()["balance"] == "5"
    once = {"idempotency_key": "k1"}
    body = {"customer": "acme", "amount": "7"}
    first, replay = (book.api.post("/v1/credit-grants", body, **once) for _ in range(2))
    assert (first.status_code, replay["Idempotent-Replay"]) == (201, "true")
    assert first.json() == replay.json()
    assert book.credits()["balance"] == "12"


@pytest.mark.parametrize("second", ["same", "other"])
def test_two_subscriptions_each_burn_credits_for_an_event(diary: Callable[[str], Diary], second: str) -> None:
    """What is drawn for one never counts for the other: not when a plan changes, a grant comes late, or a table is wrong."""
    book = diary("2027-01-01")
    for key, credits in (("same", "10"), ("other", "1")):
        rates = [{"id": "all", "match": {"token_kind": "tokens"}, "credits": credits, "per": "1000"}]
        table = {"key": key, "name": key.title(), "rates": rates, "effective_at": "2026-01-01T00:00:00Z"}
        book.post("/v1/burn-tables", table)
        over = {"key": "over", "model": "credits", "burn_table": key, "unit_price": "0.02"}
        book.plan(key, [over], credit_grants=[{"amount": "4"}])
    book.customer()
    book.subscribe("same", key="one")
    book.subscribe(second, key="two")
    book.use(usage={"input": 1000})
    # Both grants, of 4 each, go to the first one's 10 credits; nothing is left for the second one's.
    told = [one["subtotal_minor"] for one in book.spend()["subscriptions"]]
    assert told == [4, 20 if second == "same" else 2]
    book.books_are_clean()

    book.on("2027-01-05")
    book.post("/v1/subscriptions/one/change", {"plan": "same", "at": "2027-01-01T00:00:00Z"})
    assert [one["subtotal_minor"] for one in book.spend()["subscriptions"]] == told
    book.books_are_clean()

    book.post("/v1/credit-grants", {"customer": "acme", "amount": "2", "starts_at": "2027-01-01T00:00:00Z"})
    assert [one["subtotal_minor"] for one in book.spend()["subscriptions"]] == [0, told[1]]
    book.books_are_clean()
