"""Moves: subscribers put on another version of their plan, planned, tried out, taken back, and resumed after a crash."""

from collections.abc import Callable
from typing import Any

import pytest

from billing.models import PlanMoveStep
from billing.plan_moves import MOVE_DUE
from core.due_work import schedule
from core.models import DueWork
from tests.billing.scenarios.diary import Diary

pytestmark = pytest.mark.django_db

TOKENS = {"key": "tokens", "meter": "output", "model": "per_unit", "unit_price": "0.01"}
TIERS = [{"up_to": "100", "unit_price": "0"}, {"up_to": None, "unit_price": "0.02"}]
MOVE = "/v1/plans/pro/versions/2/move"


def two_versions(book: Diary, *customers: str, **terms: Any) -> None:
    """Everybody has version 1; version 2 gives 100 tokens and asks double for the rest."""
    book.meter("output", value="usage.output")
    book.plan("pro", [TOKENS], fee="10.00", fee_timing="arrears")
    for key in customers:
        book.customer(key)
        book.subscribe("pro", customer=key)
    second = {"name": "Pro", "fee": "12.00", "fee_timing": "arrears"} | terms
    charge = {"key": "tokens", "meter": "output", "model": "graduated", "tiers": TIERS}
    book.post("/v1/plans/pro/versions", {**second, "charges": [charge]})
    book.post("/v1/plans/pro/versions/2/publish")


def statuses(move: Any) -> list[tuple[str, str]]:
    return [(one["customer"], one["status"]) for one in move["subscriptions"]]


def version(book: Diary, customer: str = "acme") -> int:
    return int(book.get(f"/v1/subscriptions/{customer}")["version"])


def test_everybody_moves_with_the_next_period(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    two_versions(book, "acme", "beta")
    book.on("2027-01-15")
    book.use(usage={"output": 300})

    move = book.post(MOVE, {"who": "all"})

    assert statuses(move) == [("acme", "planned"), ("beta", "planned")]
    assert {one["at"] for one in move["subscriptions"]} == {"2027-02-01T00:00:00Z"}
    assert version(book) == 1
    book.on("2027-02-01T03:00:00Z")
    assert version(book) == 2
    assert statuses(book.get(f"/v1/plan-moves/{move['id']}")) == [("acme", "moved"), ("beta", "moved")]
    book.use(usage={"output": 300})
    book.on("2027-03-01T03:00:00Z")
    # January: 300 × 0.01 and 10.00. February: 200 × 0.02 beyond the first 100, and 12.00.
    assert [book.lines(one) for one in book.invoices()] == [
        [("tokens", 300), ("fee", 1000)],
        [("tokens", 400), ("fee", 1200)],
    ]
    assert book.post(MOVE, {"who": "all"})["counts"] == {}
    book.books_are_clean()


def test_a_dry_run_says_what_the_last_period_would_have_cost_and_stores_nothing(
    diary: Callable[[str], Diary],
) -> None:
    book = diary("2027-01-01")
    two_versions(book, "acme")
    book.use(usage={"output": 300})
    book.on("2027-02-10")

    seen = book.post(f"{MOVE}?dry_run=true", {"who": "all"})

    [one] = seen["subscriptions"]
    assert (seen["total"], one["customer"], one["status"]) == (1, "acme", "planned")
    # 300 × 0.01 + 10.00 by version 1; 200 × 0.02 + 12.00 by version 2.
    assert one["last_period"] == {
        "period": {"start": "2027-01-01T00:00:00Z", "end": "2027-02-01T00:00:00Z"},
        "currency": "USD",
        "cost_minor": 1300,
        "would_cost_minor": 1600,
        "difference_minor": 300,
        "not_compared": [],
        "text": "It would have cost 16.00 USD instead of 13.00 USD.",
    }
    assert book.get("/v1/plan-moves")["results"] == []
    book.books_are_clean()


def test_a_charge_that_counts_something_new_is_named_and_not_guessed(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    book.meter("calls", aggregation="count")
    two_versions(book, "acme")
    charge = {"key": "calls", "meter": "calls", "model": "per_unit", "unit_price": "1"}
    book.post("/v1/plans/pro/versions", {"name": "Pro", "fee": "10.00", "charges": [charge]})
    book.post("/v1/plans/pro/versions/3/publish")
    book.use(usage={"output": 300})

    seen = book.post("/v1/plans/pro/versions/3/move?dry_run=true", {"who": "all"})

    last = seen["subscriptions"][0]["last_period"]
    assert (last["cost_minor"], last["would_cost_minor"], last["not_compared"]) == (1300, 1000, ["calls"])


def test_named_customers_move_at_a_moment_and_the_others_stay(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    two_versions(book, "acme", "beta")
    book.use(usage={"output": 300})

    book.post(MOVE, {"who": ["acme"], "when": "2027-01-11T00:00:00Z"})

    book.on("2027-01-11")
    book.use(usage={"output": 300})
    assert (version(book), version(book, "beta")) == (2, 1)
    book.on("2027-02-01T03:00:00Z")
    # Ten of 31 days of 10.00 and 21 of 12.00.
    assert book.lines(book.invoices()[-1]) == [("tokens", 300), ("tokens", 400), ("fee", 323), ("fee", 813)]
    book.books_are_clean()


def test_new_only_moves_nobody_and_is_kept(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    two_versions(book, "acme")

    move = book.post(MOVE, {"who": "new_only"})

    assert (move["counts"], move["subscriptions"]) == ({}, [])
    book.customer("newcomer")
    assert book.subscribe("pro", customer="newcomer")["version"] == 2
    book.on("2027-02-01T03:00:00Z")
    assert version(book) == 1
    assert [one["who"] for one in book.get("/v1/plan-moves")["results"]] == ["new_only"]


def test_a_cancelled_move_takes_back_what_has_not_taken_effect(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    two_versions(book, "acme")
    book.on("2027-01-15")
    book.customer("beta")
    book.subscribe("pro", customer="beta", version=1)
    move = book.post(MOVE, {"who": "all"})
    book.on("2027-02-02")

    cancelled = book.post(f"/v1/plan-moves/{move['id']}/cancel")

    # The one has moved on the first of February; the other's period runs to the 15th.
    assert statuses(cancelled) == [("acme", "moved"), ("beta", "cancelled")]
    assert [one["version"] for one in book.get("/v1/subscriptions/beta")["stretches"]] == [1]
    book.on("2027-03-16")
    assert (version(book), version(book, "beta")) == (2, 1)
    assert (
        book.post(f"/v1/plan-moves/{move['id']}/cancel")["cancelled_at"]
        == (book.get(f"/v1/plan-moves/{move['id']}")["cancelled_at"])
    )
    book.books_are_clean()


def test_who_cannot_move_is_told_why_and_stops_nobody(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    two_versions(book, "acme", "leaving", "changing")
    book.plan("other", [])
    book.post("/v1/subscriptions/leaving/cancel", {"at": "period_end"})
    book.post("/v1/subscriptions/changing/change", {"plan": "other", "at": "2027-03-01T00:00:00Z"})

    move = book.post(MOVE, {"who": "all"})

    assert [(one["customer"], one["status"], one["detail"]) for one in move["subscriptions"]] == [
        ("acme", "planned", ""),
        ("leaving", "refused", "It ends before that time."),
        ("changing", "refused", "A change to other, version 1, is planned for later."),
    ]


def test_a_change_by_hand_after_the_move_stands_when_the_move_is_cancelled(
    diary: Callable[[str], Diary],
) -> None:
    book = diary("2027-01-01")
    two_versions(book, "acme")
    book.plan("other", [])
    move = book.post(MOVE, {"who": "all"})
    book.post("/v1/subscriptions/acme/change", {"plan": "other", "at": "period_end"})

    cancelled = book.post(f"/v1/plan-moves/{move['id']}/cancel")

    assert cancelled["subscriptions"][0]["detail"] == "It had been changed again since."
    book.on("2027-02-02")
    assert book.get("/v1/subscriptions/acme")["plan"] == "other"


def test_a_move_killed_half_way_goes_on(
    diary: Callable[[str], Diary], monkeypatch: pytest.MonkeyPatch
) -> None:
    book = diary("2027-01-01")
    two_versions(book, "acme", "beta")
    monkeypatch.setattr("core.limits.MOVE_STEPS_AT_ONCE", 1)

    move = book.post(MOVE, {"who": "all"})

    assert statuses(move) == [("acme", "planned"), ("beta", "waiting")]
    # The first step's row is still there, as after a crash between its commit and the row's end.
    done = PlanMoveStep.objects.get(state="planned")
    key = f"{done.move_id.hex}:{done.subscription_id.hex}"
    schedule(done.customer_id, MOVE_DUE, key, done.settled_at)
    book.on("2027-01-02")
    assert PlanMoveStep.objects.get(customer_id=done.customer_id).settled_at == done.settled_at
    assert statuses(book.get(f"/v1/plan-moves/{move['id']}")) == [("acme", "planned"), ("beta", "planned")]
    assert not DueWork.objects.filter(kind=MOVE_DUE).exists()
    book.on("2027-02-02")
    assert (version(book), version(book, "beta")) == (2, 2)
    book.books_are_clean()


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"who": "required"}),
        ({"who": "some"}, {"who": "choice"}),
        ({"who": []}, {"who": "list"}),
        ({"who": [1]}, {"who": "list"}),
        ({"who": ["two words"]}, {"who": "list"}),
        ({"who": ["nobody"]}, {"who[0]": "unknown_customer"}),
        ({"who": "all", "when": "soon"}, {"when": "time"}),
        ({"who": "all", "when": "2026-12-31T00:00:00Z"}, {"when": "too_early"}),
        ({"who": "all", "then": 1}, {"then": "unknown_field"}),
    ],
)
def test_a_wrong_move_is_named(
    diary: Callable[[str], Diary], body: dict[str, Any], errors: dict[str, str]
) -> None:
    book = diary("2027-01-01")
    two_versions(book)
    response = book.api.post(MOVE, body)
    assert response.status_code == 422, response.content
    assert {one["field"]: one["code"] for one in response.json()["errors"]} == errors


def test_only_a_published_version_takes_subscribers(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    two_versions(book, "acme")
    book.post("/v1/plans/pro/versions", {"name": "Pro", "charges": []})
    assert book.api.post("/v1/plans/pro/versions/3/move", {"who": "all"}).status_code == 409
    assert book.api.post("/v1/plans/pro/versions/9/move", {"who": "all"}).status_code == 404


def test_a_version_retired_while_its_move_waits_takes_nobody_more(
    diary: Callable[[str], Diary], monkeypatch: pytest.MonkeyPatch
) -> None:
    book = diary("2027-01-01")
    two_versions(book, "acme", "beta")
    monkeypatch.setattr("core.limits.MOVE_STEPS_AT_ONCE", 1)
    move = book.post(MOVE, {"who": "all"})
    assert statuses(move) == [("acme", "planned"), ("beta", "waiting")]
    book.post("/v1/plans/pro/versions/2/retire")
    book.on("2027-02-02")
    told = book.get(f"/v1/plan-moves/{move['id']}")["subscriptions"]
    assert [(one["status"], one["detail"]) for one in told] == [
        ("moved", ""),
        ("refused", "Version 2 is retired: only a published one takes subscribers."),
    ]
    assert (version(book), version(book, "beta")) == (2, 1)
