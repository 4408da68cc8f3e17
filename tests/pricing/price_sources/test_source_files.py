"""Reading other people's price lists: their shapes as they publish them, with invented numbers."""

import json
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import plain
from pricing.price_sources.files import read_prices
from pricing.price_sources.quotes import PriceList, Quote, SourceError
from pricing.price_sources.reading import quote_from_json


def prices(read: PriceList) -> dict[tuple[Any, ...], str]:
    """Each price by what sets it apart."""
    return {
        (
            quote.unit,
            *(part for part in (quote.context, quote.region, quote.input_over, quote.window) if part),
        ): plain(quote.price)
        for quote in read.quotes
    }


def litellm(entry: str, name: str = "rocket") -> PriceList:
    return read_prices("litellm", f'{{"{name}": {{"litellm_provider": "acme", "mode": "chat", {entry}}}}}')


def test_litellm_field_names_are_a_grammar() -> None:
    read = litellm(
        """"input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05,
        "input_cost_per_token_batches": 0.0000015, "input_cost_per_token_above_200k_tokens": 6e-06,
        "cache_creation_input_token_cost": 3.75e-06,
        "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 1.2e-05,
        "output_cost_per_token_above_272k_tokens_priority": 3e-05, "input_cost_per_audio_token": 0.00004"""
    )

    assert prices(read) == {
        ("input", "standard"): "0.000003",
        ("output", "standard"): "0.000015",
        ("input", "batch"): "0.0000015",
        ("input", "standard", 200_000): "0.000006",
        ("cache_write_other", "standard"): "0.00000375",
        ("cache_write_5m", "standard"): "0.00000375",
        ("cache_write_1h", "standard", 200_000): "0.000012",
        ("output", "priority", 272_000): "0.00003",
        ("input_audio", "standard"): "0.00004",
    }


def test_litellm_prices_are_read_to_the_last_digit_and_never_through_a_float() -> None:
    read = litellm('"input_cost_per_token": 0.123456789012345678')

    assert read.quotes[0].price == Decimal("0.123456789012345678")


def test_litellm_zero_and_unknown_words_are_counted_not_taken() -> None:
    read = litellm(
        '"input_cost_per_token": 0.0, "output_cost_per_hologram": 1.0, "input_cost_per_token_moon": 1.0'
    )

    assert read.quotes == []
    assert dict(read.skipped) == {
        "zero, which may mean free or unknown": 1,
        "output_cost_per_hologram: no unit of ours": 1,
        "input_cost_per_token_moon: no unit of ours": 1,
    }


def test_litellm_windows_tiers_and_regional_factors() -> None:
    windows = litellm(
        """"input_cost_per_token": 4e-06, "off_peak_pricing": {"input_cost_per_token": 2e-06,
        "windows": [{"hours_utc": ["10:00-00:00"], "weekdays": [1, 2]}, {"hours_utc": "00:00-00:00"}]}"""
    )
    tiers = litellm('"tiered_pricing": [{"range": [0, 256000.0], "input_cost_per_token": 1e-06}]')
    factors = litellm('"input_cost_per_token": 1e-05, "provider_specific_entry": {"us": 1.1}')

    assert [(quote.window, quote.days) for quote in windows.quotes[1:]] == [
        ((time(10), time(0)), "12"),
        ((time(0), time(0)), "1234567"),
    ]
    assert [(quote.input_over, plain(quote.price)) for quote in tiers.quotes] == [(0, "0.000001")]
    assert [(quote.region, plain(quote.price)) for quote in factors.quotes] == [
        ("", "0.00001"),
        ("us", "0.000011"),
    ]


@pytest.mark.parametrize(
    ("provider", "name", "model", "region"),
    [
        ("xai", "xai/grok-4.3", "grok-4.3", ""),
        ("bedrock", "bedrock/us-west-2/meta.llama3", "meta.llama3", "us-west-2"),
        ("azure", "azure/eu/gpt-5", "gpt-5", "eu"),
        ("together_ai", "together_ai/Qwen/Qwen3", "Qwen/Qwen3", ""),
    ],
)
def test_litellm_names_lose_the_provider_and_give_the_region(
    provider: str, name: str, model: str, region: str
) -> None:
    text = json.dumps({name: {"litellm_provider": provider, "input_cost_per_token": "0.000001"}})

    [quote] = read_prices("litellm", text).quotes
    assert (quote.model, quote.region) == (model, region)


def test_openrouter_overrides_become_steps_and_windows() -> None:
    model = {
        "id": "Acme/Rocket",
        "pricing": {
            "prompt": "0.000003",
            "completion": "0.000015",
            "request": "0",
            "image": "0.004",
            "input_cache_write": "0.00000375",
            "overrides": [
                {"min_prompt_tokens": 200000, "prompt": "0.000006"},
                {"utc_start": 2230, "utc_end": 400, "utc_days": ["monday", "sunday"], "prompt": "0.000001"},
                {"utc_days": ["someday"], "prompt": "0.1"},
            ],
        },
    }
    routed = {"id": "acme/auto", "pricing": {"prompt": "-1", "completion": "-1"}}
    given_away = {"id": "acme/rocket:free", "pricing": {"prompt": "0", "completion": "0", "web_search": "0"}}
    cheaper = {"id": "acme/sale", "pricing": {"prompt": "1", "discount": 0.5}}
    read = read_prices("openrouter", json.dumps({"data": [model, routed, given_away, cheaper]}))

    rocket = [quote for quote in read.quotes if quote.model == "acme/rocket"]
    assert [(q.unit, plain(q.price), q.input_over, q.window, q.days) for q in rocket] == [
        ("input", "0.000003", 0, None, "1234567"),
        ("output", "0.000015", 0, None, "1234567"),
        ("cache_write_5m", "0.00000375", 0, None, "1234567"),
        ("cache_write_other", "0.00000375", 0, None, "1234567"),
        ("input", "0.000006", 200_000, None, "1234567"),
        ("input", "0.000001", 0, (time(22, 30), time(4)), "17"),
    ]
    assert {(q.model, q.unit, plain(q.price)) for q in read.quotes if q.model != "acme/rocket"} == {
        ("acme/rocket:free", "input", "0"),
        ("acme/rocket:free", "output", "0"),
    }
    assert read.skipped["a price that varies or is no number"] == 2
    assert read.skipped["a discount on top of the price"] == 1


def test_bedrock_prices_are_per_thousand_dated_and_by_region() -> None:
    def product(inference: str, feature: str = "On-demand Inference") -> dict[str, Any]:
        told = {
            "model": "Rocket 3.5",
            "inferenceType": inference,
            "feature": feature,
            "regionCode": "us-east-1",
        }
        return {"attributes": told}

    def term(dollars: str, unit: str = "1K tokens") -> dict[str, Any]:
        dimension = {"unit": unit, "pricePerUnit": {"USD": dollars}, "beginRange": "0"}
        return {"T": {"effectiveDate": "2026-10-01T00:00:00Z", "priceDimensions": {"R": dimension}}}

    told = {
        "version": "20261001",
        "products": {
            "a": product("Input tokens"),
            "b": product("Output tokens", "Batch Inference"),
            "c": product("Input tokens", "Provisioned Throughput"),
            "d": product("Output tokens"),
        },
        "terms": {
            "OnDemand": {
                "a": term("0.0008000000"),
                "b": term("0.0016"),
                "c": term("9"),
                "d": term("1", "Hours"),
            }
        },
    }
    read = read_prices("bedrock", json.dumps(told))

    assert read.version == "20261001"
    assert [(q.model, q.unit, plain(q.price), q.context, q.region, q.starts) for q in read.quotes] == [
        ("rocket-3.5", "input", "0.0000008", "standard", "us-east-1", datetime(2026, 10, 1, tzinfo=UTC)),
        ("rocket-3.5", "output", "0.0000016", "batch", "us-east-1", datetime(2026, 10, 1, tzinfo=UTC)),
    ]
    assert read.skipped == {"no token price on demand": 1, "unit 'Hours'": 1}


def test_csv_notes_and_empty_values_are_passed_over() -> None:
    read = read_prices(
        "csv",
        "# a note\nprovider,model,unit,price,per,effective_from\nacme,rocket,input,3,1000000,\n\n"
        'acme,"a, b",output,1,,2026-01-01T00:00:00Z\n',
    )

    assert [(q.model, plain(q.price), q.starts) for q in read.quotes] == [
        ("rocket", "0.000003", None),
        ("a, b", "1", datetime(2026, 1, 1, tzinfo=UTC)),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("provider,model,unit\n", "Line 1: the column price"),
        ("# note\nprovider,model,unit,price\nacme,rocket,input\n", "Line 3: it has 3 values for 4"),
        ("provider,model,unit,price\nacme,rocket,input,1e-6\n", "Line 2: price: '1e-6'"),
        (
            "provider,model,unit,price,colour\nacme,rocket,input,1,red\n",
            "Line 2: colour: There is no such field",
        ),
    ],
)
def test_a_wrong_csv_line_is_named(text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read_prices("csv", text)


def test_our_own_json_keeps_numbers_as_they_are_written() -> None:
    [quote] = read_prices(
        "json",
        '{"prices": [{"provider": "acme", "model": "m", "unit": "input", "price": 0.10, "input_over": 5}]}',
    ).quotes

    assert (plain(quote.price), quote.input_over) == ("0.1", 5)


@given(
    st.builds(
        Quote,
        provider=st.just("acme"),
        model=st.sampled_from(["rocket", ""]),
        unit=st.sampled_from(["input", "web_search"]),
        price=st.decimals(0, 10**6, places=18),
        context=st.sampled_from(["standard", "batch"]),
        region=st.sampled_from(["", "us"]),
        input_over=st.integers(0, 10**6),
        window=st.sampled_from([None, (time(22, 30), time(4))]),
        is_percent=st.booleans(),
        starts=st.sampled_from([None, datetime(2026, 1, 1, tzinfo=UTC)]),
        inherited=st.booleans(),
    )
)
def test_a_kept_quote_reads_back_the_same(quote: Quote) -> None:
    assert quote_from_json(json.loads(json.dumps(quote.as_json()))) == quote
