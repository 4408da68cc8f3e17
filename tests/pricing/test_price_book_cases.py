"""Real usage of the large providers, priced to the digit: the lines and totals of the shared cases."""

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pricing.price_book import cost_of_usage
from pricing.price_sources.genai_prices import context_name

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases" / "llm_usage.json"
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not CASES.exists(), reason="the shared cases are not beside this checkout"),
]


def cases(use: str) -> list[Any]:
    if not CASES.exists():
        return []
    found = json.loads(CASES.read_text(), parse_float=Decimal)["cases"]
    return [pytest.param(case, id=case["id"]) for case in found if case["use_as"] == use]


def cost_of(case: dict[str, Any]) -> Any:
    return cost_of_usage(
        case["provider"],
        case["model"],
        {bucket: Decimal(count) for bucket, count in case["canonical"].items()},
        context=context_name(case["price_context"]),
        at=datetime.fromisoformat(case["at"]),
    )


@pytest.mark.parametrize("case", cases("acceptance"))
def test_the_cost_is_exact_line_by_line(case: dict[str, Any], packaged_book: object) -> None:
    cost = cost_of(case)

    assert cost.unpriced == ()
    assert cost.amount == Decimal(case["expected_usd"])
    expected = {line["bucket"]: (Decimal(line["qty"]), Decimal(line["usd"])) for line in case["lines"]}
    assert {line.bucket: (line.quantity, line.amount) for line in cost.lines} == expected
    for line in case["lines"]:
        if "priced_as" in line:
            assert {made.bucket: made.priced_as for made in cost.lines}[line["bucket"]] == line["priced_as"]


def test_a_cache_lifetime_without_a_price_is_unpriced_not_guessed(packaged_book: object) -> None:
    case = next(param.values[0] for param in cases("normalisation_only") if "ttl" in param.id)

    assert cost_of(case).unpriced == ("cache_write_30m", "cache_write_12h")


@pytest.mark.parametrize(
    ("case_id", "dated"),
    [("openai_tier_flex_before_2026_10_12", "0.005848"), ("deepseek_history_trap", "0.0000410536")],
)
def test_known_defects_of_the_source_are_put_right(case_id: str, dated: str, packaged_book: object) -> None:
    case = next(param.values[0] for param in cases("known_source_defect") if param.id == case_id)

    cost = cost_of(case)

    assert cost.unpriced == ()
    assert cost.amount == Decimal(dated) != Decimal(case["expected_usd"])
