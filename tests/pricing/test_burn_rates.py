"""Which rate of a burn table wins, and how many credits it burns."""

import random
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import plain
from pricing.burn_rates import BurnFacts, RateTable, in_family, parse_rates


def rate(id: str, credits: str, per: str = "1", **match: Any) -> dict[str, Any]:
    return {"id": id, "match": match, "credits": credits, "per": per}


def burned(rates: list[dict[str, Any]], **facts: Any) -> list[tuple[str, str, str]] | None:
    parsed, errors = parse_rates(rates)
    assert errors == []
    burns = RateTable(parsed).burns(BurnFacts(**facts))
    return None if burns is None else [(b.row_id, b.token_kind, plain(b.credits)) for b in burns]


OPUS = {
    "models": ("claude-opus-4-5-20251101", "claude-opus-4-5"),
    "provider": "anthropic",
    "type": "llm.call",
}
USAGE = {"input": Decimal(2000), "output": Decimal(100)}


def test_each_kind_burns_by_the_rate_that_names_most_of_the_event() -> None:
    rates = [
        rate("input", "1", "1000", token_kind="input"),
        rate("output", "5", "1000", token_kind="output"),
        rate("opus-output", "75", "1000", token_kind="output", family="opus"),
        rate("opus-45-output", "70", "1000", token_kind="output", model="claude-opus-4-5"),
    ]

    assert burned(rates, **OPUS, buckets=USAGE) == [
        ("input", "input", "2"),
        ("opus-45-output", "output", "7"),
    ]


def test_the_default_counts_only_where_nothing_else_names_the_event() -> None:
    rates = [rate("default", "1"), rate("opus-output", "75", "1000", token_kind="output", family="opus")]

    assert burned(rates, **OPUS, buckets=USAGE) == [("opus-output", "output", "7.5")]
    assert burned(rates, models=("gpt-5",), buckets=USAGE) == [("default", "call", "1")]


def test_a_price_for_a_task_takes_the_place_of_general_token_rates() -> None:
    rates = [rate("output", "5", "1000", token_kind="output"), rate("fix-bug", "20", task="fix-bug")]

    assert burned(rates, buckets=USAGE, properties={"task": "fix-bug"}) == [("fix-bug", "call", "20")]
    assert burned(rates, buckets=USAGE, properties={"task": "chat"}) == [("output", "output", "0.5")]


def test_a_call_fee_is_burned_beside_the_tokens() -> None:
    rates = [rate("fee", "0.5", token_kind="call"), rate("tokens", "1", "1000", token_kind="tokens")]

    assert burned(rates, buckets={"output": Decimal(1000), "web_search": Decimal(2)}) == [
        ("tokens", "output", "1"),
        ("fee", "call", "0.5"),
    ]


def test_a_call_burns_for_its_quantity() -> None:
    assert burned(
        [rate("resolved", "3", type="ticket.resolved")], type="ticket.resolved", quantity=Decimal(4)
    ) == [("resolved", "call", "12")]


def test_the_model_weighs_more_than_the_task_and_two_fields_more_than_one() -> None:
    rates = [
        rate("by-model", "1", model="gpt-5"),
        rate("by-task", "2", task="chat"),
        rate("by-both", "3", model="gpt-5", task="chat"),
    ]
    chat = {"models": ("gpt-5",), "properties": {"task": "chat"}}

    assert burned(rates, **chat) == [("by-both", "call", "3")]
    assert burned(rates[:2], **chat) == [("by-model", "call", "1")]


def test_of_two_rates_for_as_much_the_one_by_kind_counts() -> None:
    rates = [rate("whole", "9", model="gpt-5"), rate("out", "1", "100", model="gpt-5", token_kind="output")]

    assert burned(rates, models=("gpt-5",), buckets=USAGE) == [("out", "output", "1")]


def test_a_kind_by_name_weighs_more_than_tokens_even_in_a_list() -> None:
    rates = [rate("any", "1", token_kind="tokens"), rate("named", "2", token_kind=["output", "reasoning"])]

    assert burned(rates, buckets={"output": Decimal(3)}) == [("named", "output", "6")]


def test_one_value_weighs_more_than_a_list() -> None:
    rates = [rate("many", "1", model=["gpt-5", "gpt-5-mini"]), rate("one", "2", model="gpt-5")]

    assert burned(rates, models=("gpt-5",)) == [("one", "call", "2")]
    assert burned(rates, models=("gpt-5-mini",)) == [("many", "call", "1")]


def test_an_event_that_nothing_names_is_told_apart_from_one_that_burns_nothing() -> None:
    rates = [rate("gpt-output", "1", token_kind="output", family="gpt-5")]

    assert burned(rates, models=("claude-opus-4-5",), buckets=USAGE) is None
    assert burned(rates, models=("gpt-5",), buckets={"input": Decimal(1)}) == []


def test_events_alike_are_told_apart_by_every_property_that_a_rate_names() -> None:
    parsed, _ = parse_rates(
        [rate("a", "1", **{"properties.team": "a"}), rate("b", "2", task="b"), rate("c", "3")]
    )
    table = RateTable(parsed)

    for properties, expected in [({}, "c"), ({"team": "a"}, "a"), ({"task": "b"}, "b"), ({"team": "x"}, "c")]:
        for _ in range(2):
            assert [burn.row_id for burn in table.burns(BurnFacts(properties=properties)) or []] == [expected]


def test_providers_go_by_our_names() -> None:
    assert burned([rate("google", "1", provider="vertex_ai")], provider="gemini") == [("google", "call", "1")]


def test_a_version_number_is_no_family_of_another() -> None:
    assert not in_family("gpt-5.4", "gpt-5")
    assert in_family("us.anthropic/claude-opus-4-5", "opus-4")


@given(st.integers(0, 10**12), st.integers(1, 10**6), st.integers(0, 10**6))
def test_credits_are_exact_to_eighteen_decimals(count: int, per: int, credits: int) -> None:
    parsed, _ = parse_rates([rate("r", str(credits), str(per), token_kind="output")])
    burns = RateTable(parsed).burns(BurnFacts(buckets={"output": Decimal(count)})) or []

    for burn in burns:
        assert abs(Fraction(burn.credits) - Fraction(count * credits, per)) <= Fraction(1, 2 * 10**18)


@given(st.randoms(use_true_random=False))
def test_the_order_of_writing_never_matters(shuffle: random.Random) -> None:
    rates = [
        rate("a", "1"),
        rate("b", "2", model="gpt-5"),
        rate("c", "3", token_kind="output"),
        rate("d", "4", token_kind="tokens", model="gpt-5"),
        rate("e", "5", token_kind="output", task=["x", "chat"]),
        rate("f", "6", token_kind="output", **{"properties.team": "t1"}),
    ]
    facts = {"models": ("gpt-5",), "buckets": USAGE, "properties": {"task": "chat", "team": "t1"}}
    expected = burned(rates, **facts)
    shuffle.shuffle(rates)

    assert burned(rates, **facts) == expected


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        (rate("a b", "1"), "rates[0].id"),
        (rate("a", "-1"), "rates[0].credits"),
        (rate("a", "1", "0"), "rates[0].per"),
        (rate("a", "1", colour="red"), "rates[0].match.colour"),
        (rate("a", "1", model=[]), "rates[0].match.model"),
        (rate("a", "1", token_kind="Output"), "rates[0].match.token_kind"),
        ({**rate("a", "1"), "price": "1"}, "rates[0].price"),
        ("a", "rates[0]"),
    ],
)
def test_a_wrong_rate_is_named_by_its_field(entry: Any, field: str) -> None:
    _, errors = parse_rates([entry])

    assert [error.field for error in errors] == [field]


def test_two_rates_cannot_share_an_id() -> None:
    _, errors = parse_rates([rate("a", "1"), rate("a", "2", model="gpt-5")])

    assert [(error.field, error.code) for error in errors] == [("rates[1].id", "duplicate")]


def test_what_is_stored_reads_back_the_same() -> None:
    parsed, _ = parse_rates(
        [rate("a", "0.50", "1000", model=["GPT-5", "o3"], token_kind=["output", "reasoning"])]
    )
    again, errors = parse_rates([one.as_json() for one in parsed])

    assert errors == [] and again == parsed
