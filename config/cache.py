"""A cache that may be lost: with Redis away every read is a miss and every write a no-op."""

import functools
from collections.abc import Callable
from typing import Any

import structlog
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)


def _or_when_lost(answer: Callable[[], Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return method(*args, **kwargs)
            except (RedisError, OSError) as error:
                log.warning("cache_unreachable", operation=method.__name__, reason=str(error))
                return answer()

        return call

    return decorate


class _LossyClient(RedisCacheClient):
    add = _or_when_lost(lambda: True)(RedisCacheClient.add)
    set = _or_when_lost(lambda: None)(RedisCacheClient.set)
    touch = _or_when_lost(lambda: False)(RedisCacheClient.touch)
    delete = _or_when_lost(lambda: False)(RedisCacheClient.delete)
    get_many = _or_when_lost(dict)(RedisCacheClient.get_many)
    has_key = _or_when_lost(lambda: False)(RedisCacheClient.has_key)
    incr = _or_when_lost(lambda: 1)(RedisCacheClient.incr)
    set_many = _or_when_lost(lambda: None)(RedisCacheClient.set_many)
    delete_many = _or_when_lost(lambda: None)(RedisCacheClient.delete_many)
    clear = _or_when_lost(lambda: False)(RedisCacheClient.clear)

    def get(self, key: Any, default: Any) -> Any:
        try:
            return super().get(key, default)
        except (RedisError, OSError) as error:
            log.warning("cache_unreachable", operation="get", reason=str(error))
            return default


class LossyRedisCache(RedisCache):
    """Django's Redis cache, made so that losing Redis makes pages slower and nothing else.

    Nothing that must be right may live here: sessions, limits on money and identity are rows in Postgres.
    """

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = _LossyClient
