"""The answer to a question about use: groups with their sums, the rest added up, and all of it together."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection

from billing.attribution.measures import Measure, nothing, sum_name
from billing.attribution.patience import TooBroad, bounded_reading
from billing.attribution.question import UsageQuestion
from billing.attribution.sources import answered_by_buckets, rows_of
from billing.attribution.span import Span
from core import limits
from core.http.pagination import PageRequest, foreign_cursor
from core.money import plain
from customers.models import Customer
from metering.event_columns import CUSTOMER, Sql, joined
from metering.removal import kept_since, kept_since_of_all
from pricing.cost_currency import COST_CURRENCY

_NUMBER = re.compile(r"-?[0-9]{1,60}(\.[0-9]{1,60})?")
GROUP, REST, TOGETHER = 0, 1, 2


@dataclass(frozen=True)
class UsageRow:
    """One group: the text of each path (empty where events have none) and its sums."""

    names: tuple[str, ...]
    sums: Mapping[str, Decimal]
    rank: Decimal

    def of(self, measure: Measure) -> Decimal | None:
        return measure.of(self.sums)


@dataclass(frozen=True)
class UsageAnswer:
    """``rows`` are the groups asked for, ``other`` what ``top`` left out (one row for each time), ``total`` everything.

    ``after`` are the sort keys of the last row, where there are more. ``currencies`` are those of the customers by key.
    ``kept_since`` is told where single events before it are removed, and the answer, read off events, lacks them.
    """

    question: UsageQuestion
    rows: tuple[UsageRow, ...]
    other: tuple[UsageRow, ...]
    total: Mapping[str, Decimal]
    after: tuple[str, ...]
    currencies: Mapping[str, str]
    kept_since: datetime | None = None

    def currency_of(self, row: UsageRow | None) -> str:
        """The currency of a row's own amounts, or of the total; empty where there is not one alone."""
        question = self.question
        if question.customer is not None:
            return question.customer.currency
        if row is not None and CUSTOMER in question.group_by:
            return self.currencies.get(row.names[question.group_by.index(CUSTOMER)], "")
        return ""

    def value(self, measure: Measure, row: UsageRow | None = None) -> Decimal | None:
        """A measure of a row, or of the total; None where it would add up different currencies."""
        currency = self.currency_of(row)
        if (measure.money == "own" and not currency) or (
            measure.name == "margin" and currency != COST_CURRENCY
        ):
            return None
        return measure.of(self.total if row is None else row.sums)


def usage_answer(question: UsageQuestion, page: PageRequest | None = None) -> UsageAnswer:
    """Answer the question: one page of groups, or with ``top`` the largest ones and the rest added up.

    Groups come by time, then largest first by the first measure. One statement reads all of it, so the parts fit
    together. Raises ``TooBroad`` where it takes too long or has too many rows.
    """
    limit = page.limit if page is not None and question.top is None else limits.USAGE_ROWS_MAX
    statement = _statement(question, limit, () if page is None else page.after)
    with bounded_reading(), connection.cursor() as cursor:
        cursor.execute(statement.text, statement.values)
        found = [_row(question, row) for row in cursor.fetchall()]
    rows = [row for part, row in found if part == GROUP]
    if len(rows) > limit and (page is None or question.top is not None):
        raise TooBroad(f"It has more than {limit:,} rows. Group by less, or narrow the span.")
    total = next((row.sums for part, row in found if part == TOGETHER), nothing(question.sums))
    return UsageAnswer(
        question,
        tuple(rows[:limit]),
        tuple(row for part, row in found if part == REST),
        total,
        _keys(question, rows[limit - 1]) if len(rows) > limit else (),
        _currencies(question),
        None if answered_by_buckets(question) else removed_before(question.customer, question.span),
    )


def removed_before(customer: Customer | None, span: Span) -> datetime | None:
    """The mark up to which single events of the span are removed; None where all of them are kept."""
    mark = kept_since_of_all() if customer is None else kept_since(customer.id)
    return mark if mark is not None and mark > span.start else None


def _statement(question: UsageQuestion, limit: int, after: Sequence[str]) -> Sql:
    """The groups, ranked and cut, then the rest, then everything, from one reading of the rows."""
    groups = [f"g{n}" for n in range(len(question.group_by))]
    names = [sum_name(name) for name in question.sums]
    added = ", ".join(f"coalesce(sum({name}), 0)::numeric AS {name}" for name in names)
    by = f"GROUP BY {', '.join(groups)}" if groups else ""
    told = ", ".join([*groups, added])
    parts = [
        Sql("WITH rows AS ("),
        rows_of(question),
        Sql(f"), added AS MATERIALIZED (SELECT {told} FROM rows {by})"),
        Sql(f", ranked AS (SELECT *, {question.measures[0].rank} AS rank FROM added)"),
    ]
    listed = ", ".join([*groups, *names])
    cut = question.top is not None and len(groups) > len(question.times)
    if cut:
        parts.append(_series(question, groups))
    kept = _kept(question, groups, cut=cut)
    order = ", ".join(_order(question, groups))
    place = f"row_number() OVER (ORDER BY {order}) AS n"
    parts.append(Sql(f" SELECT * FROM (SELECT {GROUP} AS part, {listed}, rank, {place} FROM ranked"))
    parts += [kept, _after(question, groups, after, first=not kept.text)]
    parts.append(Sql(f" ORDER BY {order} LIMIT %s) shown", (limit + 1,)))
    if cut:
        parts.append(_rest(question, groups, added))
    blank = "".join(f"'' AS {group}, " for group in groups)
    parts.append(Sql(f" UNION ALL SELECT {TOGETHER}, {blank}{added}, 0, 0 FROM added ORDER BY part, n"))
    return joined(parts, "")


def _series(question: UsageQuestion, groups: Sequence[str]) -> Sql:
    """Each name with its place by the whole span, so that a name is kept at all times or at none."""
    steady = ", ".join(_steady(question, groups))
    return Sql(
        f", series AS (SELECT {steady}, row_number() OVER (ORDER BY sum(rank) DESC, {steady}) AS place"
        f" FROM ranked GROUP BY {steady})"
    )


def _kept(question: UsageQuestion, groups: Sequence[str], *, cut: bool) -> Sql:
    if not cut:
        return Sql("")
    return Sql(
        f" JOIN series USING ({', '.join(_steady(question, groups))}) WHERE place <= %s", (question.top,)
    )


def _rest(question: UsageQuestion, groups: Sequence[str], added: str) -> Sql:
    times = [groups[n] for n in question.times]
    shown = ", ".join(group if group in times else f"'' AS {group}" for group in groups)
    by = f"GROUP BY {', '.join(times)}" if times else "HAVING count(*) > 0"
    return Sql(
        f" UNION ALL SELECT {REST}, {shown}, {added}, 0, 0 FROM ranked"
        f" JOIN series USING ({', '.join(_steady(question, groups))}) WHERE place > %s {by}",
        (question.top,),
    )


def _after(question: UsageQuestion, groups: Sequence[str], after: Sequence[str], *, first: bool) -> Sql:
    """Only rows behind the one that the page before ended in."""
    if not after:
        return Sql("")
    times = len(question.times)
    if len(after) != len(groups) + 1 or not _NUMBER.fullmatch(after[times]):
        raise foreign_cursor()
    places = ["%s::numeric" if n == times else "%s" for n in range(len(after))]
    keys = [*(groups[n] for n in question.times), "-rank", *_steady(question, groups)]
    word = "WHERE" if first else "AND"
    return Sql(f" {word} ({', '.join(keys)}) > ({', '.join(places)})", tuple(after))


def _order(question: UsageQuestion, groups: Sequence[str]) -> list[str]:
    return [*(groups[n] for n in question.times), "-rank", *_steady(question, groups)]


def _steady(question: UsageQuestion, groups: Sequence[str]) -> list[str]:
    """The groups that are no times."""
    return [group for n, group in enumerate(groups) if n not in question.times]


def _keys(question: UsageQuestion, row: UsageRow) -> tuple[str, ...]:
    times = [row.names[n] for n in question.times]
    rest = [name for n, name in enumerate(row.names) if n not in question.times]
    return (*times, plain(-row.rank), *rest)


def _row(question: UsageQuestion, row: Sequence[object]) -> tuple[int, UsageRow]:
    groups = len(question.group_by)
    names = tuple(str(name) for name in row[1 : groups + 1])
    sums = {
        name: Decimal(str(value)) for name, value in zip(question.sums, row[groups + 1 : -2], strict=True)
    }
    return int(str(row[0])), UsageRow(names, sums, Decimal(str(row[-2])))


def _currencies(question: UsageQuestion) -> dict[str, str]:
    own = any(measure.money == "own" for measure in question.measures)
    if question.customer is not None or not own or CUSTOMER not in question.group_by:
        return {}
    return dict(Customer.objects.values_list("key", "currency"))
