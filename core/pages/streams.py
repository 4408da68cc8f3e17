"""Long tables that are read newest first, a page at a time, without counting them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from core.pages.tables import address
from core.texts import whole_of


@dataclass(frozen=True)
class Stream:
    """One page of a long table, and the address of the older and the newest ones."""

    rows: Sequence[Any]
    older_href: str
    newest_href: str
    csv_href: str = ""


def before_of(request: HttpRequest) -> int | None:
    """Where the page starts, from the address: a sequence number that everything shown is below."""
    return whole_of(request.GET.get("before", ""))


def stream(
    request: HttpRequest, rows: Sequence[Any], *, size: int, last_seq: int | None, goes_on: bool = False
) -> Stream:
    """``rows`` hold up to ``size`` + 1 entries: one more than shown says that older ones exist.

    ``goes_on`` says that there may be older ones all the same, where only a part was looked through.
    """
    more = goes_on or len(rows) > size
    return Stream(
        rows=rows[:size],
        older_href=address(request, {"before": str(last_seq)}) if more and last_seq is not None else "",
        newest_href=address(request, {"before": None}) if "before" in request.GET else "",
        csv_href=address(request, {"format": "csv", "before": None}),
    )
