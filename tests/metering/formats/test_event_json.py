"""The fast reader gives what the strict one gives, or refuses what it refuses."""

import json
from decimal import Decimal
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from core import strict_json
from core.problems import Malformed
from metering.formats.event_json import decode_events

NAMES = st.sampled_from(["a", "b", "c", "é", 'q"', "\\"])
LEAVES = st.sampled_from(
    [
        "1",
        "-0",
        "1.50",
        "1e3",
        "NaN",
        "9" * 25,
        "true",
        "null",
        '"x"',
        '"\\""',
        '"\\u0061"',
        '"é"',
        '"\\ud800"',
        '":"',
    ]
)


def objects(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Objects as text, which may repeat a name and be spaced in any way."""
    members = st.tuples(NAMES, st.sampled_from(["", " ", "\n"]), values)
    return st.lists(members, max_size=3).map(
        lambda found: (
            "{"
            + ",".join(
                f"{json.dumps(name, ensure_ascii=False)}{gap}:{gap}{value}" for name, gap, value in found
            )
            + "}"
        )
    )


DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: objects(inner) | st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]"),
    max_leaves=12,
)


def outcome(read: Any, body: bytes) -> Any:
    try:
        return read(body)
    except Malformed as problem:
        return problem.detail


@given(DOCUMENTS)
@example('{"a":{"b":1,"b":2}}')
@example('{"a":1.5,"a":"x"}')
@example("[" * 17 + "]" * 17)
@example('{"a" : "b", "c":":"}')
def test_both_readers_agree(document) -> None:
    body = document.encode("utf-8", "surrogatepass")
    quick, strict = outcome(decode_events, body), outcome(strict_json.decode, body)
    assert _comparable(quick) == _comparable(strict)


def _comparable(tree: Any) -> Any:
    """Integers beyond 20 digits are refused a step later on the fast way."""
    if isinstance(tree, dict):
        return {name: _comparable(value) for name, value in tree.items()}
    if isinstance(tree, list):
        return [_comparable(item) for item in tree]
    if isinstance(tree, strict_json.RefusedNumber) or (isinstance(tree, int) and abs(tree) >= 10**20):
        return "refused"
    return (type(tree).__name__, str(tree)) if isinstance(tree, Decimal | bool) else tree
