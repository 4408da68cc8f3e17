"""What outcomes took: the cost of the work before each, of outcomes that were taken back, and of work without an outcome.

One rule says what belongs to an outcome. A call belongs to the first outcome at or after it, within the window, that
shares its strongest link: a call with a run goes by its run where an outcome of that run follows, else by its next link,
such as the session. So each call belongs to one outcome or to none, and the parts add up to the whole.

Two spans meet in a report. Outcomes count by when they came; their cost is whole, also what was spent before the span.
The cost of the span is told beside it: what of it led to outcomes, of the span or later ones, and what led to none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection

from billing.attribution.patience import bounded_reading
from billing.attribution.question import read_filter
from billing.attribution.span import Span
from billing.models import ValueEvent
from billing.statements.reversals import REVERSES
from core.money import CONTEXT, ZERO, exact
from customers.models import Customer
from metering.event_columns import (
    TIMES,
    Sql,
    condition_sql,
    joined,
    named,
    text_column,
    time_column,
)


@dataclass(frozen=True)
class ValueRow:
    """One group: outcomes that stand and what they took, those taken back and what these had taken, work without any.

    ``cost`` is that of the outcomes that stand; ``reversed_cost`` of those taken back; ``unattributed`` the cost in the span
    that no outcome follows. All in USD.
    """

    names: tuple[str, ...] = ()
    outcomes: int = 0
    reversed: int = 0
    cost: Decimal = ZERO
    calls: int = 0
    reversed_cost: Decimal = ZERO
    unattributed: Decimal = ZERO
    unattributed_calls: int = 0

    @property
    def cost_each(self) -> Decimal | None:
        """What an outcome that stands took; None without one."""
        return CONTEXT.divide(self.cost, self.outcomes) if self.outcomes else None

    @property
    @exact
    def all_in_each(self) -> Decimal | None:
        """The same with what came to nothing put on those that stand."""
        spent = self.cost + self.reversed_cost + self.unattributed
        return CONTEXT.divide(spent, self.outcomes) if self.outcomes else None


@dataclass(frozen=True)
class ValueReport:
    """Rows by group, their sum, and how the cost of the span comes together.

    ``spent`` = the total's ``cost`` + ``reversed_cost`` − ``earlier`` + ``later`` + ``unattributed``: of what the outcomes
    took, ``earlier`` was spent before the span; of what was spent in the span, ``later`` led to outcomes after it.
    """

    rows: tuple[ValueRow, ...]
    total: ValueRow
    spent: Decimal
    earlier: Decimal
    later: Decimal


@dataclass(frozen=True)
class ValueQuestion:
    """A report of one value event: of one customer or all, by up to three paths of the outcome (of the call, without one)."""

    value_event: ValueEvent
    customer: Customer | None
    span: Span
    group_by: tuple[str, ...] = ()


@exact
def value_report(question: ValueQuestion) -> ValueReport:
    """Work the report out from the events. Raises ``TooBroad`` where it takes too long."""
    statement = _statement(question)
    with bounded_reading(), connection.cursor() as cursor:
        cursor.execute(statement.text, statement.values)
        found = cursor.fetchall()
    groups = len(question.group_by)
    rows = [_row(row[:groups], row[groups:-3]) for row in found]
    spent, earlier, later = (sum((Decimal(row[n]) for row in found), ZERO) for n in (-3, -2, -1))
    kept = [row for row in rows if row.outcomes or row.reversed or row.unattributed_calls]
    return ValueReport(tuple(sorted(kept, key=_order(question))), _together(rows), spent, earlier, later)


def _order(question: ValueQuestion) -> Callable[[ValueRow], tuple[Any, ...]]:
    times = [n for n, path in enumerate(question.group_by) if path in TIMES]

    def key(row: ValueRow) -> tuple[Any, ...]:
        return (*(row.names[n] for n in times), -row.outcomes, -(row.cost + row.unattributed), row.names)

    return key


def _row(names: Sequence[str], sums: Sequence[object]) -> ValueRow:
    outcomes, reversed_, cost, calls, reversed_cost, unattributed, unattributed_calls = (
        Decimal(str(value or 0)) for value in sums
    )
    return ValueRow(
        tuple(names),
        int(outcomes),
        int(reversed_),
        cost,
        int(calls),
        reversed_cost,
        unattributed,
        int(unattributed_calls),
    )


def _together(rows: Sequence[ValueRow]) -> ValueRow:
    return ValueRow(
        (),
        sum(row.outcomes for row in rows),
        sum(row.reversed for row in rows),
        sum((row.cost for row in rows), ZERO),
        sum(row.calls for row in rows),
        sum((row.reversed_cost for row in rows), ZERO),
        sum((row.unattributed for row in rows), ZERO),
        sum(row.unattributed_calls for row in rows),
    )


def _statement(question: ValueQuestion) -> Sql:
    """Outcomes and calls side by side; for each call and link the next outcome by a window; then sums by group.

    ``place`` orders outcomes: the instant, then the number they were stored under. The window runs back from the newest,
    so that its frame only ever grows.
    """
    links = range(len(question.value_event.links))
    seconds = question.value_event.window_days * 86_400
    groups = [f"g{n}" for n in range(len(question.group_by))]
    following = ", ".join(
        f"""min(CASE WHEN is_outcome THEN place END) OVER (
            PARTITION BY customer_id, link{n} ORDER BY occurred_at DESC, is_outcome DESC, seq DESC
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS next{n}"""
        for n in links
    )
    # An outcome beyond the window is none: then the next link is asked.
    nearest = ", ".join(
        f"CASE WHEN link{n} <> '' AND next{n}[1] <= extract(epoch FROM occurred_at) + %s THEN next{n} END"
        for n in links
    )
    grouped = "".join(f", coalesce(o.{group}, c.{group}) AS {group}" for group in groups)
    return joined(
        [
            Sql("WITH rows AS MATERIALIZED ("),
            _rows(question, timedelta(seconds=seconds)),
            Sql("), reversal AS MATERIALIZED ("),
            _reversals(question, timedelta(seconds=seconds)),
            Sql(f"), ahead AS (SELECT *, {following} FROM rows)"),
            Sql(
                f", call AS (SELECT *, CASE WHEN is_outcome THEN place ELSE coalesce({nearest}) END AS outcome FROM ahead)",
                tuple(seconds for _ in links),
            ),
            Sql(
                f", told AS (SELECT o.*, {_TAKEN_BACK} AS is_reversed FROM rows o WHERE o.is_outcome)",
                (timedelta(days=question.value_event.reversal_days),),
            ),
            Sql(
                f""", pair AS (SELECT c.cost, c.is_outcome, c.in_span AS spent_here, o.is_reversed,
                    coalesce(o.in_span, false) AS counted, o.place IS NULL AS lost{grouped}
                FROM call c LEFT JOIN told o ON o.customer_id = c.customer_id AND o.place = c.outcome)"""
            ),
            _sums(groups),
        ],
        "",
    )


_TAKEN_BACK = """EXISTS (SELECT 1 FROM reversal r WHERE r.customer_id = o.customer_id AND r.source = o.source
    AND r.reverses = o.event_id AND r.seq > o.seq AND r.occurred_at >= o.occurred_at
    AND r.occurred_at <= o.occurred_at + %s)"""


# Where a richer report took the place of the event that a reversal names, it is that report that is taken back.
_REPLACED = f"""LEFT JOIN LATERAL (
        SELECT r.event_id, r.source FROM metering_withdrawnevent w
        JOIN metering_event r ON r.customer_id = w.customer_id AND r.seq = w.seq
        WHERE w.customer_id = e.customer_id AND w.event_id = e.properties->>'{REVERSES}' AND w.source = e.source
            AND w.replaced_by_id <> '' ORDER BY w.withdrawn_at DESC LIMIT 1) n
    ON NOT EXISTS (SELECT 1 FROM metering_event own WHERE own.customer_id = e.customer_id
        AND own.event_id = e.properties->>'{REVERSES}' AND own.source = e.source)"""


def _sums(groups: Sequence[str]) -> Sql:
    told = "".join(f"{group}, " for group in groups)
    by = f"GROUP BY {', '.join(groups)}" if groups else ""
    return Sql(
        f""" SELECT {told} sum(outcomes), sum(reversed), sum(cost), sum(calls), sum(reversed_cost),
            sum(unattributed), sum(unattributed_calls), sum(spent), sum(earlier), sum(later)
        FROM (
            SELECT {told} CASE WHEN is_reversed THEN 0 ELSE 1 END AS outcomes,
                CASE WHEN is_reversed THEN 1 ELSE 0 END AS reversed, 0 AS cost, 0 AS calls, 0 AS reversed_cost,
                0 AS unattributed, 0 AS unattributed_calls, 0 AS spent, 0 AS earlier, 0 AS later
            FROM told WHERE in_span
            UNION ALL
            SELECT {told} 0, 0,
                CASE WHEN counted AND NOT is_reversed THEN cost ELSE 0 END,
                CASE WHEN counted AND NOT is_reversed AND NOT is_outcome THEN 1 ELSE 0 END,
                CASE WHEN counted AND is_reversed THEN cost ELSE 0 END,
                CASE WHEN lost AND spent_here THEN cost ELSE 0 END,
                CASE WHEN lost AND spent_here AND cost <> 0 THEN 1 ELSE 0 END,
                CASE WHEN spent_here THEN cost ELSE 0 END,
                CASE WHEN counted AND NOT spent_here THEN cost ELSE 0 END,
                CASE WHEN spent_here AND NOT lost AND NOT counted THEN cost ELSE 0 END
            FROM pair
        ) parts {by}"""
    )


def _rows(question: ValueQuestion, window: timedelta) -> Sql:
    """Every event from a window before the span to a window after it, with its links, its groups and what it is."""
    asked, span = question.value_event, question.span
    zones, within = span.sql("e.occurred_at")
    accepted = [condition_sql(text_column(item.path), item) for item in read_filter(asked.filter)]
    outcome = joined([Sql("e.type = %s AND e.status = 'ok'", (asked.event_type,)), *accepted], " AND ")
    columns = {
        name: Sql(f"e.{name}") for name in ("customer_id", "seq", "event_id", "source", "occurred_at", "cost")
    }
    columns |= {
        "place": Sql("ARRAY[extract(epoch FROM e.occurred_at), e.seq]"),
        "is_outcome": Sql(f"({outcome.text})", outcome.values),
        "in_span": Sql(f"({within.text})", within.values),
    }
    columns |= {f"link{n}": text_column(path) for n, path in enumerate(asked.links)}
    columns |= {
        f"g{n}": time_column(path) if path in TIMES else text_column(path)
        for n, path in enumerate(question.group_by)
    }
    return joined(
        [
            Sql("SELECT"),
            named(columns),
            Sql("FROM metering_event e JOIN customers_customer c ON c.id = e.customer_id"),
            zones,
            Sql("WHERE"),
            _wide(question, span.start - window, span.end + window),
        ],
        " ",
    )


def _reversals(question: ValueQuestion, window: timedelta) -> Sql:
    """What takes an outcome back: by the rule that charges go by, see ``billing.statements.reversals``."""
    asked, span = question.value_event, question.span
    if not asked.reversed_by:
        return Sql(
            "SELECT customer_id, source, '' AS reverses, seq, occurred_at FROM metering_event WHERE false"
        )
    latest = span.end + window + timedelta(days=asked.reversal_days)
    return joined(
        [
            Sql(
                f"""SELECT e.customer_id, coalesce(n.source, e.source) AS source,
                    coalesce(n.event_id, e.properties->>'{REVERSES}') AS reverses, e.seq, e.occurred_at
                FROM metering_event e {_REPLACED} WHERE e.type = %s AND""",
                (asked.reversed_by,),
            ),
            _wide(question, span.start - window, latest),
        ],
        " ",
    )


def _wide(question: ValueQuestion, start: datetime, end: datetime) -> Sql:
    mine = [] if question.customer is None else [Sql("e.customer_id = %s", (question.customer.id,))]
    return joined([Sql("e.occurred_at >= %s AND e.occurred_at < %s", (start, end)), *mine], " AND ")
