"""The units that providers price: which are tokens, which count toward a prompt, and which may lend their price.

A unit has the name of the usage bucket it prices. Only the loans below are made, because providers bill these tokens
inside the lender's count and publish a rate of their own only where it differs. Nothing ever borrows across sound,
made pictures or cache lifetimes: those rates differ several times, so a missing one leaves the usage unpriced.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

# An overhead on every call, beside whatever the call used.
CALL = "call"

# Billed once for each call where a provider prices requests; the bucket, where there is one, says how many.
REQUESTS = "requests"

LENDERS: Mapping[str, str] = {
    "reasoning": "output",
    "input_image": "input",
    "input_video": "input",
    "cache_read_image": "cache_read",
    "cache_read_video": "cache_read",
}

_PROMPT = ("input", "cache_read", "cache_write")
_ANSWER = ("output", "reasoning", "citation")


def is_token(unit: str) -> bool:
    """Whether the unit is a token: a discounted context (batch, flex) then prices it, and nothing else does.

    >>> is_token("cache_write_2h"), is_token("output_audio"), is_token("web_search")
    (True, True, False)
    """
    return counts_as_prompt(unit) or unit.startswith(_ANSWER)


def counts_as_prompt(unit: str) -> bool:
    """Whether the bucket is part of the prompt, cached or not: long-context steps are decided on their sum."""
    return unit.startswith(_PROMPT)


def prompt_tokens(buckets: Mapping[str, Decimal]) -> Decimal:
    """How long the prompt was, cached parts included.

    >>> prompt_tokens({"input": Decimal(200), "cache_read": Decimal(100), "output": Decimal(9)})
    Decimal('300')
    """
    return sum((count for unit, count in buckets.items() if counts_as_prompt(unit)), Decimal(0))


def priced_as(bucket: str) -> Iterable[str]:
    """The units that may price a bucket, the best first.

    >>> list(priced_as("reasoning")), list(priced_as("input_audio"))
    (['reasoning', 'output'], ['input_audio'])
    """
    yield bucket
    lender = LENDERS.get(bucket)
    if lender:
        yield lender
