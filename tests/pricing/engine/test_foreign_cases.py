"""Numbers that other systems' own tests assert: each is reproduced, or differs by a rule, or asks another thing."""

import json
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.pricing.engine import foreign_a, foreign_b

CASES = Path(__file__).parents[4] / "shared" / "cases"

pytestmark = pytest.mark.skipif(
    not CASES.is_dir(), reason="the collected cases do not lie beside the repository"
)

# Our answer where it is not theirs, and the rule that makes it so.
DIFFERENT: dict[str, tuple[dict[str, Any], str]] = {
    "llm-6": (
        {"total_usd": "0.001333333333333", "total_cents": "0.1333333333333"},
        "amounts keep 18 decimals, half away from zero; theirs are cut at 12",
    ),
    "PC-013": (
        {"total": "0"},
        "a minimum is billed with the first part of a period, and the parts add up; theirs with the last",
    ),
    "PC-017": ({"total": "15"}, "the maximum comes before the discount, as published; theirs after it"),
    "PC-023": (
        {"total": "0"},
        "a minimum is billed with the first part of a period, and the parts add up; theirs with the last",
    ),
    "PC-047": (
        {"total": "150"},
        "a volume price is billed as it stands and corrected by the next part; theirs waits for the last",
    ),
    "PC-282": ({"total": "10"}, "a tier reaches up to and including its bound; theirs stops before it"),
}

# What they say of a case that our answer has no word for: a charge is one line, not one and a true-up, and
# a mean price of a unit, rounded for display, is no price.
OTHER_WORDS = {
    "min_spend_line",
    "percent_discount_amount",
    "max_spend_discount",
    "usage_fee",
    "usage_tax",
    "true_up_tax",
    "first_credit_precise_tax",
    "rounding_adjustment",
    "markup_source",
    "unit_amount_rounded",
}

ELSEWHERE: dict[str, str] = {
    "charge.graduated.prorated": "fixed sums of a period prorate; units of a standing quantity do not",
    "aggregation": "how events become a quantity is a meter's matter",
    "progressive_billing": "nothing is invoiced inside a period; budgets and top-ups stand for thresholds",
    "wallet": "prepaid money and grants are drawn by the ledger, not priced",
    "coupon": "no coupons of a fixed sum; a subscription's discount is a percentage",
    "alert": "alerts belong to budgets",
    "credits_on_lines": "credit is money's matter after the total, not a line's",
    "bucketed": "no pricing by time window",
    "commitment": "no commitment by window and no overage factor",
    "credit_cost": "credits per unit are the burn table's",
    "PC-094": "packs round up or down, never to the nearest",
    "PC-098": "a unit is converted by its meter before any tier",
}


def read(name: str) -> list[dict[str, Any]]:
    if not CASES.is_dir():
        return []
    return json.loads((CASES / name).read_text(), parse_float=Decimal)["cases"]


def elsewhere(case: dict[str, Any], topic: str) -> str | None:
    if case["id"] in ELSEWHERE:
        return ELSEWHERE[case["id"]]
    if topic in ELSEWHERE:
        return ELSEWHERE[topic]
    head = topic.split(".")[0]
    return ELSEWHERE.get(head) if topic not in foreign_a.ANSWERS else None


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, Mapping):
        return set(theirs) <= set(ours) and all(same(ours[key], theirs[key]) for key in theirs)
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return Decimal(str(ours)) == Decimal(str(theirs))


def verdict(case: dict[str, Any], topic: str, answers: Mapping[str, Any]) -> tuple[str, str]:
    """How our answer stands to theirs; a case that nothing explains is an assertion error."""
    reason = elsewhere(case, topic)
    if reason is not None:
        return "elsewhere", reason
    expected = {key: value for key, value in case["expected"].items() if key not in OTHER_WORDS}
    answer = answers[topic](case)
    assert set(expected) <= set(answer), f"{case['id']} asks {set(expected) - set(answer)}"
    differing = {key: answer[key] for key in expected if not same(answer[key], expected[key])}
    if case["id"] not in DIFFERENT:
        assert not differing, f"{case['id']}: ours {differing}, theirs {case['expected']}"
        return "same", ""
    ours, why = DIFFERENT[case["id"]]
    assert same(differing, ours), f"{case['id']}: ours {differing}, said to be {ours}"
    return "different", why


CASES_A = [(case, case["group"], foreign_a.ANSWERS) for case in read("charges_and_invoices_a.json")]
CASES_B = [(case, case["model"], foreign_b.ANSWERS) for case in read("charges_b.json")]


@pytest.mark.parametrize(
    ("case", "topic", "answers"), [pytest.param(*row, id=row[0]["id"]) for row in CASES_A + CASES_B]
)
def test_a_case_of_another_system_is_explained(
    case: dict[str, Any], topic: str, answers: Mapping[str, Any]
) -> None:
    verdict(case, topic, answers)


def test_every_case_is_explained_and_the_table_says_how() -> None:
    """``pytest -s`` shows the table."""
    rows = [(case["id"], topic, *verdict(case, topic, answers)) for case, topic, answers in CASES_A + CASES_B]
    for name, topic, kind, reason in rows:
        print(f"{name:16} {topic:34} {kind:10} {reason}")
    print(dict(Counter(kind for _, _, kind, _ in rows)))
    assert len(rows) == 136
    assert {name for name, _, kind, _ in rows if kind == "different"} == set(DIFFERENT)
