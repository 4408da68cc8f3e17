"""Each test has a cache of its own: what one counted there, such as failed sign-ins, must not add up to another's refusal."""

import os
from itertools import count

_turns = count(1)
_turn = 0


def begin_anew() -> None:
    """From now on nothing is in the cache; what was put there before is out of reach, and runs out by itself."""
    global _turn
    _turn = next(_turns)


def key_of_this_test(key: str, prefix: str, version: int) -> str:
    """Where Django's cache keeps what it is given under ``key``. Test processes share one Redis."""
    return f"test:{os.getpid()}:{_turn}:{prefix}:{version}:{key}"
