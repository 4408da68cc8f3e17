"""Form encoding as Stripe's libraries write it: ``lines[0][period][start]=1``."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from billing.stripe.double.errors import Refusal

Pairs = list[tuple[str, str]]

KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
DEPTH_MAX = 8


def read_pairs(encoded: str) -> Pairs:
    """The pairs of a query string or a form body, in the order they were sent."""
    try:
        return parse_qsl(encoded, keep_blank_values=True, max_num_fields=20_000, errors="strict")
    except (ValueError, UnicodeDecodeError) as error:
        raise Refusal(f"Invalid request body: {error}") from error


def nest(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Pairs as a tree of dicts; array items keep their index as a key, for the typed check to sort out.

    >>> nest([("lines[0][amount]", "5"), ("expand[]", "customer")])
    {'lines': {'0': {'amount': '5'}}, 'expand': {'': 'customer'}}
    """
    tree: dict[str, Any] = {}
    for key, value in pairs:
        match = KEY.fullmatch(key)
        if match is None:
            raise Refusal(f"Invalid parameter name: {key}", code="parameter_unknown", param=key)
        steps = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
        if len(steps) > DEPTH_MAX:
            raise Refusal(f"Invalid parameter name: {key}", code="parameter_unknown", param=key)
        branch = tree
        for step in steps[:-1]:
            branch = branch.setdefault(step, {})
            if not isinstance(branch, dict):
                raise Refusal(f"Invalid {key}: both a value and a hash", param=key)
        leaf = steps[-1]
        if leaf == "":
            leaf = "" if not branch else str(len(branch))
        branch[leaf] = value
    return tree
