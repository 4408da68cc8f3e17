"""How an amount is told, and the corners that the laws and the worked tables do not name."""

from decimal import Decimal as D
from typing import Any

import pytest

from core.money import AmountTooLarge
from core.periods import Share
from pricing.engine.charge import Charge, parse_charge
from pricing.engine.contributions import contribution, contributions
from pricing.engine.rating import rate_charge, rounding
from pricing.engine.usage import (
    NOTHING,
    EventFacts,
    UnpricedEvent,
    Usage,
    merge,
    total,
)


def charge(model: str = "per_unit", **fields: Any) -> Charge:
    own = {"unit_price": "1"} if model == "per_unit" else {}
    return parse_charge({"key": "calls", "meter": "calls", "model": model} | own | fields)


def matrix(**fields: Any) -> Charge:
    cells = [
        {"match": {"model": "large"}, "unit_price": "3"},
        {"match": {"kind": "output"}, "unit_price": "2"},
        {"match": {"model": "large", "kind": "output"}, "unit_price": "5"},
    ]
    return charge("matrix", dimensions=["model", "kind"], cells=cells, **fields)


class TestTheStepsOfARating:
    def test_are_told_in_the_order_of_application(self) -> None:
        told = charge(included="10", minimum="500", discount_percent="50", margin_floor="0.5", unit_price="2")
        usage = [Usage(quantity=D(110), cost=D(220), events=1, amount=D(220), lift=D(220))]
        rated = rate_charge(told, usage, exponent=2, share=Share(30, 30))
        assert [(step.kind, step.text, step.amount) for step in rated.explain] == [
            ("quantity", "110 used", None),
            ("included", "10 included, 100 to bill", None),
            ("model", "Per unit: 100 × 2", 200),
            ("margin_floor", "Raised to the least price", 400),
            ("minimum", "Raised to the minimum of 500", 500),
            ("discount", "50 % off", 250),
            ("rounding", "250 → 250.00", 250),
        ]

    def test_tell_the_maximum(self) -> None:
        rated = rate_charge(charge(maximum="31"), [Usage(quantity=D(99))], exponent=2, share=Share(10, 31))
        assert [step.text for step in rated.explain][-2:] == ["Held to the maximum of 10", "10 → 10.00"]

    def test_tell_what_came_before(self) -> None:
        rated = rate_charge(
            charge(), [Usage(quantity=D("2.5"))], exponent=2, before=[Usage(quantity=D("1.004"))]
        )
        assert [step.text for step in rated.explain][-2:] == [
            "Less 1.004 rated earlier in this period",
            "3.504 → 3.50, less 1.00 billed before",
        ]
        assert (rated.quantity, rated.amount_minor) == (D("2.5"), 250)

    def test_tell_that_corrections_below_zero_count_as_nothing(self) -> None:
        rated = rate_charge(charge("dynamic"), [Usage(quantity=D(1), amount=D(-5))], exponent=2)
        assert rated.amount_minor == 0
        assert rated.explain[-2].text == "Below zero counts as nothing"

    def test_of_no_use_are_short(self) -> None:
        rated = rate_charge(charge(), [], exponent=2)
        assert [step.text for step in rated.explain] == ["0 used", "Per unit: 0 × 1", "0 → 0.00"]

    def test_name_the_tiers(self) -> None:
        tiers = [{"up_to": "5", "unit_price": "2"}, {"up_to": None, "unit_price": "1", "flat": "3"}]
        rated = rate_charge(charge("graduated", tiers=tiers), [Usage(quantity=D(7))], exponent=2)
        assert [step.text for step in rated.explain[1:3]] == [
            "Tier over 0 to 5: 5 × 2",
            "Tier over 5: 2 × 1 + 3",
        ]
        assert [line.as_json() for line in rated.lines][1] == {
            "description": "Tier over 5",
            "dimensions": {},
            "tier_from": "5",
            "tier_to": None,
            "quantity": "2",
            "unit_price": "1",
            "flat": "3",
            "unrounded": "5",
        }

    def test_name_the_packs_and_the_share_of_a_fixed_amount(self) -> None:
        packs = charge("package", package_size="10", package_price="3")
        rated = rate_charge(packs, [Usage(quantity=D(11))], exponent=2)
        assert rated.explain[1].text == "2 packs of 10: 11"
        fixed = rate_charge(charge("flat", amount="31"), [], exponent=2, share=Share(10, 31))
        assert fixed.lines[0].description == "Fixed amount, 10 of 31"
        assert fixed.lines[0].flat == 10


class TestLinesOfALaterPart:
    tiers = {"tiers": [{"up_to": "10", "unit_price": "2"}, {"up_to": None, "unit_price": "1"}]}

    def test_leave_out_the_tiers_that_did_not_move(self) -> None:
        rated = rate_charge(
            charge("graduated", **self.tiers),
            [Usage(quantity=D(5))],
            exponent=2,
            before=[Usage(quantity=D(12))],
        )
        assert [(line.tier_from, line.quantity, line.unrounded) for line in rated.lines] == [(10, 5, 5)]

    def test_take_back_the_tier_that_a_volume_price_left(self) -> None:
        rated = rate_charge(
            charge("volume", **self.tiers), [Usage(quantity=D(1))], exponent=2, before=[Usage(quantity=D(10))]
        )
        assert [(line.tier_from, line.quantity, line.unrounded) for line in rated.lines] == [
            (10, 11, 11),
            (0, -10, -20),
        ]
        assert rated.amount_unrounded == -9

    def test_of_a_flat_charge_hold_nothing(self) -> None:
        rated = rate_charge(charge("flat", amount="5"), [], exponent=2, before=[NOTHING])
        assert (rated.lines, rated.amount_minor) == ((), 0)

    def test_keep_a_free_tier_that_moved_and_no_fixed_part_twice(self) -> None:
        tiers = [
            {"up_to": "10", "unit_price": "0", "flat": "0"},
            {"up_to": None, "unit_price": "1", "flat": "5"},
        ]
        told = charge("graduated", tiers=tiers)
        free = rate_charge(told, [Usage(quantity=D(2))], exponent=2, before=[Usage(quantity=D(3))])
        assert [(line.quantity, line.unrounded) for line in free.lines] == [(2, 0)]
        paid = rate_charge(told, [Usage(quantity=D(4))], exponent=2, before=[Usage(quantity=D(12))])
        assert [(line.quantity, line.unrounded, line.flat) for line in paid.lines] == [(4, 4, 0)]

    def test_tell_only_their_own_quantity_without_a_price(self) -> None:
        other = {"model": "small", "kind": "input"}
        rated = rate_charge(
            matrix(),
            [Usage(quantity=D(2), dimensions=other)],
            exponent=2,
            before=[Usage(quantity=D(3), dimensions=other)],
        )
        assert rated.unpriced == 2


class TestBounds:
    def test_that_are_met_exactly_change_nothing(self) -> None:
        rated = rate_charge(charge(minimum="10", maximum="10"), [Usage(quantity=D(10))], exponent=2)
        assert [step.kind for step in rated.explain] == ["quantity", "model", "rounding"]
        assert not rated.at_maximum

    def test_absorb_nothing_where_no_floor_asks_for_more(self) -> None:
        rated = rate_charge(charge(maximum="0.5"), [Usage(quantity=D(10), cost=D(9))], exponent=2)
        assert (rated.amount_unrounded, rated.at_maximum, rated.absorbed) == (D("0.5"), True, 0)


class TestMatrix:
    def test_prefers_the_cell_that_names_the_most_then_the_first(self) -> None:
        prices = {("large", "output"): 5, ("large", "input"): 3, ("small", "output"): 2}
        for (model, kind), price in prices.items():
            usage = [Usage({"model": model, "kind": kind}, D(1))]
            assert rate_charge(matrix(), usage, exponent=2).amount_unrounded == price

    def test_never_bills_what_has_no_price_and_says_how_much(self) -> None:
        usage = [Usage({"model": "small", "kind": "input"}, D(7)), Usage({"model": "large"}, D(1))]
        rated = rate_charge(matrix(), usage, exponent=2)
        assert (rated.amount_unrounded, rated.unpriced) == (3, 7)
        with pytest.raises(UnpricedEvent, match="model small, kind none"):
            contribution(matrix(), EventFacts(D(1), dimensions={"model": "small"}))

    def test_bills_at_the_default_and_a_default_of_zero_is_a_price(self) -> None:
        usage = [Usage({"model": "small"}, D(7))]
        assert rate_charge(matrix(default_unit_price="2"), usage, exponent=2).amount_unrounded == 14
        assert rate_charge(matrix(default_unit_price="0"), usage, exponent=2).unpriced == 0

    def test_joins_usage_that_differs_only_in_other_dimensions(self) -> None:
        usage = [Usage({"model": "large", "team": team}, D(1)) for team in "ab"]
        rated = rate_charge(matrix(), usage, exponent=2)
        assert [(line.description, line.dimensions, line.quantity) for line in rated.lines] == [
            ("model large", {"model": "large"}, 2)
        ]

    def test_takes_included_units_from_every_cell_alike(self) -> None:
        usage = [Usage({"model": "large"}, D(30)), Usage({"kind": "output"}, D(10))]
        rated = rate_charge(matrix(included="20"), usage, exponent=2)
        assert [line.quantity for line in rated.lines] == [5, 15]
        assert rated.amount_unrounded == 55

    def test_is_exact_where_a_share_of_included_units_is_not(self) -> None:
        usage = [Usage({"model": name}, D(1)) for name in "abc"]
        thirds = matrix(included="2", default_unit_price="0.015")
        assert rate_charge(thirds, usage, exponent=2).amount_minor == 2


class TestContributions:
    def test_leave_failed_events_out_unless_the_charge_bills_them(self) -> None:
        failed = EventFacts(D(3), cost=D(1), failed=True)
        assert contribution(charge(), failed) is None
        assert contribution(charge(bill_failed="always"), failed) == Usage({}, D(3), 1, D(3), D(1))

    def test_keep_an_events_own_price_to_eighteen_decimals(self) -> None:
        added = contribution(charge(unit_price="0.000000000000000001"), EventFacts(D("0.5")))
        assert added == Usage({}, D("0.5"), 1, D("0.000000000000000001"))

    def test_round_the_least_price_up(self) -> None:
        added = contribution(charge(margin_floor="0.7"), EventFacts(D(0), cost=D(1)))
        assert added is not None and added.lift == D("3.333333333333333334")

    def test_lift_only_what_no_grant_covered(self) -> None:
        overage = charge("credits", burn_table="b", unit_price="0", margin_floor="0.5")
        facts = EventFacts(D(1), cost=D(8), credits=D(100), credits_covered=D(75))
        added = contribution(overage, facts)
        assert added == Usage({}, D(25), 1, D(0), D(8), D(4), D(100), D(75))
        assert rate_charge(overage, [added], exponent=2).amount_unrounded == 4

    def test_of_an_event_that_used_no_credits_lift_nothing(self) -> None:
        overage = charge("credits", burn_table="b", unit_price="1", margin_floor="0.5")
        added = contribution(overage, EventFacts(D(1), cost=D(8)))
        assert added is not None and added.lift == 0

    def test_have_no_amount_where_events_have_no_price(self) -> None:
        tiered = charge("graduated", tiers=[{"up_to": None, "unit_price": "1"}], margin_floor="0.5")
        added = contribution(tiered, EventFacts(D(3), cost=D(9)))
        assert added == Usage({}, D(3), 1, D(0), D(9))

    def test_refuse_an_event_without_a_price_of_its_own(self) -> None:
        with pytest.raises(UnpricedEvent, match="brings none"):
            contribution(charge("dynamic"), EventFacts(D(1)))

    def test_refuse_a_price_that_no_document_holds(self) -> None:
        with pytest.raises(UnpricedEvent, match="100,000,000,000,000"):
            contribution(charge(unit_price="1000"), EventFacts(D(10) ** 12))
        with pytest.raises(AmountTooLarge):
            rate_charge(charge(unit_price="1000"), [Usage(quantity=D(10) ** 12)], exponent=2)

    def test_of_an_ordered_charge_need_the_usage_so_far(self) -> None:
        free = charge("percentage", rate="0.1", free_events=1)
        with pytest.raises(ValueError, match="usage so far"):
            contribution(free, EventFacts(D(10)))
        first, second = contributions(free, [EventFacts(D(10)), EventFacts(D(10))])
        assert (first.amount, second.amount) == (0, 1)

    def test_of_failed_events_use_up_no_free_event(self) -> None:
        free = charge("percentage", rate="0.1", free_events=1)
        events = [EventFacts(D(10), failed=True), EventFacts(D(10)), EventFacts(D(10))]
        assert [usage.amount for usage in contributions(free, events)] == [0, 1]


class TestPercentage:
    def test_an_event_of_no_value_pays_its_fixed_part_and_its_minimum(self) -> None:
        plain = charge("percentage", rate="0.1", fixed="0.25")
        bounded = charge("percentage", rate="0.1", fixed="0.25", min_per_event="0.40")
        for priced, amount in ((plain, "0.25"), (bounded, "0.40")):
            usage = contributions(priced, [EventFacts(D(0))])
            assert usage[0].amount == D(amount)
            assert rate_charge(priced, usage, exponent=2).amount_unrounded == D(amount)

    def test_an_event_is_free_only_while_every_allowance_covers_it(self) -> None:
        free = charge("percentage", rate="0.1", fixed="1", free_events=2, free_amount="100")
        values = [D(60), D(60), D(60)]
        # The second crosses the free amount by 20; the third is past both.
        assert [usage.amount for usage in contributions(free, map(EventFacts, values))] == [0, 3, 7]
        small = [D(10), D(10), D(10)]
        assert [usage.amount for usage in contributions(free, map(EventFacts, small))] == [0, 0, 2]

    def test_an_event_that_just_fits_the_free_amount_is_free(self) -> None:
        free = charge("percentage", rate="0.1", fixed="1", free_amount="100")
        values = [D(60), D(40), D(1)]
        assert [usage.amount for usage in contributions(free, map(EventFacts, values))] == [0, 0, D("1.1")]


class TestUsage:
    def test_adds_up_within_its_dimensions(self) -> None:
        one = Usage({"model": "a"}, D(1), 1, D(2), D(3), D(4), D(5), D(6))
        assert one + one == Usage({"model": "a"}, D(2), 2, D(4), D(6), D(8), D(10), D(12))
        with pytest.raises(ValueError, match="kept apart"):
            one + NOTHING

    def test_is_taken_back_to_the_last_digit(self) -> None:
        long = D("12345678901234567890.123456789012345678")
        one = Usage({"model": "a"}, long, 1, long, long, long, long, long)
        assert one + -one == Usage({"model": "a"})
        assert (-one).quantity == long.copy_negate()

    def test_is_merged_by_dimensions_in_their_order(self) -> None:
        b, a = Usage({"model": "b"}, D(1)), Usage({"model": "a"}, D(1))
        assert merge([b, a, b]) == (a, b + b)
        assert total([b, a, b]) == Usage({}, D(3))


class TestRounding:
    @pytest.mark.parametrize(
        ("unrounded", "before", "minor", "text"),
        [
            ("0.015", "0", 2, "0.015 → 0.02"),
            ("0.004", "1.004", 1, "1.008 → 1.01, less 1.00 billed before"),
            ("-0.004", "1.005", -1, "1.001 → 1.00, less 1.01 billed before"),
        ],
    )
    def test_goes_by_the_whole_period(self, unrounded: str, before: str, minor: int, text: str) -> None:
        found, step = rounding(D(unrounded), D(before), 2)
        assert (found, step.text) == (minor, text)

    def test_of_long_fractions_is_shown_at_the_kept_length(self) -> None:
        rated = rate_charge(charge(minimum="10"), [], exponent=2, share=Share(1, 3))
        assert rated.explain[-2].text == f"Raised to the minimum of 3.{'3' * 18}"
        assert rated.explain[-2].as_json()["amount"] == "3." + "3" * 18
