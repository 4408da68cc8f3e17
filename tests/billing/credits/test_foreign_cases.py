"""Balances that another system's own tests assert, played through grants, events and draws of ours.

Each is reproduced, or differs by a rule, or asks for something that credits here do another way.
"""

import json
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from billing.credits.grants import (
    NewGrant,
    burn_order,
    credit_balance,
    expire_grant,
    grant_credits,
    void_grant,
)
from billing.models import CreditDraw, CreditGrant
from core.money import ZERO
from customers.models import Customer
from pricing.burn_tables import create_table
from tests.billing.test_path import breaches
from tests.billing.world import a_customer, a_plan, call, subscribe, use

CASES = Path(__file__).parents[4] / "shared" / "cases" / "credit_burn_down.json"

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not CASES.is_file(), reason="the collected cases do not lie beside the repository"),
]

# Our answer where it is not theirs, and the rule that makes it so.
DIFFERENT: dict[str, tuple[dict[str, Any], str]] = {
    "OMC-50": (
        {"total_balance": 7000, "overage": 500},
        "overage is billed, not owed: only a grant that starts before it pays for it",
    ),
}
RESET = "no balance is reset: each period of a plan brings a grant of its own, and carries over what it says"
ELSEWHERE = {
    "OMC-16": "no grant refills itself: a plan's period brings a new one",
    "OMC-30": RESET,
    "OMC-36": "a customer begins without overage: that of a closed period is on its invoice",
    "OMC-42": RESET,
    "OMC-44": RESET,
    "OMC-45": RESET,
}
# How they cut a run into pieces: ours has none.
OTHER_WORDS = {"segments", "segment_usage"}


def read() -> list[dict[str, Any]]:
    if not CASES.is_file():
        return []
    return json.loads(CASES.read_text(), parse_float=Decimal)["cases"]


def time_of(text: str) -> datetime:
    return datetime.fromisoformat(text)


def an_account(start: datetime, per: str = "1", **terms: Any) -> Customer:
    """A customer who burns one credit for so many tokens, and pays for what no grant covers."""
    customer = a_customer()
    rate = {"id": "all", "match": {"token_kind": "input"}, "credits": "1", "per": per}
    create_table("standard", "Standard", [rate], now=start, effective_at=start)
    overage = {"key": "overage", "model": "credits", "burn_table": "standard", "unit_price": "0.02"}
    subscribe(customer, a_plan([overage], **terms), at=start)
    return customer


def give(customer: Customer, told: dict[str, Any], start: dict[str, Any]) -> CreditGrant:
    at = time_of(told["effective_at"])
    # A grant that is older than the run has the balance that the run begins with.
    left = start["balances"][told["id"]] if at <= time_of(start["at"]) else told["amount"]
    ends = time_of(told["expires_at"]) if "expires_at" in told else None
    new = NewGrant(told["id"], Decimal(left), at, expires_at=ends, priority=told["priority"])
    return grant_credits(customer.id, new, now=at)


def played(case: dict[str, Any]) -> dict[str, Any]:
    """What the case comes to: its grants, events and voids in the order in which they happen."""
    start, until = case["start"], time_of(case["until"])
    began = time_of(start["at"])
    early = [event for event in case["usage_events"] if time_of(event["at"]) < began]
    customer = an_account(began)
    steps: list[tuple[datetime, int, dict[str, Any]]] = []
    for told in case["grants"]:
        steps.append((time_of(told["effective_at"]), 0, told))
        ended = told.get("voided_at") or told.get("deleted_at")
        steps += [(time_of(ended), 1, told)] if ended else []
        steps += [(time_of(told["expires_at"]), 2, told)] if "expires_at" in told else []
    steps += [(time_of(event["at"]), 3, event) for event in [*early, *case["usage_events"]]]
    grants: dict[str, CreditGrant] = {}
    for n, (at, kind, told) in enumerate(sorted(steps, key=lambda step: step[:2])):
        if at >= until and kind:
            continue
        match kind:
            case 0:
                grants[told["id"]] = give(customer, told, start)
            case 1:
                void_grant(customer.id, grants[told["id"]].id, now=at, reason="ended")
            case 2:
                expire_grant(customer.id, grants[told["id"]].id, now=at)
            case _:
                use(customer, call(f"e{n}", at, usage={"input": told["value"]}), now=max(at, began))
    assert breaches() == []
    return told_of(customer, until, Decimal(start["usage_in_period"]), Decimal(start["total_grant_usage"]))


def told_of(customer: Customer, until: datetime, used: Decimal, covered: Decimal) -> dict[str, Any]:
    """Our answer in their words; ``used`` and ``covered`` are what the run began with."""
    balance = credit_balance(customer.id, as_of=until)
    active = {left.grant.key: left.remaining for left in balance.grants}
    for key in CreditGrant.objects.filter(starts_at__lte=until).values_list("key", flat=True):
        active.setdefault(key, ZERO)
    for draw in CreditDraw.objects.all():
        used += draw.credits
        covered += draw.credits if draw.grant_id else ZERO
    return {
        "balances": active,
        "balance": balance.balance,
        "total_balance": balance.balance,
        "overage": balance.overage,
        "usage_in_period": used,
        "total_grant_usage": covered,
        "total_available": covered + balance.balance,
    }


def in_other_units(case: dict[str, Any]) -> dict[str, Any]:
    start = datetime.fromisoformat("2024-03-01T00:00:00Z")
    customer = an_account(start, per=str(case["factor"]))
    grant_credits(customer.id, NewGrant("quota", Decimal(case["grant"]), start), now=start)
    use(customer, call("e1", start + timedelta(hours=1), usage={"input": case["raw_usage"]}))
    return told_of(customer, start + timedelta(days=1), ZERO, ZERO)


def among_many(case: dict[str, Any]) -> dict[str, Any]:
    """The order alone: it is one sort, however many grants there are."""
    start = datetime.fromisoformat("2024-01-01T00:00:00Z")
    days = [case["expiry_days"]] * (case["n_grants"] - 1) + [case["odd_one_expiry_days"]]
    grants = [
        CreditGrant(id=n, starts_at=start, expires_at=start + timedelta(days=d)) for n, d in enumerate(days)
    ]
    odd_is_first = min(grants, key=burn_order) is grants[-1]
    each = Decimal(case["amount_each"])
    return {"odd_one_balance": each - case["usage"] if odd_is_first else each, "all_others": each}


def collected(case: dict[str, Any]) -> dict[str, Any]:
    """One event that burns more than there is, and what it drew from each source, in order."""
    start = datetime.fromisoformat("2024-03-01T00:00:00Z")
    customer = an_account(start)
    for source in case["sources"]:
        only = {"properties.feature": source["features"]} if source.get("features") else None
        amount = Decimal(source["available"])
        new = NewGrant(source["id"], amount, start, priority=source["priority"], applies_to=only)
        grant_credits(customer.id, new, now=start)
    use(customer, call("e1", start + timedelta(hours=1), usage={"input": case["collect"]}))
    keys = dict(CreditGrant.objects.values_list("id", "key"))
    drawn = CreditDraw.objects.exclude(grant_id=None).order_by("seq", "n")
    assert breaches() == []
    return {"drawn": [[keys[draw.grant_id], draw.credits] for draw in drawn]}


ANSWERS = {
    "engine": played,
    "service": played,
    "unit_conversion": in_other_units,
    "scale": among_many,
    "ledger": collected,
}


def verdict(case: dict[str, Any]) -> tuple[str, str]:
    """How our answer stands to theirs; a case that nothing explains is an assertion error."""
    if case["id"] in ELSEWHERE:
        return "elsewhere", ELSEWHERE[case["id"]]
    told = case["expected"]
    expected = {"drawn": told} if isinstance(told, list) else told
    answer = ANSWERS[case["kind"]](case)
    asked = expected.keys() - OTHER_WORDS
    assert asked <= answer.keys(), f"{case['id']} asks {asked - answer.keys()}"
    differing = {key: answer[key] for key in asked if answer[key] != expected[key]}
    ours, why = DIFFERENT.get(case["id"], ({}, ""))
    assert differing == ours, f"{case['id']}: ours {differing}, theirs {expected}, said to be {ours}"
    return ("different", why) if ours else ("same", "")


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in read()])
def test_a_balance_of_another_system_is_explained(case: dict[str, Any]) -> None:
    """``pytest -s`` shows how each stands."""
    kind, reason = verdict(case)
    print(f"{case['id']:8} {case['title'][:60]:60} {kind:10} {reason}")


def test_no_case_is_left_out() -> None:
    names = {case["id"] for case in read()}
    assert len(names) == 21
    assert ELSEWHERE.keys() | DIFFERENT.keys() <= names
    assert Counter(name in ELSEWHERE for name in names) == {True: 6, False: 15}
