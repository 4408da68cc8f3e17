"""What a charge's JSON may say, and how a wrong one is told."""

from decimal import Decimal
from typing import Any

import pytest

from pricing.engine.charge import ChargeError, parse_charge

TIER = {"up_to": None, "unit_price": "1"}


def charge(**fields: Any) -> dict[str, Any]:
    return {"key": "calls", "meter": "calls", "model": "per_unit", "unit_price": "1"} | fields


def model(name: str, **fields: Any) -> dict[str, Any]:
    return {"key": "calls", "meter": "calls", "model": name} | fields


def issues(data: object, **more: Any) -> list[tuple[str, str]]:
    with pytest.raises(ChargeError) as refusal:
        parse_charge(data, **more)
    assert all(issue.detail.endswith(".") for issue in refusal.value.issues)
    return [(issue.field, issue.code) for issue in refusal.value.issues]


class TestRefusals:
    @pytest.mark.parametrize("data", [None, [], "per_unit", 1])
    def test_of_what_is_no_object(self, data: object) -> None:
        assert issues(data) == [("", "not_an_object")]

    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            ({}, [("model", "required")]),
            (model("tiered"), [("model", "invalid_choice")]),
            (model(["per_unit"]), [("model", "invalid_choice")]),  # type: ignore[arg-type]
            ({"model": "flat", "amount": "1"}, [("key", "required")]),
            ({"key": "k", "model": "per_unit", "unit_price": "1"}, [("meter", "required")]),
            (charge(key=""), [("key", "not_a_text")]),
            (charge(key="k" * 256), [("key", "not_a_text")]),
            (charge(key="naïve"), [("key", "not_a_text")]),
            (charge(key="a\nb"), [("key", "not_a_text")]),
            (charge(unit_price=None), [("unit_price", "required")]),
            (charge(unit_price=0.1), [("unit_price", "not_a_number")]),
            (charge(unit_price="-1"), [("unit_price", "not_a_number")]),
            (charge(unit_price="1e3"), [("unit_price", "not_a_number")]),
            (charge(price="1", note=""), [("note", "unknown_field"), ("price", "unknown_field")]),
            (charge(minimum="10", maximum="9"), [("maximum", "too_small")]),
            (charge(minimum="100000000000000"), [("minimum", "too_large")]),
            (charge(maximum="100000000000000"), [("maximum", "too_large")]),
            (model("flat", amount="100000000000000"), [("amount", "too_large")]),
            (charge(discount_percent="100.01"), [("discount_percent", "too_large")]),
            (charge(margin_floor="1"), [("margin_floor", "too_large")]),
            (charge(prorate="yes"), [("prorate", "not_a_boolean")]),
            (charge(bill_failed="sometimes"), [("bill_failed", "invalid_choice")]),
            (charge(included=True), [("included", "not_a_number")]),
            (model("package", package_size="0", package_price="1"), [("package_size", "too_small")]),
            (model("percentage", rate="1.01"), [("rate", "too_large")]),
            (
                model("matrix", dimensions=[], cells=[]),
                [("dimensions", "not_a_list"), ("cells", "not_a_list")],
            ),
            (model("percentage", rate="0.1", free_events="1.5"), [("free_events", "not_whole")]),
            (
                model("percentage", rate="0.1", min_per_event="2", max_per_event="1"),
                [("max_per_event", "too_small")],
            ),
            (charge(reversal_days=5), [("reversed_by", "required")]),
            (charge(reversed_by="undone"), [("reversal_days", "required")]),
            (charge(reversed_by="undone", reversal_days=0), [("reversal_days", "out_of_range")]),
            (charge(reversed_by="undone", reversal_days=367), [("reversal_days", "out_of_range")]),
            (
                charge(reversed_by="undone", reversal_days=5, margin_floor="0.2"),
                [("reversed_by", "contradiction")],
            ),
            (
                model("flat", amount="1", reversed_by="undone", reversal_days=5),
                [("reversed_by", "contradiction")],
            ),
            (model("credits"), [("burn_table", "required"), ("unit_price", "required")]),
            (
                model("credits", burn_table="b", unit_price="1", tiers=[TIER]),
                [("unit_price", "not_both")],
            ),
        ],
    )
    def test_name_the_field_and_what_is_wrong(
        self, data: dict[str, Any], expected: list[tuple[str, str]]
    ) -> None:
        assert issues(data) == expected

    @pytest.mark.parametrize(
        ("tiers", "expected"),
        [
            (None, [("tiers", "required")]),
            ([], [("tiers", "not_a_list")]),
            ({}, [("tiers", "not_a_list")]),
            ([TIER] * 1001, [("tiers", "not_a_list")]),
            (["tier"], [("tiers[0]", "not_an_object")]),
            ([TIER | {"up_to": "5"}], [("tiers[0].up_to", "must_be_open")]),
            ([TIER, TIER], [("tiers[0].up_to", "required")]),
            ([TIER | {"up_to": "0"}, TIER], [("tiers[0].up_to", "too_small")]),
            ([TIER | {"up_to": "5"}, TIER | {"up_to": "5"}, TIER], [("tiers[1].up_to", "not_rising")]),
            ([TIER | {"up_to": "5"}, TIER | {"up_to": "4"}, TIER], [("tiers[1].up_to", "not_rising")]),
            ([{"up_to": None}], [("tiers[0].unit_price", "required")]),
            ([TIER | {"rate": "1"}], [("tiers[0].rate", "unknown_field")]),
            (
                [TIER | {"up_to": "5"}, TIER | {"flat_at_zero": True}],
                [("tiers[1].flat_at_zero", "unknown_field")],
            ),
        ],
    )
    def test_of_tiers_name_the_tier(self, tiers: Any, expected: list[tuple[str, str]]) -> None:
        for name in ("graduated", "volume"):
            assert issues(model(name, tiers=tiers)) == expected

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"dimensions": []}, [("dimensions", "not_a_list")]),
            ({"dimensions": ["model", "model"]}, [("dimensions", "not_a_list")]),
            ({"dimensions": "model"}, [("dimensions", "not_a_list")]),
            (
                {"cells": [{"match": {"kind": "x"}, "unit_price": "1"}]},
                [("cells[0].match.kind", "unknown_field")],
            ),
            (
                {"cells": [{"match": {"model": 1}, "unit_price": "1"}]},
                [("cells[0].match.model", "not_a_text")],
            ),
            ({"cells": [{"match": {}, "unit_price": "1"}]}, [("cells[0].match", "not_an_object")]),
            ({"cells": [{"unit_price": "1"}]}, [("cells[0].match", "required")]),
            ({"cells": [{"match": {"model": "x"}}]}, [("cells[0].unit_price", "required")]),
            (
                {"cells": [{"match": {"model": "x"}, "unit_price": "1"}] * 2},
                [("cells[1].match", "duplicate")],
            ),
        ],
    )
    def test_of_a_matrix_name_the_cell(self, fields: dict[str, Any], expected: list[tuple[str, str]]) -> None:
        good = {"dimensions": ["model"], "cells": [{"match": {"model": "x"}, "unit_price": "1"}]}
        found = issues(model("matrix", **(good | fields)))
        assert [issue for issue in found if issue[0].startswith(next(iter(fields)))] == expected

    def test_of_several_fields_come_together_with_their_path(self) -> None:
        data = charge(unit_price="x", minimum="y", colour="z")
        assert issues(data, path="charges[3].") == [
            ("charges[3].unit_price", "not_a_number"),
            ("charges[3].minimum", "not_a_number"),
            ("charges[3].colour", "unknown_field"),
        ]


class TestReading:
    def test_fills_in_what_a_charge_need_not_say(self) -> None:
        read = parse_charge(charge())
        assert (read.included, read.minimum, read.maximum, read.discount_percent) == (0, None, None, None)
        assert (read.prorate, read.bill_failed, read.margin_floor) == (True, "never", None)

    def test_takes_numbers_as_text_or_as_whole_json_numbers(self) -> None:
        assert parse_charge(charge(unit_price=2, included=Decimal("1.5"))) == parse_charge(
            charge(unit_price="2", included="1.50")
        )

    def test_takes_null_for_absent(self) -> None:
        empty = dict.fromkeys(
            ["included", "minimum", "maximum", "discount_percent", "prorate", "bill_failed", "margin_floor"]
        )
        assert parse_charge(charge(**empty)) == parse_charge(charge())

    @pytest.mark.parametrize("days", [1, 366])
    def test_takes_an_event_that_takes_units_back_and_writes_it_again(self, days: int) -> None:
        read = parse_charge(charge(reversed_by="undone", reversal_days=days))
        assert (read.reversed_by, read.reversal_days) == ("undone", days)
        assert parse_charge(read.as_json()) == read
        assert "reversed_by" not in parse_charge(charge()).as_json()

    def test_names_a_burn_table_where_it_prices_credits_alone(self) -> None:
        assert parse_charge(model("credits", burn_table="b", unit_price="1")).burn_table == "b"
        assert parse_charge(charge()).burn_table is None

    def test_takes_the_bounds_of_its_ranges(self) -> None:
        read = parse_charge(charge(discount_percent="100", margin_floor="0.999", minimum="5", maximum="5"))
        assert (read.discount_percent, read.minimum) == (100, 5)
        assert parse_charge(model("percentage", rate="1", min_per_event="2", max_per_event="2")).model

    @pytest.mark.parametrize(("length", "is_taken"), [(255, True), (256, False)])
    def test_takes_texts_of_255_characters(self, length: int, is_taken: bool) -> None:
        text = "x" * length
        cells = [{"match": {"model": text}, "unit_price": "1"}]
        for data in (charge(key=text), model("matrix", dimensions=["model"], cells=cells)):
            if is_taken:
                assert parse_charge(data)
            else:
                assert len(issues(data)) == 1

    def test_needs_no_meter_for_a_fixed_amount_or_for_credits(self) -> None:
        assert parse_charge({"key": "seat", "model": "flat", "amount": "1"}).meter is None
        assert (
            parse_charge({"key": "c", "model": "credits", "burn_table": "b", "unit_price": "1"}).meter is None
        )

    def test_of_a_preview_needs_no_name(self) -> None:
        read = parse_charge({"model": "per_unit", "unit_price": "1"}, named=False)
        assert (read.key, read.meter) == ("preview", None)
        assert parse_charge(charge(), named=False).key == "calls"

    @pytest.mark.parametrize("place", ["charge", "tier"])
    def test_takes_flat_at_zero_on_the_charge_or_on_its_first_tier(self, place: str) -> None:
        flag = {"flat_at_zero": True}
        tier = TIER | {"flat": "5"}
        data = (
            model("graduated", tiers=[tier]) | flag
            if place == "charge"
            else model("graduated", tiers=[tier | flag])
        )
        read = parse_charge(data)
        assert read.as_json()["flat_at_zero"] is True
        assert parse_charge(read.as_json()) == read

    def test_writes_decimals_as_text_without_an_exponent(self) -> None:
        written = parse_charge(charge(unit_price="0.000000000000000001", included="1000.0")).as_json()
        assert (written["unit_price"], written["included"]) == ("0.000000000000000001", "1000")

    def test_knows_which_models_price_events(self) -> None:
        tiers = {"tiers": [TIER]}
        priced = {
            "flat": model("flat", amount="1"),
            "graduated": model("graduated", **tiers),
            "credits": model("credits", burn_table="b", unit_price="1"),
            "tiered credits": model("credits", burn_table="b", **tiers),
            "per_unit": charge(),
            "dynamic": model("dynamic"),
        }
        assert [name for name, data in priced.items() if parse_charge(data).prices_events] == [
            "credits",
            "per_unit",
            "dynamic",
        ]

    def test_knows_which_charges_count_in_order(self) -> None:
        assert not parse_charge(model("percentage", rate="0.1", fixed="1")).counts_in_order
        assert parse_charge(model("percentage", rate="0.1", free_events=0)).counts_in_order
        assert parse_charge(model("percentage", rate="0.1", free_amount="0")).counts_in_order
