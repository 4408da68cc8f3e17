"""From counts that contain each other to buckets that do not: the arithmetic all surfaces share."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from core.money import ZERO
from metering.formats.usage.buckets import cache_write
from metering.formats.usage.fields import Fields, UsageError
from metering.formats.usage.normalized import Reading

MODALITIES = ("audio", "image", "video")

# OpenAI writes ttl_30m_tokens, Anthropic and LiteLLM ephemeral_5m_input_tokens.
_LIFETIME = re.compile(r"(?:ttl|ephemeral)_([0-9]{1,4}[smhd])_(?:input_)?tokens")


@dataclass(slots=True)
class Prompt:
    """A prompt's counts. ``total`` holds all others; ``modalities`` hold their own cached tokens."""

    total: Decimal
    path: str
    modalities: dict[str, Decimal] = field(default_factory=dict)
    cached: Decimal = ZERO
    cached_modalities: dict[str, Decimal] = field(default_factory=dict)
    writes: dict[str, Decimal] = field(default_factory=dict)


def prompt_buckets(prompt: Prompt, reading: Reading) -> dict[str, Decimal]:
    """Text, cached text, cache writes and each modality, apart; together they are ``prompt.total``.

    Cached tokens of no told modality are text while there is text, and then the rest; since that is a guess
    as soon as there are other modalities, it is flagged. Raises ``UsageError`` when the parts exceed the
    whole.

    >>> prompt = Prompt(Decimal(100), "prompt_tokens", modalities={"audio": Decimal(30)}, cached=Decimal(50))
    >>> prompt_buckets(prompt, Reading())
    {'input': Decimal('20'), 'cache_read': Decimal('50'), 'input_audio': Decimal('30')}
    """
    cached = {name: number for name, number in prompt.cached_modalities.items() if number}
    # A list of modalities may be partial: what was read from the cache was in the prompt all the same.
    held = {
        name: max(prompt.modalities.get(name, ZERO), cached.get(name, ZERO))
        for name in MODALITIES
        if prompt.modalities.get(name) or cached.get(name)
    }
    writes = sum(prompt.writes.values(), ZERO)
    text = prompt.total - writes - sum(held.values(), ZERO)
    cached_text = prompt.cached - sum(cached.values(), ZERO)
    if text < 0:
        raise UsageError(
            prompt.path, f"Its parts add up to {prompt.total - text}, more than the {prompt.total} told."
        )
    if cached_text < 0:
        raise UsageError(prompt.path, "More tokens were read from the cache by modality than in all.")
    if cached_text and held and not cached:
        reading.flag(f"ambiguous:{prompt.path}")
        cached_text = _spill(cached_text, text, held, cached)
    if cached_text > text:
        raise UsageError(
            prompt.path,
            f"{cached_text} tokens were read from the cache, more than the {text} that are left of the "
            f"{prompt.total} told; this count must hold the cached ones.",
        )
    buckets = {"input": text - cached_text, "cache_read": cached_text, **prompt.writes}
    for name, number in held.items():
        buckets[f"input_{name}"] = number - cached.get(name, ZERO)
        buckets[f"cache_read_{name}"] = cached.get(name, ZERO)
    return {name: number for name, number in buckets.items() if number}


def _spill(
    cached_text: Decimal, text: Decimal, held: Mapping[str, Decimal], cached: dict[str, Decimal]
) -> Decimal:
    """Give what does not fit into text to the other modalities; the rest is returned."""
    over = max(cached_text - text, ZERO)
    for name, number in held.items():
        cached[name] = min(over, number)
        over -= cached[name]
    return min(cached_text, text) + over


def answer_buckets(
    total: Decimal, field: str, *, reasoning: Decimal = ZERO, modalities: Mapping[str, Decimal] | None = None
) -> dict[str, Decimal]:
    """Text, reasoning and each modality of an answer whose ``total`` holds them all.

    >>> answer_buckets(Decimal(172), "completion_tokens", modalities={"audio": Decimal(100)})
    {'output': Decimal('72'), 'output_audio': Decimal('100')}
    """
    others = {f"output_{name}": number for name, number in (modalities or {}).items()}
    text = total - reasoning - sum(others.values(), ZERO)
    if text < 0:
        raise UsageError(field, f"Its parts add up to {total - text}, more than the {total} told.")
    buckets = {"output": text, "reasoning": reasoning, **others}
    return {name: number for name, number in buckets.items() if number}


def writes_by_lifetime(total: Decimal, split: Fields, *, rest: str, field: str) -> dict[str, Decimal]:
    """Cache writes by how long the cache lives; what the split leaves out goes to the lifetime ``rest``.

    A split without a total is its own total. Raises ``UsageError`` when the split exceeds the total.
    """
    writes: dict[str, Decimal] = {}
    for key in split.keys():  # noqa: SIM118 (Fields is no mapping)
        lifetime = _LIFETIME.fullmatch(key)
        if lifetime and (number := split.count(key)):
            writes[cache_write(lifetime[1])] = number
    told = sum(writes.values(), ZERO)
    if told > total > 0:
        raise UsageError(field, f"The lifetimes add up to {told}, more than the {total} written.")
    if total > told:
        # Only a split that says nothing at all is a missing one, with the provider's own default.
        name = cache_write("other" if told else rest)
        writes[name] = writes.get(name, ZERO) + total - told
    return writes


def check_total(told: Decimal, *sums: Decimal, path: str, reading: Reading) -> None:
    """Flag a total that equals none of the sums it may stand for; zero means that none was told.

    More than the parts is something billed that we do not know; less is a contradiction.
    """
    if told and told not in sums:
        reading.flag(f"unknown:{path}" if told > max(sums) else f"mismatch:{path}")
