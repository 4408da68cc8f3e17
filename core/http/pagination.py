"""Lists in pages: `{"results": […], "next": cursor or null}`, walked by the last row's own sort keys.

A page begins after a row, not after a count, so rows that come or go meanwhile neither repeat nor hide
others.
"""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Field, Model, Q, QuerySet

from core import limits, texts
from core.fields import Fields
from core.problems import Invalid

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class PageRequest:
    """How many rows, and after which; ``after`` holds that row's sort keys as text, or is empty for the first
    page.
    """

    limit: int
    after: tuple[str, ...]


def page_request(query: Fields) -> PageRequest:
    """Read ``limit`` and ``cursor``; wrong ones are noted in the query's errors."""
    limit = query.integer("limit", limits.PAGE_ROWS_DEFAULT, least=1, most=limits.PAGE_ROWS_MAX)
    after: tuple[str, ...] = query.parsed("cursor", _decode, (), code="cursor", stand_in=())
    return PageRequest(limit, after)


def page_of(
    rows: QuerySet[M], page: PageRequest, *, order: Sequence[str], render: Callable[[M], dict[str, Any]]
) -> dict[str, Any]:
    """One page of the rows. ``order`` is as in ``order_by``, all rising or all falling, and ends in something
    unique.

    Raises ``Invalid`` for a cursor that was not made by this list.
    """
    return page_of_all(rows, page, order=order, render_all=lambda shown: [render(row) for row in shown])


def page_of_all(
    rows: QuerySet[M],
    page: PageRequest,
    *,
    order: Sequence[str],
    render_all: Callable[[list[M]], list[dict[str, Any]]],
) -> dict[str, Any]:
    """As ``page_of``, where what is told of the rows is read for all of them at once."""
    fields = _fields(rows, order)
    found = _rows_after(rows, page, order, page.limit + 1)
    shown = found[: page.limit]
    return {
        "results": render_all(shown),
        "next": _cursor(fields, shown[-1]) if len(found) > page.limit else None,
    }


def sifted_page_of(
    rows: QuerySet[M],
    page: PageRequest,
    *,
    order: Sequence[str],
    render: Callable[[M], dict[str, Any] | None],
) -> dict[str, Any]:
    """One page of the rows that ``render`` does not answer ``None`` for: a choice that no query can make.

    At most ``SIFTED_ROWS_MAX`` rows are looked at for one page, so a page may hold fewer than its limit, or
    none, and still have a next one.
    """
    fields = _fields(rows, order)
    found = _rows_after(rows, page, order, limits.SIFTED_ROWS_MAX + 1)
    results: list[dict[str, Any]] = []
    for place, row in enumerate(found[: limits.SIFTED_ROWS_MAX], start=1):
        rendered = render(row)
        results += [rendered] if rendered is not None else []
        if len(results) == page.limit:
            return {"results": results, "next": _cursor(fields, row) if place < len(found) else None}
    more = len(found) > limits.SIFTED_ROWS_MAX
    return {"results": results, "next": _cursor(fields, found[-2]) if more else None}


def _fields(rows: QuerySet[Any], order: Sequence[str]) -> list[Any]:
    return [rows.model._meta.get_field(name.removeprefix("-")) for name in order]


def _rows_after(rows: QuerySet[M], page: PageRequest, order: Sequence[str], count: int) -> list[M]:
    falling = order[0].startswith("-")
    after = _after(_fields(rows, order), page.after, falling=falling) if page.after else Q()
    return list(rows.filter(after).order_by(*order)[:count])


def _cursor(fields: Sequence[Any], row: Model) -> str:
    return encode_cursor([field.value_to_string(row) for field in fields])


def _after(fields: Sequence[Any], texts_of_row: tuple[str, ...], *, falling: bool) -> Q:
    if len(fields) != len(texts_of_row):
        raise foreign_cursor()
    values = [_value(field, text) for field, text in zip(fields, texts_of_row, strict=True)]
    after, equal = Q(), Q()
    for field, value in zip(fields, values, strict=True):
        after |= equal & Q(**{f"{field.name}__{'lt' if falling else 'gt'}": value})
        equal &= Q(**{field.name: value})
    # Implied by the rest, but this much an index can begin its scan with.
    return after & Q(**{f"{fields[0].name}__{'lte' if falling else 'gte'}": values[0]})


def _value(field: "Field[Any, Any]", text: str) -> Any:
    try:
        value = field.to_python(text)
        field.run_validators(value)
    except (ValidationError, ValueError, OverflowError):
        raise foreign_cursor() from None
    return value


def encode_cursor(keys: Sequence[str]) -> str:
    """The cursor of a page that ends in a row with these sort keys; ``PageRequest.after`` hands them back."""
    packed = json.dumps(list(keys), separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def _decode(cursor: Any) -> tuple[str, ...]:
    problem = ValueError("Send back the cursor exactly as `next` gave it.")
    if not isinstance(cursor, str) or not cursor.isascii() or len(cursor) > limits.CURSOR_CHARACTERS_MAX:
        raise problem
    try:
        keys = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise problem from None
    if not isinstance(keys, list) or not keys or not all(isinstance(key, str) for key in keys):
        raise problem
    if any(texts.UNSTORABLE.search(key) for key in keys):
        raise problem
    return tuple(keys)


def foreign_cursor() -> Invalid:
    """The refusal of a cursor that this list did not make."""
    return Invalid.one("cursor", "cursor", "Send back the cursor exactly as `next` gave it.")
