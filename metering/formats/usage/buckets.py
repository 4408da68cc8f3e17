"""The names of the disjoint buckets, and usage told in our own shape."""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from metering.formats.usage.fields import Fields, UsageError, shown

# Cache writes are priced by how long the cache lives, so the lifetime is part of the name and stays data:
# any number and unit is a bucket, `other` is a write whose lifetime the provider did not tell.
_TTL = re.compile(r"[0-9]{1,4}[smhd]|other")
_CACHE_WRITE = "cache_write_"

TOKENS = {
    "input": "text tokens of the prompt that no cache served",
    "cache_read": "text tokens of the prompt read from a cache",
    "cache_write_5m": "tokens written to a cache that lives five minutes",
    "cache_write_30m": "tokens written to a cache that lives thirty minutes",
    "cache_write_1h": "tokens written to a cache that lives one hour",
    "cache_write_12h": "tokens written to a cache that lives twelve hours",
    "cache_write_other": "tokens written to a cache whose lifetime was not told",
    "output": "text tokens of the answer, without reasoning",
    "reasoning": "tokens the model thought with",
    "citation": "tokens of cited sources",
    "input_audio": "audio tokens of the prompt",
    "input_image": "image tokens of the prompt, pages of documents included",
    "input_video": "video tokens of the prompt",
    "cache_read_audio": "audio tokens of the prompt read from a cache",
    "cache_read_image": "image tokens of the prompt read from a cache",
    "cache_read_video": "video tokens of the prompt read from a cache",
    "output_audio": "audio tokens of the answer",
    "output_image": "image tokens of the answer",
    "output_video": "video tokens of the answer",
}

COUNTED = {
    "requests": "calls",
    "web_search": "searches of the web",
    "maps_search": "look-ups on a map",
    "file_search": "searches of stored files",
    "search_units": "rerank searches, as Cohere counts them",
    "code_execution": "runs of code on the provider's side",
    "classifications": "texts classified",
    "characters": "characters spoken or embedded",
    "pages": "document pages read",
    "annotated_pages": "document pages read and annotated",
    "images": "images made",
    "audio_seconds": "seconds of audio",
    "video_seconds": "seconds of video",
}

BUCKETS: Mapping[str, str] = TOKENS | COUNTED
"""Each bucket and what it counts. `cache_write_<ttl>` of another lifetime, such as `2h`, is one too."""


def is_bucket(name: str) -> bool:
    """Whether usage may be counted under this name.

    >>> is_bucket("output"), is_bucket("cache_write_2h"), is_bucket("completion_tokens")
    (True, True, False)
    """
    return name in BUCKETS or (
        name.startswith(_CACHE_WRITE) and bool(_TTL.fullmatch(name[len(_CACHE_WRITE) :]))
    )


def is_token_bucket(name: str) -> bool:
    """Whether the bucket counts tokens, and not searches, seconds or pages."""
    return name in TOKENS or (is_bucket(name) and name.startswith(_CACHE_WRITE))


def is_prompt_bucket(name: str) -> bool:
    """Whether the bucket counts tokens that were sent, read from a cache or written into one."""
    return is_token_bucket(name) and name.startswith(("input", "cache_"))


def cache_write(ttl: str) -> str:
    """The bucket of writes to a cache of this lifetime; `cache_write_other` for one that is not a lifetime.

    >>> cache_write("1h"), cache_write("forever")
    ('cache_write_1h', 'cache_write_other')
    """
    return _CACHE_WRITE + (ttl if _TTL.fullmatch(ttl) else "other")


def canonical(usage: Mapping[str, Any]) -> dict[str, Decimal]:
    """Usage in our own shape, checked and flat; empty buckets are left out.

    Cache writes may be told by lifetime (``{"5m": 10, "1h": 20}``) or as one number of unknown lifetime.
    Tokens and calls are whole; seconds, characters and pages may have decimals. Raises ``UsageError``.

    >>> canonical({"input": 1200, "cache_write": {"5m": 0, "1h": "40"}, "output": 300})
    {'input': Decimal('1200'), 'cache_write_1h': Decimal('40'), 'output': Decimal('300')}
    """
    if not isinstance(usage, Mapping):
        raise UsageError("usage", 'Write an object of buckets, such as {"input": 1200, "output": 300}.')
    counts: dict[str, Decimal] = {}
    for name, field, key in _flat(Fields(usage, "usage")):
        if name in counts:
            raise UsageError(field.path_of(key), f"{name} is given twice; give it once.")
        counts[name] = field.count(key) if is_token_bucket(name) else field.quantity(key)
    return {name: count for name, count in counts.items() if count}


def _flat(usage: Fields) -> Iterator[tuple[str, Fields, str]]:
    """Each bucket's name, and where its number stands."""
    for key in usage.keys():  # noqa: SIM118 (Fields is no mapping)
        if key == "cache_write" and usage.is_object(key):
            lifetimes = usage.child(key)
            for ttl in lifetimes.keys():  # noqa: SIM118
                if not _TTL.fullmatch(ttl):
                    raise UsageError(
                        lifetimes.path_of(ttl), 'Write a lifetime such as "5m" or "1h", or "other".'
                    )
                yield cache_write(ttl), lifetimes, ttl
        elif key == "cache_write":
            yield cache_write("other"), usage, key
        elif is_bucket(key):
            yield key, usage, key
        else:
            raise UsageError(
                usage.path_of(key),
                f"{shown(key)} is not a bucket. Write one of: {', '.join(BUCKETS)}; "
                "or send the provider's own usage as `response`.",
            )
