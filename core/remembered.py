"""What a process keeps in memory of the database, and how it forgets it.

A database may be put back to an earlier state under a running process; ids then belong to other rows. Whoever notices
calls ``forget_everything``.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Answer = TypeVar("Answer")
_forgetting: list[Callable[[], object]] = []


def remembered(most: int) -> Callable[[Callable[Given, Answer]], Callable[Given, Answer]]:
    """Decorates a function of the database whose answer never changes: the ``most`` latest answers are kept."""

    def decorate(ask: Callable[Given, Answer]) -> Callable[Given, Answer]:
        kept = lru_cache(most)(ask)
        forget_with(kept.cache_clear)
        return kept  # type: ignore[return-value]

    return decorate


def forget_with(forget: Callable[[], object]) -> None:
    """Name a function that empties a memory of another kind. Called once, where the memory is made."""
    _forgetting.append(forget)


def forget_everything() -> None:
    """Ask the database again for all that this process knows of it."""
    for forget in _forgetting:
        forget()
