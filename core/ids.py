"""Identifiers: time-ordered UUIDs inside, prefixed text outside (``inv_0192…``)."""

import os
import time
from uuid import UUID

from uuid6 import uuid7

from core.problems import NotFound


def new_id() -> UUID:
    """A fresh UUIDv7: unique without coordination, and close to insertion order in an index."""
    return UUID(int=uuid7().int)


def new_id_texts(count: int) -> list[str]:
    """So many fresh UUIDv7 as text, for rows written by the thousand: several times faster than one by one.

    >>> len(set(new_id_texts(3))), {UUID(text).version for text in new_id_texts(3)}
    (3, {7})
    """
    at = f"{time.time_ns() // 1_000_000:012x}"
    head = f"{at[:8]}-{at[8:]}-7"
    random = os.urandom(10 * count).hex()
    texts = []
    for n in range(0, 20 * count, 20):
        variant = "89ab"[int(random[n], 16) & 3]
        texts.append(
            f"{head}{random[n + 1 : n + 4]}-{variant}{random[n + 4 : n + 7]}-{random[n + 8 : n + 20]}"
        )
    return texts


def public_id(prefix: str, value: UUID) -> str:
    """The id as the API shows it.

    >>> public_id("inv", UUID("019282a1-0000-7000-8000-000000000001"))
    'inv_019282a1000070008000000000000001'
    """
    return f"{prefix}_{value.hex}"


def parse_public_id(prefix: str, text: str) -> UUID:
    """The UUID behind a public id; ``NotFound`` when the text cannot be one of ours.

    >>> parse_public_id("inv", "inv_019282a1000070008000000000000001")
    UUID('019282a1-0000-7000-8000-000000000001')
    """
    head, _, tail = text.rpartition("_")
    if head != prefix or len(tail) != 32 or not tail.isascii():
        raise NotFound(f"There is no object with the id {text[:80]!r}.")
    try:
        return UUID(hex=tail)
    except ValueError as error:
        raise NotFound(f"There is no object with the id {text[:80]!r}.") from error
