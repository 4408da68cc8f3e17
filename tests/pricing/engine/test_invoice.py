"""The order of an invoice, step by step, with sums done by hand."""

from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import strategies as st

from core.money import allocate
from core.periods import Share
from pricing.engine.charge import parse_charge
from pricing.engine.invoice import (
    ChargeUsage,
    Fee,
    MarginFloor,
    PeriodInput,
    PeriodLine,
    RatedPeriod,
    rate_period,
)
from pricing.engine.usage import Usage
from tests.pricing.engine import made


def calls(quantity: str, cost: str = "0", before: str | None = None, **more: Any) -> ChargeUsage:
    fields = {"key": "calls", "meter": "calls", "model": "per_unit", "unit_price": "1"}
    correction = more.pop("correction", False)
    share = more.pop("share", None)
    return ChargeUsage(
        parse_charge(fields | more),
        [Usage(quantity=D(quantity), cost=D(cost))],
        [] if before is None else [Usage(quantity=D(before))],
        share,
        correction,
    )


def period(**given: Any) -> RatedPeriod:
    return rate_period(PeriodInput(**{"currency_exponent": 2} | given))


def line(rated: RatedPeriod, kind: str) -> PeriodLine:
    (found,) = [line for line in rated.lines if line.kind == kind]
    return found


def kinds(rated: RatedPeriod) -> list[str]:
    return [line.kind for line in rated.lines]


class TestFees:
    def test_are_prorated_by_their_share(self) -> None:
        rated = period(fees=[Fee(D("49.00"), Share(10, 31))])
        assert rated.lines[0].unrounded == D("15.806451612903225806")
        assert [step.kind for step in rated.lines[0].explain] == ["fee", "proration", "rounding"]
        assert rated.lines[0].explain[1].text == "10 of 31 of the period"
        assert rated.lines[0].explain[2].text == "15.806451612903225806 → 15.81"
        assert (rated.subtotal_minor, rated.tax_minor, rated.total_minor) == (1581, 0, 1581)

    def test_of_a_whole_period_tell_no_proration(self) -> None:
        rated = period(fees=[Fee(D("49.00"), Share(31, 31)), Fee(D("1.00"), None, "Support")])
        assert [[step.kind for step in line.explain] for line in rated.lines] == [["fee", "rounding"]] * 2
        assert [line.description for line in rated.lines] == ["Plan fee", "Support"]

    def test_give_an_unused_part_back_when_negative(self) -> None:
        rated = period(fees=[Fee(D(100), Share(11, 31)), Fee(D(-15), Share(11, 31))])
        assert [line.amount_minor for line in rated.lines] == [3548, -532]


class TestCommitment:
    def test_bills_what_is_missing(self) -> None:
        rated = period(charges=[calls("3")], fees=[Fee(D(10))], commitment=D(20))
        assert line(rated, "commitment").amount_minor == 700
        assert line(rated, "commitment").explain[0].text == "Committed 20, used 13"
        assert line(rated, "commitment").explain[0].amount == 7
        assert line(rated, "commitment").quantity == line(rated, "fee").quantity == 1
        assert rated.subtotal_minor == 2000

    @pytest.mark.parametrize("quantity", ["10", "11"])
    def test_bills_nothing_where_it_is_reached(self, quantity: str) -> None:
        assert kinds(period(charges=[calls(quantity)], commitment=D(10))) == ["usage"]

    def test_is_prorated(self) -> None:
        rated = period(commitment=D(31), commitment_share=Share(10, 31))
        assert line(rated, "commitment").amount_minor == 1000

    def test_does_not_count_a_correction_of_an_earlier_period(self) -> None:
        rated = period(charges=[calls("4"), calls("5", before="1", correction=True)], commitment=D(10))
        assert kinds(rated) == ["usage", "correction", "commitment"]
        assert line(rated, "commitment").amount_minor == 600
        assert rated.subtotal_minor == 1500


class TestSubscriptionDiscount:
    def test_comes_off_every_line_after_the_commitment(self) -> None:
        rated = period(
            charges=[calls("3")], fees=[Fee(D(10))], commitment=D(20), subscription_discount_percent=D(10)
        )
        assert [line.amount_minor for line in rated.lines] == [270, 900, 630]
        assert [line.discount for line in rated.lines] == [D("0.3"), D(1), D("0.7")]
        assert rated.discount == 2
        assert rated.lines[0].explain[-2].text == "10 % off the subscription"

    def test_of_nothing_leaves_no_trace(self) -> None:
        rated = period(charges=[calls("3")], subscription_discount_percent=D(0))
        assert rated.discount == 0
        assert "subscription_discount" not in [step.kind for step in rated.lines[0].explain]

    def test_of_a_later_part_continues_the_whole(self) -> None:
        # The whole is 3.505 less 10 %, 3.1545; the part before was 3 less 10 %, 2.70.
        rated = period(charges=[calls("0.505", before="3")], subscription_discount_percent=D(10))
        assert rated.lines[0].unrounded == D("0.4545")
        assert rated.lines[0].amount_minor == 315 - 270

    @made.given(amounts=st.lists(made.MONEY, min_size=1, max_size=5), percent=made.written(100, 2))
    def test_sums_exactly_over_the_lines(self, amounts: list[str], percent: str) -> None:
        rated = period(fees=[Fee(D(amount)) for amount in amounts], subscription_discount_percent=D(percent))
        total = sum(map(D, amounts))
        assert rated.discount == total * D(percent) / 100
        assert sum(line.unrounded for line in rated.lines) == total - rated.discount


class TestMarginFloor:
    def floored(self, on_breach: str, **given: Any) -> RatedPeriod:
        return period(cost_total=D(60), margin_floor=MarginFloor(D("0.40"), on_breach), **given)  # type: ignore[arg-type]

    def test_bills_one_line_for_the_difference(self) -> None:
        rated = self.floored("bill", charges=[calls("70")])
        assert (line(rated, "margin_floor").quantity, line(rated, "margin_floor").amount_minor) == (1, 3000)
        assert rated.floor is not None
        assert (rated.floor.required, rated.floor.revenue, rated.floor.shortfall) == (100, 70, 30)
        assert (rated.floor.billed, rated.floor.absorbed, rated.floor.alert) == (30, 0, True)

    def test_tells_of_a_shortfall_of_cents(self) -> None:
        rated = self.floored("alert", charges=[calls("99.5")])
        assert rated.floor is not None
        assert (rated.floor.shortfall, rated.floor.alert) == (D("0.5"), True)

    def test_absorbs_or_only_tells_when_asked_to(self) -> None:
        absorbed, told = (self.floored(way, charges=[calls("70")]) for way in ("absorb", "alert"))
        assert kinds(absorbed) == kinds(told) == ["usage"]
        assert absorbed.floor is not None and told.floor is not None
        assert (absorbed.floor.billed, absorbed.floor.absorbed, absorbed.floor.alert) == (0, 30, True)
        assert (told.floor.billed, told.floor.absorbed, told.floor.alert) == (0, 0, True)

    @pytest.mark.parametrize("quantity", ["100", "101"])
    def test_says_nothing_where_it_is_reached(self, quantity: str) -> None:
        rated = self.floored("bill", charges=[calls(quantity)])
        assert kinds(rated) == ["usage"]
        assert rated.floor is not None
        assert (rated.floor.shortfall, rated.floor.alert) == (0, False)

    def test_counts_the_cost_basis_of_burnt_credits_as_revenue(self) -> None:
        rated = self.floored("bill", charges=[calls("70")], credit_revenue=D(25))
        assert line(rated, "margin_floor").amount_minor == 500

    def test_comes_after_the_subscription_discount_and_is_not_discounted(self) -> None:
        rated = self.floored("bill", charges=[calls("100")], subscription_discount_percent=D(10))
        assert line(rated, "margin_floor").amount_minor == 1000
        assert line(rated, "margin_floor").discount == 0

    @pytest.mark.parametrize(
        ("cap", "billed", "absorbed"), [("90", 20, 10), ("70", 0, 30), ("50", 0, 30), ("500", 30, 0)]
    )
    def test_gives_way_to_the_cap_of_the_customer(self, cap: str, billed: int, absorbed: int) -> None:
        rated = self.floored("bill", charges=[calls("70")], cap=D(cap))
        assert rated.floor is not None
        assert (rated.floor.billed, rated.floor.absorbed) == (billed, absorbed)
        assert rated.subtotal_minor == 7000 + billed * 100

    def test_does_not_bill_around_the_maximum_of_a_charge(self) -> None:
        # The capped charge cost 30 and earned 10; the other cost 30 and earned 40, short of 50 by 10.
        rated = self.floored("bill", charges=[calls("90", cost="30", maximum="10"), calls("40", cost="30")])
        assert rated.floor is not None
        assert (rated.floor.shortfall, rated.floor.billed, rated.floor.absorbed) == (50, 10, 40)

    def test_bills_nothing_where_every_charge_stands_at_its_maximum(self) -> None:
        rated = self.floored("bill", charges=[calls("90", cost="70", maximum="10")])
        assert rated.floor is not None
        assert (rated.floor.billed, rated.floor.absorbed) == (0, 90)

    def test_asks_nothing_of_a_period_that_cost_nothing(self) -> None:
        rated = period(margin_floor=MarginFloor(D("0.40"), "bill"))
        assert rated.floor is not None
        assert (rated.floor.required, rated.floor.alert, rated.lines) == (0, False, ())

    def test_is_absent_where_the_plan_has_none(self) -> None:
        assert period(charges=[calls("1")], cost_total=D(500)).floor is None


class TestRoundingAndTax:
    def test_round_each_line_once_and_tax_the_sum_of_the_lines(self) -> None:
        rated = period(fees=[Fee(D("0.004"))] * 6 + [Fee(D("0.01"))] * 2, tax_rate=D("0.40"))
        assert (rated.subtotal_minor, rated.tax_minor, rated.total_minor) == (2, 1, 3)

    @pytest.mark.parametrize(
        ("exponent", "subtotal", "tax"), [(0, 1001, 200), (2, 100050, 20010), (3, 1000500, 200100)]
    )
    def test_follow_the_currency(self, exponent: int, subtotal: int, tax: int) -> None:
        rated = period(currency_exponent=exponent, fees=[Fee(D("1000.5"))], tax_rate=D("0.20"))
        assert (rated.subtotal_minor, rated.tax_minor) == (subtotal, tax)

    def test_without_a_rate_there_is_no_tax(self) -> None:
        assert period(fees=[Fee(D(1))]).tax_minor == 0

    def test_of_an_empty_period_is_nothing(self) -> None:
        rated = period(tax_rate=D("0.20"))
        assert (rated.lines, rated.subtotal_minor, rated.total_minor) == ((), 0, 0)

    def test_shares_of_the_charge_reach_the_charge(self) -> None:
        rated = period(charges=[calls("0", minimum="28", share=Share(7, 28))])
        assert line(rated, "usage").amount_minor == 700


class TestLines:
    def test_carry_what_the_charge_told(self) -> None:
        usage = line(period(charges=[calls("0.015")]), "usage")
        assert (usage.charge_key, usage.description, usage.quantity) == ("calls", "calls", D("0.015"))
        assert [part.unrounded for part in usage.parts] == [D("0.015")]
        assert [step.as_json() for step in usage.explain] == [
            {"kind": "quantity", "text": "0.015 used", "amount": None},
            {"kind": "model", "text": "Per unit: 0.015 × 1", "amount": "0.015"},
            {"kind": "rounding", "text": "0.015 → 0.02", "amount": "0.02"},
        ]

    def test_of_other_kinds_have_no_charge(self) -> None:
        fee = line(period(fees=[Fee(D(1))]), "fee")
        assert (fee.charge_key, fee.parts, fee.quantity) == (None, (), 1)

    @made.given(
        charge=st.sampled_from(made.MODELS).flatmap(made.charges),
        events=made.EVENTS,
        fee=made.MONEY,
        percent=made.written(100, 2),
        cost=made.MONEY,
    )
    def test_always_sum_to_the_subtotal(
        self, charge: dict[str, Any], events: list[dict[str, Any]], fee: str, percent: str, cost: str
    ) -> None:
        parsed = parse_charge(charge)
        rated = period(
            charges=[ChargeUsage(parsed, made.used(parsed, events))],
            fees=[Fee(D(fee), Share(10, 31))],
            commitment=D(100),
            subscription_discount_percent=D(percent),
            margin_floor=MarginFloor(D("0.5"), "bill"),
            cost_total=D(cost),
            tax_rate=D("0.19"),
        )
        assert sum(line.amount_minor for line in rated.lines) == rated.subtotal_minor
        assert rated.subtotal_minor + rated.tax_minor == rated.total_minor
        assert rated.floor is not None
        assert rated.floor.billed + rated.floor.absorbed == rated.floor.shortfall
        assert (
            sum(allocate(rated.tax_minor, [abs(line.amount_minor) for line in rated.lines]))
            == rated.tax_minor
        )
