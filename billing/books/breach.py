"""What a check of the books finds."""

from dataclasses import dataclass
from typing import Any

from django.db import connection


@dataclass(frozen=True)
class Breach:
    """One broken invariant: its number, whose books, and a sentence that says what does not agree."""

    invariant: str
    customer_id: int
    detail: str


def rows(query: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
    """The rows of a read-only query."""
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()
