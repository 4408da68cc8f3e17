"""The cache keeps things while Redis is there, and costs nothing but misses when it is not."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.core.cache.backends.base import BaseCache

from config.cache import LossyRedisCache


@pytest.fixture
def lost() -> Iterator[BaseCache]:
    yield LossyRedisCache("redis://127.0.0.1:1/0", {})


def test_it_keeps_what_it_is_given() -> None:
    cache.set("answer", 42, timeout=60)
    assert cache.get("answer") == 42
    cache.delete("answer")
    assert cache.get("answer", "none") == "none"


def test_a_lost_redis_reads_as_a_miss(lost: BaseCache) -> None:
    assert lost.get("answer") is None
    assert lost.get("answer", 7) == 7
    assert lost.get_many(["a", "b"]) == {}
    assert not lost.has_key("answer")


def test_a_lost_redis_swallows_writes(lost: BaseCache) -> None:
    lost.set("answer", 42)
    lost.set_many({"a": 1})
    lost.delete("answer")
    lost.clear()
    assert lost.add("answer", 1)
    assert lost.incr("answer") == 1


@pytest.mark.parametrize("turn", [1, 2])
def test_what_another_test_counted_is_not_there(turn: int) -> None:
    assert cache.add("sign-ins", turn)
