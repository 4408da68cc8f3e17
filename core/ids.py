"""Identifiers: time-ordered UUIDs inside, prefixed text outside (``inv_0192…``)."""

from uuid import UUID

from uuid6 import uuid7

from core.problems import NotFound


def new_id() -> UUID:
    """A fresh UUIDv7: unique without coordination, and close to insertion order in an index."""
    return UUID(int=uuid7().int)


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
