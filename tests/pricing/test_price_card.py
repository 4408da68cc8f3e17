"""How one call is priced from the rates of its model."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.price_card import PriceCard, Rate

START = datetime(2026, 1, 1, tzinfo=UTC)
AT = datetime(2026, 6, 2, 12, tzinfo=UTC)  # a Tuesday
ids = count(1)

BLANK = Rate(
    row_id=0,
    model="m",
    unit="input",
    price=Decimal(1),
    context="standard",
    region="",
    input_over=0,
    window=None,
    days="1234567",
    is_percent=False,
    starts=START,
    ends=None,
    layer=1,
)


def rate(unit: str, price: str, **change: Any) -> Rate:
    return replace(BLANK, row_id=next(ids), unit=unit, price=Decimal(price), **change)


def priced(
    rates: list[Rate], at: datetime = AT, context: str = "standard", region: str = "", **buckets: int
) -> tuple[Decimal, tuple[str, ...]]:
    usage = {bucket: Decimal(count) for bucket, count in buckets.items()}
    amount, lines, unpriced = PriceCard(rates, context, region).price(usage, at)
    assert amount == sum(line.amount for line in lines)
    return amount, unpriced


def test_a_bucket_without_a_price_is_named_and_an_empty_one_needs_none() -> None:
    assert priced([rate("input", "2")], input=3, output=1, reasoning=0) == (6, ("output",))


@pytest.mark.parametrize(
    "bucket", ["input_audio", "output_audio", "output_image", "cache_write_1h", "web_search"]
)
def test_sound_pictures_and_lifetimes_are_never_priced_as_text(bucket: str) -> None:
    rates = [
        rate(unit, "1") for unit in ("input", "output", "cache_read", "cache_write_5m", "cache_write_other")
    ]

    assert priced(rates, **{bucket: 5}) == (0, (bucket,))


@pytest.mark.parametrize(
    ("bucket", "lender"),
    [
        ("reasoning", "output"),
        ("input_image", "input"),
        ("input_video", "input"),
        ("cache_read_image", "cache_read"),
    ],
)
def test_what_providers_bill_inside_another_count_borrows_its_price(bucket: str, lender: str) -> None:
    assert priced([rate(lender, "2")], **{bucket: 5}) == (10, ())
    assert priced([rate(lender, "2"), rate(bucket, "3")], **{bucket: 5}) == (15, ())


def test_a_long_context_step_is_a_cliff_and_strictly_above() -> None:
    rates = [rate("input", "1"), rate("input", "2", input_over=100), rate("output", "3")]

    assert priced(rates, input=60, cache_write_other=0, output=1) == (63, ())
    assert priced([*rates, rate("cache_read", "0")], input=60, cache_read=40) == (60, ())
    assert priced([*rates, rate("cache_read", "0")], input=60, cache_read=41) == (120, ())


def test_the_highest_step_reached_counts() -> None:
    rates = [rate("input", str(price), input_over=over) for price, over in ((1, 0), (2, 10), (3, 20))]

    assert [priced(rates, input=n)[0] for n in (10, 11, 20, 21)] == [10, 22, 40, 63]


def test_the_price_of_the_time_counts_whatever_came_later() -> None:
    rates = [
        rate("input", "1"),
        rate("input", "5", starts=AT),
        rate("input", "9", starts=AT + timedelta(days=9)),
    ]

    assert priced(rates, AT - timedelta(microseconds=1), input=1) == (1, ())
    assert priced(rates, AT, input=1) == (5, ())


def test_before_the_first_price_and_after_the_last_there_is_none() -> None:
    rates = [rate("input", "1", ends=AT)]

    assert priced(rates, START - timedelta(seconds=1), input=1) == (0, ("input",))
    assert priced(rates, AT, input=1) == (0, ("input",))


def test_an_operator_beats_two_sources_and_two_sources_beat_one() -> None:
    single, agreed = rate("input", "1", starts=AT), rate("input", "2", layer=2)
    own = rate("input", "3", layer=3)

    assert priced([single, agreed], input=1) == (2, ())
    assert priced([own, single, agreed], input=1) == (3, ())


def test_an_operators_flat_price_also_beats_a_sources_steps_and_windows() -> None:
    rates = [
        rate("input", "1"),
        rate("input", "2", input_over=10),
        rate("input", "4", window=(time(0), time(0))),
        rate("input", "3", layer=3),
    ]

    assert priced(rates, input=20) == (60, ())


def test_of_two_rows_for_one_instant_the_newer_is_a_correction() -> None:
    assert priced([rate("input", "1"), rate("input", "2")], input=1) == (2, ())


def test_a_window_holds_by_utc_time_of_day_and_weekday() -> None:
    rates = [rate("input", "1"), rate("input", "2", window=(time(1), time(4)), days="12345")]
    tuesday = datetime(2026, 6, 2, tzinfo=UTC)

    prices = [priced(rates, tuesday + timedelta(hours=h), input=1)[0] for h in (0, 1, 3.99, 4)]
    assert prices == [1, 2, 2, 1]
    assert priced(rates, tuesday + timedelta(days=5, hours=2), input=1) == (1, ())  # Sunday


def test_a_window_may_wrap_midnight() -> None:
    rates = [rate("input", "1"), rate("input", "2", window=(time(22), time(2)))]

    assert [priced(rates, AT.replace(hour=h), input=1)[0] for h in (21, 22, 1, 2)] == [1, 2, 2, 1]


def test_a_region_has_its_own_price_and_else_the_general_one() -> None:
    rates = [rate("input", "10"), rate("input", "11", region="us")]

    assert priced(rates, region="us", input=1) == (11, ())
    assert priced(rates, region="eu", input=1) == (10, ())
    assert priced(rates, input=1) == (10, ())


def test_a_context_that_the_model_is_not_sold_in_has_no_token_price() -> None:
    rates = [rate("input", "2"), rate("web_search", "7")]

    assert priced(rates, context="flex", input=1, web_search=1) == (7, ("input",))


def test_a_contexts_prices_are_exceptions_to_the_standard_ones() -> None:
    rates = [
        rate("input", "2"),
        rate("cache_read", "1"),
        rate("output", "8"),
        rate("input", "1", context="batch"),
    ]

    assert priced(rates, context="batch", input=1, cache_read=1, output=1) == (10, ())


def test_a_context_prices_reasoning_as_its_own_output() -> None:
    rates = [rate("reasoning", "8"), rate("output", "8"), rate("output", "4", context="batch")]

    assert priced(rates, context="batch", reasoning=1) == (4, ())


def test_overheads_are_added_on_every_call() -> None:
    rates = [
        rate("input", "10"),
        rate("call", "5"),
        rate("gateway", "0.10", is_percent=True, model=""),
        rate("tax", "0.20", is_percent=True, model=""),
    ]

    amount, lines, _ = PriceCard(rates, "standard", "").price({"input": Decimal(10)}, AT)
    assert [(line.bucket, line.amount) for line in lines] == [
        ("input", 100),
        ("call", 5),
        ("gateway", Decimal("10.5")),  # a share of 105, and so is the tax: they do not compound
        ("tax", Decimal("21")),
    ]
    assert amount == Decimal("136.5")


def test_a_call_that_used_nothing_still_costs_its_overhead() -> None:
    assert priced([rate("call", "5"), rate("input", "1")]) == (5, ())


def test_a_price_per_request_counts_the_call_once_unless_the_usage_says_how_many() -> None:
    rates = [rate("requests", "5"), rate("input", "1")]

    assert priced(rates, input=1) == (6, ())
    assert priced(rates, input=1, requests=3) == (16, ())


def test_lines_name_the_row_and_the_unit_that_lent_the_price() -> None:
    output = rate("output", "2")

    _, [line], _ = PriceCard([output], "standard", "").price({"reasoning": Decimal(3)}, AT)
    assert (line.bucket, line.priced_as, line.row_id, line.unit_price) == (
        "reasoning",
        "output",
        output.row_id,
        2,
    )


@given(
    st.dictionaries(st.sampled_from(["input", "output", "cache_read"]), st.integers(0, 10**9), max_size=3),
    st.lists(st.integers(0, 10**9), min_size=3, max_size=3),
)
def test_the_cost_is_the_plain_sum_of_products(usage: dict[str, int], prices: list[int]) -> None:
    micro = [Decimal(price).scaleb(-12) for price in prices]
    rates = [
        rate(unit, str(price)) for unit, price in zip(("input", "output", "cache_read"), micro, strict=True)
    ]
    by_unit = dict(zip(("input", "output", "cache_read"), micro, strict=True))

    assert priced(rates, **usage)[0] == sum(count * by_unit[unit] for unit, count in usage.items())


@given(st.permutations(range(6)))
def test_the_order_of_rows_never_matters(order: list[int]) -> None:
    rates = [
        rate("input", "1"),
        rate("input", "2", input_over=5),
        rate("input", "3", region="us"),
        rate("input", "4", window=(time(11), time(13))),
        rate("input", "5", layer=2),
        rate("input", "6", layer=3, input_over=50),
    ]
    shuffled = [rates[index] for index in order]

    for n in (1, 6, 51):
        assert priced(shuffled, region="us", input=n) == priced(rates, region="us", input=n)
