"""Tables that sort and page by their address, so that a link to one shows what its sender saw."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict

from core import limits
from core.texts import whole_of

ROWS_PER_PAGE = 50
PAGE_MAX = 10_000  # an offset beyond it costs more than any reader gains
YEARS = (2001, 2199)


@dataclass(frozen=True)
class Column:
    """One column. With ``order`` (field names, ascending) its head is a link that sorts.

    ``within`` are fields that come before these, always upward: amounts are compared within their currency.
    """

    key: str
    label: str
    number: bool = False
    low: bool = False
    order: tuple[str, ...] = ()
    descending_first: bool = False
    within: tuple[str, ...] = ()


@dataclass(frozen=True)
class Head:
    key: str
    label: str
    number: bool
    low: bool
    href: str
    direction: str


@dataclass(frozen=True)
class Chip:
    """A filter to click: what it is called, where it leads, how many it would show."""

    label: str
    href: str
    current: bool
    count: int | None = None


@dataclass(frozen=True)
class Listing:
    """One page of a table, with everything its head and foot link to."""

    heads: tuple[Head, ...]
    rows: Sequence[Any]
    first: int
    last: int
    count: int
    previous_href: str
    next_href: str
    csv_href: str
    search: str = ""
    chips: tuple[Chip, ...] = ()
    kept: tuple[tuple[str, str], ...] = field(default=())

    @property
    def pages(self) -> bool:
        return bool(self.previous_href or self.next_href)


def address(request: HttpRequest, changes: Mapping[str, str | None]) -> str:
    """This page's address with some of its parameters changed; None takes one away."""
    query = request.GET.copy()
    for name, value in changes.items():
        if value is None:
            query.pop(name, None)
        else:
            query[name] = value
    return f"{request.path}?{query.urlencode()}" if query else request.path


def storable(written: str, most: int = limits.ID_CHARACTERS_MAX) -> str:
    """What was written into an address or a form, without the blanks around it and what Postgres cannot store."""
    return written.replace("\0", "").strip()[:most]


def parameter(request: HttpRequest, name: str) -> str:
    """A parameter of the address; empty where it is absent."""
    return storable(request.GET.get(name, ""))


def searched(request: HttpRequest) -> str:
    """What was typed into the search field."""
    return storable(request.GET.get("q", ""), limits.SEARCH_CHARACTERS_MAX)


def day_of(request: HttpRequest, name: str = "day") -> date | None:
    """A day from the address, within the years that anything is kept for."""
    try:
        value = date.fromisoformat(request.GET.get(name, ""))
    except ValueError:
        return None
    return value if YEARS[0] <= value.year <= YEARS[1] else None


def days_between(request: HttpRequest, today: date, *, usual: int, most: int) -> tuple[date, date]:
    """The first and the last day, both counted in: ``from`` and ``to`` of the address, else the ``usual`` days up to today.

    Of more than ``most`` days the first so many.
    """
    last = day_of(request, "to") or today
    first = min(day_of(request, "from") or last - timedelta(days=usual - 1), last)
    return first, min(last, first + timedelta(days=most - 1))


def wants_csv(request: HttpRequest) -> bool:
    return request.GET.get("format") == "csv"


def ordering(request: HttpRequest, columns: Sequence[Column], default: str) -> tuple[Column, bool]:
    """The column to sort by and whether downward: from the address, else ``default`` (``-key`` is downward)."""
    by_key = {column.key: column for column in columns if column.order}
    sort = request.GET.get("sort", default)
    key = sort.removeprefix("-")
    if key not in by_key:
        sort, key = default, default.removeprefix("-")
    return by_key[key], sort.startswith("-")


def order_fields(column: Column, downward: bool) -> list[str]:
    return [*column.within, *(f"-{name}" if downward else name for name in column.order)]


def heads_for(request: HttpRequest, columns: Sequence[Column], default: str) -> tuple[Head, ...]:
    sortable = any(column.order for column in columns)
    current, downward = ordering(request, columns, default) if sortable else (None, False)
    heads = []
    for column in columns:
        href = direction = ""
        if column.order:
            here = current is column
            turned = not downward if here else column.descending_first
            href = address(
                request, {"sort": f"{'-' if turned else ''}{column.key}", "page": None, "format": None}
            )
            direction = ("descending" if downward else "ascending") if here else ""
        heads.append(Head(column.key, column.label, column.number, column.low, href, direction))
    return tuple(heads)


def listing(
    request: HttpRequest,
    columns: Sequence[Column],
    found: QuerySet[Any] | Sequence[Any],
    *,
    default: str,
    chips: Iterable[Chip] = (),
    per_page: int = ROWS_PER_PAGE,
) -> Listing:
    """The page of ``found`` that the address asks for. A query set is sorted here; a sequence comes sorted."""
    if isinstance(found, QuerySet):
        found = found.order_by(*order_fields(*ordering(request, columns, default)))
    paginator: Paginator[Any] = Paginator(found, per_page)
    page = paginator.get_page(_page_number(request))
    return Listing(
        heads=heads_for(request, columns, default),
        rows=list(page.object_list),
        first=page.start_index(),
        last=page.end_index(),
        count=paginator.count,
        previous_href=address(request, {"page": str(page.number - 1)}) if page.has_previous() else "",
        next_href=address(request, {"page": str(page.number + 1)}) if page.has_next() else "",
        csv_href=address(request, {"format": "csv", "page": None}),
        search=searched(request),
        chips=tuple(chips),
        kept=kept(request.GET),
    )


@dataclass(frozen=True)
class PreparedPage:
    """Rows that their own query sorts and cuts: how many there are, and how to read some."""

    count: int
    read: Callable[[int, int], Sequence[Any]]


def prepared_listing(
    request: HttpRequest, columns: Sequence[Column], found: PreparedPage, *, default: str
) -> Listing:
    """Like ``listing``, for rows that are read by a query of their own."""
    pages = max(-(-found.count // ROWS_PER_PAGE), 1)
    number = min(max(_page_number(request), 1), pages)
    offset = (number - 1) * ROWS_PER_PAGE
    rows = found.read(offset, ROWS_PER_PAGE)
    return Listing(
        heads=heads_for(request, columns, default),
        rows=rows,
        first=offset + 1 if rows else 0,
        last=offset + len(rows),
        count=found.count,
        previous_href=address(request, {"page": str(number - 1)}) if number > 1 else "",
        next_href=address(request, {"page": str(number + 1)}) if number < pages else "",
        csv_href=address(request, {"format": "csv", "page": None}),
        search=searched(request),
        kept=kept(request.GET),
    )


def chips_for(
    request: HttpRequest,
    name: str,
    choices: Iterable[tuple[str, str]],
    counts: Mapping[str, int] | None = None,
) -> tuple[Chip, ...]:
    """Chips that set the parameter ``name``; the choice with an empty value takes the filter away."""
    current = request.GET.get(name, "")
    return tuple(
        Chip(
            label,
            address(request, {name: value or None, "page": None, "before": None, "format": None}),
            current == value,
            counts.get(value) if counts is not None else None,
        )
        for value, label in choices
    )


def kept(query: QueryDict) -> tuple[tuple[str, str], ...]:
    """The parameters that a search form carries along, so that searching keeps filters and order."""
    left_out = ("q", "page", "format", "before")
    return tuple(
        (name, value) for name, values in query.lists() if name not in left_out for value in map(str, values)
    )


def _page_number(request: HttpRequest) -> int:
    number = whole_of(request.GET.get("page", ""))
    return 1 if number is None else min(number, PAGE_MAX)
