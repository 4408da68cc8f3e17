"""What holds for every charge and every usage, found by search and checked against the naive oracle."""

from decimal import ROUND_DOWN, Context, Decimal, Inexact, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume
from hypothesis import strategies as st

from core.money import from_minor, round_to_minor
from core.periods import Share
from pricing.engine.charge import parse_charge
from pricing.engine.rating import RatedCharge, rate_charge
from pricing.engine.usage import NOTHING, Usage, merge, total
from tests.pricing.engine import made, oracle

EXPONENTS = st.sampled_from([0, 2, 3])
QUANTITIES = made.written(80).map(Decimal)
SHARES = st.integers(1, 100).map(lambda percent: Decimal(percent).scaleb(-2))
by_model = pytest.mark.parametrize("model", made.MODELS)


def rate(charge: dict[str, Any], quantity: Decimal, exponent: int = 2, **more: Any) -> RatedCharge:
    return rate_charge(parse_charge(charge), [Usage(quantity=quantity, events=1)], exponent=exponent, **more)


@by_model
@made.given(data=st.data(), exponent=EXPONENTS, events=made.EVENTS, share=made.SHARE)
def test_every_model_agrees_with_the_oracle(
    model: str, data: st.DataObject, exponent: int, events: list[dict[str, Any]], share: tuple[int, int]
) -> None:
    written = data.draw(made.charges(model))
    charge = parse_charge(written)
    rated = rate_charge(charge, made.used(charge, events), exponent=exponent, share=Share(*share))
    expected = oracle.owed(written, events, *share)
    assert Fraction(rated.amount_unrounded) == expected
    assert rated.amount_minor == oracle.half_away(expected, exponent) * 10**exponent


@by_model
@made.given(data=st.data(), events=made.EVENTS)
def test_the_order_and_the_grouping_of_usage_change_nothing(
    model: str, data: st.DataObject, events: list[dict[str, Any]]
) -> None:
    charge = parse_charge(data.draw(made.charges(model)))
    usage = made.used(charge, events)
    rated = rate_charge(charge, usage, exponent=2)
    assert rate_charge(charge, data.draw(st.permutations(usage)), exponent=2) == rated
    cut = data.draw(st.integers(0, len(usage)))
    assert rate_charge(charge, [*merge(usage[:cut]), *merge(usage[cut:])], exponent=2) == rated


@by_model
@made.given(data=st.data(), events=made.EVENTS)
def test_the_order_of_events_changes_nothing_unless_the_charge_counts_in_order(
    model: str, data: st.DataObject, events: list[dict[str, Any]]
) -> None:
    unordered = {"free_events": None, "free_amount": None} if model == "percentage" else {}
    charge = parse_charge(data.draw(made.charges(model)) | unordered)
    assert not charge.counts_in_order
    shuffled = data.draw(st.permutations(events))
    assert rate_charge(charge, made.used(charge, shuffled), exponent=2) == rate_charge(
        charge, made.used(charge, events), exponent=2
    )


@by_model
@made.given(data=st.data(), events=made.EVENTS, exponent=EXPONENTS, share=made.SHARE)
def test_the_parts_of_a_period_add_up_to_the_period(
    model: str, data: st.DataObject, events: list[dict[str, Any]], exponent: int, share: tuple[int, int]
) -> None:
    charge = parse_charge(data.draw(made.charges(model)))
    usage = made.used(charge, events)
    whole = rate_charge(charge, usage, exponent=exponent, share=Share(*share))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(usage)), max_size=3)))
    parts = []
    for start, end in zip([0, *cuts], [*cuts, len(usage)], strict=True):
        before = usage[:start] if start else ([NOTHING] if parts else [])
        parts.append(
            rate_charge(charge, usage[start:end], exponent=exponent, share=Share(*share), before=before)
        )
    assert sum(part.amount_unrounded for part in parts) == whole.amount_unrounded
    assert sum(part.amount_minor for part in parts) == whole.amount_minor
    assert sum(part.quantity for part in parts) == whole.quantity
    assert sum(part.lift for part in parts) == whole.lift
    assert sum(part.absorbed for part in parts) == whole.absorbed
    assert sum(part.cost for part in parts) == whole.cost


@by_model
@made.given(data=st.data(), events=made.EVENTS, share=made.SHARE)
def test_the_context_of_the_caller_changes_nothing(
    model: str, data: st.DataObject, events: list[dict[str, Any]], share: tuple[int, int]
) -> None:
    written = data.draw(made.charges(model))

    def result() -> tuple[RatedCharge, Usage]:
        charge = parse_charge(written)
        usage = made.used(charge, events)
        return rate_charge(charge, usage, exponent=2, share=Share(*share)), total(usage)

    expected = result()
    with localcontext(Context(prec=2, rounding=ROUND_DOWN, traps=[Inexact])):
        assert result() == expected


@by_model
@made.given(data=st.data(), events=made.EVENTS, exponent=EXPONENTS)
def test_rounding_happens_once_and_rounding_again_changes_nothing(
    model: str, data: st.DataObject, events: list[dict[str, Any]], exponent: int
) -> None:
    charge = parse_charge(data.draw(made.charges(model)))
    rated = rate_charge(charge, made.used(charge, events), exponent=exponent)
    assert rated.amount_minor == round_to_minor(rated.amount_unrounded, exponent)
    assert round_to_minor(from_minor(rated.amount_minor, exponent), exponent) == rated.amount_minor
    assert rated.amount_minor >= 0


@by_model
@made.given(data=st.data())
def test_a_charge_reads_back_what_it_writes(model: str, data: st.DataObject) -> None:
    charge = parse_charge(data.draw(made.charges(model)))
    assert parse_charge(charge.as_json()) == charge


@pytest.mark.parametrize("model", ["per_unit", "graduated", "graduated_percentage", "package"])
@made.given(data=st.data(), less=QUANTITIES, more=QUANTITIES)
def test_more_use_never_costs_less(model: str, data: st.DataObject, less: Decimal, more: Decimal) -> None:
    charge = data.draw(made.charges(model))
    less, more = min(less, more), max(less, more)
    assert rate(charge, less).amount_unrounded <= rate(charge, more).amount_unrounded


@made.given(data=st.data(), charge=made.charges("volume"), less=SHARES, more=SHARES)
def test_a_volume_price_never_falls_within_a_tier(
    data: st.DataObject, charge: dict[str, Any], less: Decimal, more: Decimal
) -> None:
    edges = [Decimal(0), *(Decimal(tier["up_to"]) for tier in charge["tiers"] if tier["up_to"])]
    within = data.draw(st.integers(0, len(edges) - 1))
    start = Decimal(charge["included"]) + edges[within]
    width = edges[within + 1] - edges[within] if within + 1 < len(edges) else Decimal(1000)
    less, more = (start + width * share for share in sorted([less, more]))
    assert rate(charge, less).amount_unrounded <= rate(charge, more).amount_unrounded


def test_a_volume_price_may_fall_where_a_cheaper_tier_begins() -> None:
    charge = {"key": "v", "meter": "m", "model": "volume"} | {
        "tiers": [{"up_to": "100", "unit_price": "2"}, {"up_to": None, "unit_price": "1"}]
    }
    assert [rate(charge, Decimal(quantity)).amount_minor for quantity in (100, 101)] == [20000, 10100]


@made.given(charge=made.charges("graduated", plain=True), epsilon=st.sampled_from(["0.001", "1E-18"]))
def test_a_graduated_price_is_continuous_at_its_edges_but_for_the_flat_part(
    charge: dict[str, Any], epsilon: str
) -> None:
    step = Decimal(epsilon)
    for tier, following in zip(charge["tiers"], charge["tiers"][1:], strict=False):
        edge = Decimal(tier["up_to"])
        jump = rate(charge, edge + step).amount_unrounded - rate(charge, edge).amount_unrounded
        expected = Fraction(step) * Fraction(following["unit_price"]) + Fraction(following["flat"])
        assert Fraction(jump) == oracle.half_away(expected, 18)


@pytest.mark.parametrize("model", ["per_unit", "graduated", "graduated_percentage", "volume", "package"])
@made.given(data=st.data(), quantity=QUANTITIES, included=QUANTITIES)
def test_included_units_are_as_if_they_had_not_been_used(
    model: str, data: st.DataObject, quantity: Decimal, included: Decimal
) -> None:
    charge = data.draw(made.charges(model, plain=True))
    with_included = rate(charge | {"included": str(included)}, quantity)
    rest = max(Decimal(0), quantity - included)
    assert with_included.amount_unrounded == rate(charge, rest).amount_unrounded


@by_model
@made.given(data=st.data(), events=made.EVENTS)
def test_bounds_hold_before_the_discount_and_the_discount_comes_last(
    model: str, data: st.DataObject, events: list[dict[str, Any]]
) -> None:
    written = data.draw(made.charges(model)) | {"minimum": "10", "maximum": "60"}
    charge = parse_charge(written | {"discount_percent": None})
    bounded = rate_charge(charge, made.used(charge, events), exponent=2)
    assert 10 <= bounded.amount_unrounded <= 60
    discounted = parse_charge(written | {"discount_percent": "50"})
    half = rate_charge(discounted, made.used(discounted, events), exponent=2)
    assert abs(half.amount_unrounded * 2 - bounded.amount_unrounded) <= Decimal("2E-18")


@by_model
@made.given(data=st.data(), events=made.EVENTS, floor=st.sampled_from(["0", "0.25", "0.5", "0.9"]))
def test_a_margin_floor_holds_where_nothing_stands_over_it(
    model: str, data: st.DataObject, events: list[dict[str, Any]], floor: str
) -> None:
    written = data.draw(made.charges(model, plain=True)) | {"margin_floor": floor}
    charge = parse_charge(written)
    rated = rate_charge(charge, made.used(charge, events), exponent=2)
    cost = rated.cost
    if model == "credits":
        sums = total(made.used(charge, events))
        assume(sums.credits and charge.model.unit_price is None)
        cost = Decimal(sums.cost * (sums.credits - sums.covered) / sums.credits)
    assert rated.amount_unrounded * (1 - Decimal(floor)) >= cost - Decimal("1E-17")


@by_model
@made.given(data=st.data(), events=made.EVENTS)
def test_what_a_maximum_cuts_off_a_floor_is_booked_as_absorbed(
    model: str, data: st.DataObject, events: list[dict[str, Any]]
) -> None:
    written = data.draw(made.charges(model, plain=True)) | {"margin_floor": "0.5"}
    charge, capped = parse_charge(written), parse_charge(written | {"maximum": "5"})
    free = rate_charge(charge, made.used(charge, events), exponent=2)
    held = rate_charge(capped, made.used(capped, events), exponent=2)
    assert held.amount_unrounded == min(free.amount_unrounded, Decimal(5))
    assert held.at_maximum == (free.amount_unrounded > 5)
    assert 0 <= held.absorbed <= free.amount_unrounded - held.amount_unrounded + Decimal("1E-17")
    if not held.at_maximum:
        assert held.absorbed == 0


@made.given(amount=made.MONEY, days=st.lists(st.integers(0, 10), min_size=1, max_size=3))
def test_the_shares_of_a_fixed_amount_add_up(amount: str, days: list[int]) -> None:
    charge = {"key": "f", "model": "flat", "amount": amount}
    parts = [rate(charge, Decimal(0), share=Share(part, 31)).amount_unrounded for part in days]
    whole = rate(charge, Decimal(0), share=Share(sum(days), 31)).amount_unrounded
    assert abs(sum(parts) - whole) <= Decimal("1E-17")
    assert rate(charge, Decimal(0), share=Share(31, 31)).amount_unrounded == Decimal(amount)


JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), made.PRICE),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


@by_model
@made.given(data=st.data(), value=JSON_VALUES)
def test_bad_json_is_refused_by_name_or_read_and_rated(model: str, data: st.DataObject, value: Any) -> None:
    written = data.draw(made.charges(model))
    name = data.draw(st.sampled_from([*written, "unheard_of"]))
    try:
        charge = parse_charge(written | {name: value})
    except ValueError as error:
        issues = getattr(error, "issues", ())
        assert issues
        assert all(issue.code and issue.detail for issue in issues)
    else:
        rate_charge(charge, [Usage(quantity=Decimal(7), events=1)], exponent=2)
