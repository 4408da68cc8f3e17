"""Allowances that charges share: what holds whatever they are and whatever was used."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import strategies as st

from core.periods import Share
from pricing.engine.allowance import (
    Allowance,
    MeasuredCharge,
    check_allowances,
    parse_allowance,
    pool_parts,
)
from pricing.engine.charge import Charge, parse_charge
from pricing.engine.fields import ChargeError
from pricing.engine.rating import rate_charge
from pricing.engine.usage import NOTHING, Usage, merge
from tests.pricing.engine import made

SHARED = ("per_unit", "graduated", "volume", "package", "matrix")
KEYS = ("a", "b", "c")
QUANTITIES = st.lists(made.written(80).map(Decimal), min_size=0, max_size=4)


@st.composite
def plans(draw: st.DrawFn) -> tuple[Allowance, list[Charge]]:
    charges = [
        parse_charge(draw(made.charges(draw(st.sampled_from(SHARED)), True)) | {"key": key, "meter": key})
        for key in KEYS
    ]
    order = draw(st.permutations(KEYS))[: draw(st.integers(1, 3))]
    body = {"key": "pool", "amount": draw(made.written(120)), "charges": order}
    if Decimal(body["amount"]) == 0:
        body["amount"] = "1"
    return parse_allowance(body), charges


def used(charges: list[Charge], quantities: list[list[Decimal]], share: Share | None) -> list[MeasuredCharge]:
    return [
        MeasuredCharge(one, [Usage(quantity=q, events=1) for q in own], share)
        for one, own in zip(charges, quantities, strict=True)
    ]


THREE = st.tuples(QUANTITIES, QUANTITIES, QUANTITIES).map(list)


@made.given(plan=plans(), quantities=THREE, part=made.SHARE)
def test_it_is_given_out_in_its_order_until_it_is_used_up(
    plan: tuple[Allowance, list[Charge]], quantities: list[list[Decimal]], part: tuple[int, int]
) -> None:
    allowance, charges = plan
    parts = pool_parts([allowance], used(charges, quantities, Share(*part)))
    left = Fraction(allowance.amount) * Fraction(*part)
    for key in allowance.charges:
        charge, own = charges[KEYS.index(key)], quantities[KEYS.index(key)]
        included = Fraction(charge.included) * (Fraction(*part) if charge.prorate else 1)
        rest = max(Fraction(0), sum(map(Fraction, own), Fraction(0)) - included)
        taken = min(rest, left)
        assert abs(Fraction(parts[key].taken) - taken) < Fraction(1, 10**30)
        left -= taken
    assert set(parts) == set(allowance.charges)


@made.given(plan=plans(), quantities=THREE, data=st.data())
def test_the_order_and_the_grouping_of_usage_change_nothing(
    plan: tuple[Allowance, list[Charge]], quantities: list[list[Decimal]], data: st.DataObject
) -> None:
    allowance, charges = plan
    measured = used(charges, quantities, None)
    shuffled = [item._replace(usage=data.draw(st.permutations(item.usage))) for item in measured]
    merged = [item._replace(usage=merge(item.usage)) for item in measured]
    told = pool_parts([allowance], measured)
    assert pool_parts([allowance], shuffled) == pool_parts([allowance], merged) == told
    assert pool_parts([allowance], reversed(measured)) == told


@made.given(plan=plans(), quantities=THREE, cuts=st.tuples(*[st.integers(0, 4)] * 3))
def test_parts_of_a_period_add_up_to_the_whole(
    plan: tuple[Allowance, list[Charge]], quantities: list[list[Decimal]], cuts: tuple[int, ...]
) -> None:
    allowance, charges = plan
    whole = used(charges, quantities, None)
    first = used(charges, [own[:cut] for own, cut in zip(quantities, cuts, strict=True)], None)
    pools, pools_first = pool_parts([allowance], whole), pool_parts([allowance], first)
    for all_of_it, earlier in zip(whole, first, strict=True):
        charge, key = all_of_it.charge, all_of_it.charge.key
        rated = rate_charge(charge, all_of_it.usage, exponent=2, pool=pools.get(key))
        begun = rate_charge(charge, earlier.usage, exponent=2, pool=pools_first.get(key))
        rest = rate_charge(
            charge,
            all_of_it.usage[len(earlier.usage) :],
            exponent=2,
            before=earlier.usage or [NOTHING],
            pool=pools.get(key),
            pool_before=pools_first.get(key),
        )
        assert begun.amount_minor + rest.amount_minor == rated.amount_minor
        assert begun.amount_unrounded + rest.amount_unrounded == rated.amount_unrounded


@made.given(plan=plans(), quantities=THREE)
def test_an_allowance_all_for_one_charge_is_what_it_includes(
    plan: tuple[Allowance, list[Charge]], quantities: list[list[Decimal]]
) -> None:
    allowance, charges = plan
    charge, own = charges[0], quantities[0]
    alone = parse_allowance({"key": "pool", "amount": str(allowance.amount), "charges": ["a"]})
    (item,) = used([charge], [own], None)
    pooled = rate_charge(charge, item.usage, exponent=2, pool=pool_parts([alone], [item])["a"])
    more = charge.as_json() | {"included": str(charge.included + allowance.amount)}
    included = rate_charge(parse_charge(more), item.usage, exponent=2)
    assert pooled.amount_unrounded == included.amount_unrounded


def test_each_line_tells_what_it_took() -> None:
    sold = [
        parse_charge({"key": key, "meter": key, "model": "per_unit", "unit_price": "1"})
        for key in ("in", "out")
    ]
    pool = parse_allowance({"key": "t", "name": "free tokens", "amount": "100", "charges": ["in", "out"]})
    measured = [MeasuredCharge(one, [Usage(quantity=Decimal(70))]) for one in sold]
    parts = pool_parts([pool], measured)
    told = [
        [step.text for step in rate_charge(m.charge, m.usage, exponent=2, pool=parts[m.charge.key]).explain]
        for m in measured
    ]
    assert told[0][1] == "70 of the 100 of free tokens, 0 to bill"
    assert told[1][1] == "30 of the 100 of free tokens, 70 taken before, 40 to bill"


@pytest.mark.parametrize(
    ("allowance", "field", "code"),
    [
        ({"amount": "1", "charges": ["a"]}, "key", "required"),
        ({"key": "p", "charges": ["a"]}, "amount", "required"),
        ({"key": "p", "amount": "0", "charges": ["a"]}, "amount", "too_small"),
        ({"key": "p", "amount": "1"}, "charges", "required"),
        ({"key": "p", "amount": "1", "charges": []}, "charges", "not_a_list"),
        ({"key": "p", "amount": "1", "charges": ["a", "a"]}, "charges[1]", "duplicate"),
        ({"key": "p", "amount": "1", "charges": [3]}, "charges[0]", "not_text"),
        ({"key": "p", "amount": "1", "charges": ["a"], "order": 1}, "order", "unknown_field"),
        ({"key": "p", "amount": "1", "charges": ["z"]}, "allowances[0].charges[0]", "unknown_charge"),
        ({"key": "p", "amount": "1", "charges": ["fixed"]}, "allowances[0].charges[0]", "contradiction"),
        ({"key": "p", "amount": "1", "charges": ["a"], "per": "z"}, "allowances[0].per", "unknown_charge"),
        (
            {"key": "p", "amount": "1", "charges": ["a"], "per": "fixed"},
            "allowances[0].per",
            "unknown_charge",
        ),
        ({"key": "p", "amount": "1", "charges": ["a"], "per": "a"}, "allowances[0].per", "contradiction"),
    ],
)
def test_what_is_wrong_with_one_is_named(allowance: dict[str, Any], field: str, code: str) -> None:
    plan = [
        parse_charge({"key": "a", "meter": "a", "model": "per_unit", "unit_price": "1"}),
        parse_charge({"key": "fixed", "model": "flat", "amount": "1"}),
    ]
    with pytest.raises(ChargeError) as refused:
        check_allowances([parse_allowance(allowance)], plan)
    assert [(issue.field, issue.code) for issue in refused.value.issues] == [(field, code)]


def test_a_charge_takes_from_one_allowance_alone() -> None:
    plan = [parse_charge({"key": "a", "meter": "a", "model": "per_unit", "unit_price": "1"})]
    two = [parse_allowance({"key": key, "amount": "1", "charges": ["a"]}) for key in ("p", "q")]
    with pytest.raises(ChargeError, match="takes from the allowance 'p' already"):
        check_allowances(two, plan)
