from decimal import Decimal

import pytest

from metering.formats.usage import BUCKETS, UsageError, canonical, is_bucket, is_token_bucket


def test_lifetimes_are_flattened_and_empty_buckets_left_out() -> None:
    usage = {
        "input": 1200,
        "cache_read": 800,
        "cache_write": {"5m": 0, "1h": "40", "other": 3},
        "output": "300",
    }

    assert canonical(usage) == {
        "input": 1200,
        "cache_read": 800,
        "cache_write_1h": 40,
        "cache_write_other": 3,
        "output": 300,
    }


def test_flat_names_are_taken_as_they_are() -> None:
    usage = {"cache_write_5m": 7, "cache_write_2h": 1, "input_audio": 3, "audio_seconds": "1.25"}

    assert canonical(usage) == usage | {"audio_seconds": Decimal("1.25")}


def test_a_write_of_no_told_lifetime_is_of_another_one() -> None:
    assert canonical({"cache_write": 9}) == {"cache_write_other": 9}


@pytest.mark.parametrize("name", sorted(BUCKETS))
def test_every_published_bucket_is_taken(name: str) -> None:
    assert canonical({name: 2}) == {name: 2}
    assert is_bucket(name)


def test_an_unknown_bucket_is_refused_with_the_list_of_known_ones() -> None:
    with pytest.raises(UsageError) as refused:
        canonical({"input": 1, "completion_tokens": 5})

    assert refused.value.field == "usage.completion_tokens"
    assert "output" in refused.value.detail
    assert "web_search" in refused.value.detail


@pytest.mark.parametrize(
    ("usage", "field"),
    [
        ({"input": -1}, "usage.input"),
        ({"input": "1.5"}, "usage.input"),
        ({"input": True}, "usage.input"),
        ({"input": 1.0}, "usage.input"),
        ({"input": 10**20}, "usage.input"),
        ({"input": {"audio": 1}}, "usage.input"),
        ({"audio_seconds": "1e3"}, "usage.audio_seconds"),
        ({"cache_write": {"forever": 1}}, "usage.cache_write.forever"),
        ({"cache_write": {"5m": 1}, "cache_write_5m": 1}, "usage.cache_write_5m"),
        ({"cache_write_soon": 1}, "usage.cache_write_soon"),
        ({"\x00": 1}, "usage.?"),
        ([], "usage"),
        (None, "usage"),
    ],
)
def test_what_is_no_usage_is_refused_by_name(usage: object, field: str) -> None:
    with pytest.raises(UsageError) as refused:
        canonical(usage)  # type: ignore[arg-type]

    assert refused.value.field == field


def test_token_buckets_are_told_from_counted_units() -> None:
    assert is_token_bucket("cache_write_3h")
    assert is_token_bucket("reasoning")
    assert not is_token_bucket("web_search")
    assert not is_token_bucket("cache_write_soon")
