"""Every table in docs/pricing.md is what the engine says."""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.money import from_minor, shown
from core.periods import Share
from pricing.engine.allowance import MeasuredCharge, parse_allowance, pool_parts
from pricing.engine.charge import READERS, parse_charge
from pricing.engine.contributions import contributions
from pricing.engine.invoice import ChargeUsage, Fee, MarginFloor, PeriodInput, rate_period
from pricing.engine.rating import rate_charge
from pricing.engine.usage import EventFacts, Usage

PAGE = (Path(__file__).parents[3] / "docs" / "pricing.md").read_text()
FENCE = re.compile(r"```json (charge|period|allowances)\n(.*?)```\n\n((?:\|[^\n]*\n)+)", re.DOTALL)
EXAMPLES = [
    pytest.param(kind, json.loads(text), table, id=f"{index}-{json.loads(text).get('model', kind)}")
    for index, (kind, text, table) in enumerate(FENCE.findall(PAGE))
]


def rows(table: str) -> list[dict[str, str]]:
    header, _, *lines = [
        [cell.strip() for cell in line.strip().strip("|").split("|")] for line in table.splitlines()
    ]
    return [dict(zip(header, line, strict=True)) for line in lines]


def share(text: str | None) -> Share | None:
    return Share(*map(int, text.split(" of "))) if text else None


def used(charge: dict[str, Any], row: dict[str, str]) -> list[Usage]:
    if "events" in row:
        facts = [EventFacts(Decimal(value)) for value in row["events"].split(", ")]
    else:
        pairs = [
            (pair.split(" ")[0], pair.split(" ")[1]) for pair in row.get("dimensions", "").split(", ") if pair
        ]
        facts = [
            EventFacts(
                quantity=Decimal(row.get("quantity", "1")),
                cost=Decimal(row.get("cost", "0")),
                dimensions=dict(pairs),
                amount=Decimal(row["amount"]) if "amount" in row else None,
                credits=Decimal(row.get("credits", "0")),
                credits_covered=Decimal(row.get("covered", "0")),
            )
        ]
    return contributions(parse_charge(charge), facts)


@pytest.mark.parametrize(("kind", "written", "table"), [e for e in EXAMPLES if e.values[0] == "charge"])
def test_a_worked_table_is_what_the_engine_says(kind: str, written: dict[str, Any], table: str) -> None:
    charge = parse_charge(written)
    for row in rows(table):
        before = [Usage(quantity=Decimal(row["before"]))] if row.get("before") else []
        rated = rate_charge(
            charge, used(written, row), exponent=2, share=share(row.get("share")), before=before
        )
        assert shown(rated.amount_unrounded) == row["unrounded"], row
        assert str(from_minor(rated.amount_minor, 2)) == row["billed"], row
        assert shown(rated.absorbed) == row.get("absorbed", "0"), row


@pytest.mark.parametrize(("kind", "written", "table"), [e for e in EXAMPLES if e.values[0] == "period"])
def test_the_whole_period_is_what_the_engine_says(kind: str, written: dict[str, Any], table: str) -> None:
    floor = written["margin_floor"]
    rated = rate_period(
        PeriodInput(
            currency_exponent=2,
            charges=[
                ChargeUsage(parse_charge(written["usage"]), [Usage(quantity=Decimal(written["quantity"]))])
            ],
            fees=[Fee(Decimal(written["fee"]), share(written["fee_share"]))],
            commitment=Decimal(written["commitment"]),
            commitment_share=share(written["commitment_share"]),
            subscription_discount_percent=Decimal(written["discount_percent"]),
            margin_floor=MarginFloor(Decimal(floor["rate"]), floor["on_breach"]),
            cost_total=Decimal(written["cost"]),
            tax_rate=Decimal(written["tax_rate"]),
        )
    )
    found = [
        (line.kind, shown(line.unrounded), str(from_minor(line.amount_minor, 2))) for line in rated.lines
    ]
    sums = {"subtotal": rated.subtotal_minor, "tax": rated.tax_minor, "total": rated.total_minor}
    found += [(name, "", str(from_minor(minor, 2))) for name, minor in sums.items()]
    assert found == [tuple(row.values()) for row in rows(table)]


@pytest.mark.parametrize(("kind", "written", "table"), [e for e in EXAMPLES if e.values[0] == "allowances"])
def test_a_shared_allowance_is_what_the_engine_says(kind: str, written: dict[str, Any], table: str) -> None:
    allowances = [parse_allowance(one) for one in written["allowances"]]
    charges = [parse_charge(one) for one in written["charges"]]
    for row in rows(table):
        part = share(row["share"])
        measured = [MeasuredCharge(one, [Usage(quantity=Decimal(row[one.key]))], part) for one in charges]
        parts = pool_parts(allowances, measured)
        for one in measured:
            key = one.charge.key
            rated = rate_charge(one.charge, one.usage, exponent=2, share=part, pool=parts.get(key))
            assert str(from_minor(rated.amount_minor, 2)) == row[f"{key} billed"], row
            assert key not in parts or shown(parts[key].taken) == row[f"{key} takes"], row


def test_every_model_has_a_worked_table() -> None:
    worked = {example.values[1].get("model") for example in EXAMPLES}
    assert set(READERS) <= worked
    assert PAGE.count("```json") == len(EXAMPLES)
