"""Runs: each one's events added up, and how it ended.

A run has failed where its last step did: where the last attempt of the step with the highest number has another status
than ``ok``. An event of the type ``run.finished`` says more than its steps: then its status holds. What a failed call or a
second attempt cost is told beside the run's whole cost, whatever became of the run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from billing.attribution.measures import EVENT_SUMS
from billing.attribution.patience import bounded_reading
from billing.attribution.span import Span
from core.http.pagination import PageRequest, foreign_cursor
from core.money import exact
from core.problems import Problem
from core.texts import whole_of
from core.times import parse_time, render_time
from customers.models import Customer
from metering.event_columns import ATTEMPT, STEP, Sql, joined

FINISHED = "run.finished"
OK, FAILED_RUN = "ok", "failed"
# The event that a run's outcome is read off, last of all.
LAST = f"(e.type = '{FINISHED}'), {STEP} NULLS FIRST, {ATTEMPT}, e.occurred_at, e.seq"
LAST_STATUS = f"(array_agg(e.status ORDER BY {LAST}))[count(*)] AS last_status"
LATEST_FIRST = "started_at DESC, customer_id DESC, run_id DESC"
DRAWN = """LEFT JOIN LATERAL (
        SELECT coalesce(sum(credits), 0) AS credits FROM billing_creditdraw
        WHERE customer_id = e.customer_id AND seq = e.seq
    ) d ON true"""


@dataclass(frozen=True)
class Figures:
    """What events add up to; ``cost`` is the provider's, in USD."""

    events: int = 0
    tokens: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    credits: Decimal = Decimal(0)
    failed: int = 0
    failed_cost: Decimal = Decimal(0)
    failed_credits: Decimal = Decimal(0)
    retries: int = 0
    retry_cost: Decimal = Decimal(0)
    retry_credits: Decimal = Decimal(0)

    @exact
    def __add__(self, other: "Figures") -> "Figures":
        return Figures(*(getattr(self, name) + getattr(other, name) for name in FIGURES))


FIGURES = tuple(Figures.__dataclass_fields__)
ADDED = ", ".join(f"sum({EVENT_SUMS[name].text}) AS {name}" for name in FIGURES)
ADDED_VALUES = tuple(value for name in FIGURES for value in EVENT_SUMS[name].values)


@dataclass(frozen=True)
class Run:
    """One run with its own events' figures; ``parent`` is the run that its earliest event names."""

    customer_id: int
    customer: str
    id: str
    parent: str
    status: str
    started_at: datetime
    ended_at: datetime
    steps: int
    own: Figures

    @property
    def failed(self) -> bool:
        return self.status == FAILED_RUN

    @property
    def seconds(self) -> Decimal:
        """From its first event to its last."""
        passed = self.ended_at - self.started_at
        return Decimal(passed.days * 86_400 + passed.seconds) + Decimal(passed.microseconds).scaleb(-6)


@dataclass(frozen=True)
class RunFilter:
    """Which runs: those with an event in the span, of one customer or all, by outcome and least cost."""

    customer: Customer | None
    span: Span
    status: str = ""
    cost_min: Decimal | None = None
    words: str = ""


# What is told of each run, from all of its events.
TOLD = f"""e.customer_id, e.run_id,
    coalesce((array_agg(e.run->>'parent' ORDER BY e.seq) FILTER (WHERE e.run->>'parent' <> ''))[1], '') AS parent,
    {LAST_STATUS},
    min(e.occurred_at) AS started_at, max(e.occurred_at) AS ended_at, count(DISTINCT e.run->>'step') AS steps"""
COLUMNS = ", ".join(
    ("customer_id", "run_id", "parent", "last_status", "started_at", "ended_at", "steps", *FIGURES)
)


def told_runs(which: Sql) -> Sql:
    """A query of runs: ``which`` is the condition on the events ``e`` that they are made of."""
    return joined(
        [
            Sql(f"SELECT {TOLD}, {ADDED} FROM metering_event e {DRAWN} WHERE", ADDED_VALUES),
            which,
            Sql("GROUP BY e.customer_id, e.run_id"),
        ],
        " ",
    )


def runs_page(asked: RunFilter, page: PageRequest) -> tuple[list[Run], tuple[str, ...]]:
    """One page of the runs, the latest started first, each told whole; and the sort keys to go on from.

    Raises ``TooBroad`` where the span holds more than can be read.
    """
    zones, within = asked.span.sql("e.occurred_at")
    mine = [] if asked.customer is None else [Sql("e.customer_id = %s", (asked.customer.id,))]
    named = [Sql("e.run_id = %s", (asked.words,))] if asked.words else []
    seen = joined(
        [
            Sql("SELECT DISTINCT e.customer_id, e.run_id FROM metering_event e"),
            Sql("JOIN customers_customer c ON c.id = e.customer_id"),
            zones,
            Sql("WHERE"),
            joined([within, Sql("e.run_id <> ''"), *mine, *named], " AND "),
        ],
        " ",
    )
    chosen = joined(
        [
            Sql("SELECT customer_id, run_id FROM begun"),
            _which(asked, page.after),
            Sql(f" ORDER BY {LATEST_FIRST} LIMIT %s", (page.limit + 1,)),
        ],
        "",
    )
    # What a page shows of its runs takes far longer to add up than which runs it shows.
    statement = joined(
        [
            Sql("WITH seen AS MATERIALIZED ("),
            seen,
            Sql("), begun AS ("),
            _begun(asked),
            Sql("), shown AS MATERIALIZED ("),
            chosen,
            Sql("), told AS ("),
            told_runs(_those_of("shown", asked)),
            Sql(f") SELECT {COLUMNS} FROM told ORDER BY {LATEST_FIRST}"),
        ],
        "",
    )
    found = read_runs(statement)
    shown = found[: page.limit]
    if len(found) <= page.limit:
        return shown, ()
    last = shown[-1]
    return shown, (render_time(last.started_at), str(last.customer_id), last.id)


def read_runs(statement: Sql) -> list[Run]:
    """The runs that a query with ``COLUMNS`` finds."""
    with bounded_reading(), connection.cursor() as cursor:
        cursor.execute(statement.text, statement.values)
        rows = cursor.fetchall()
    keys = dict(Customer.objects.filter(id__in={row[0] for row in rows}).values_list("id", "key"))
    return [_run(row, keys[row[0]]) for row in rows]


def figures_of(values: Sequence[Any]) -> Figures:
    """Figures from a row's sums, in their order."""
    whole = ("events", "failed", "retries")
    told: dict[str, Any] = {
        name: int(value) if name in whole else Decimal(value)
        for name, value in zip(FIGURES, values, strict=True)
    }
    return Figures(**told)


def _begun(asked: RunFilter) -> Sql:
    """Every run that was seen, with no more than what it is sorted and chosen by."""
    sums = EVENT_SUMS["cost"]
    return joined(
        [
            Sql("SELECT e.customer_id, e.run_id, min(e.occurred_at) AS started_at"),
            *([Sql(f", {LAST_STATUS}")] if asked.status else []),
            *([Sql(f", sum({sums.text}) AS cost", sums.values)] if asked.cost_min is not None else []),
            Sql(" FROM metering_event e WHERE "),
            _those_of("seen", asked),
            Sql(" GROUP BY e.customer_id, e.run_id"),
        ],
        "",
    )


def _those_of(runs: str, asked: RunFilter) -> Sql:
    """Whether an event is of one of the runs, said in the words of the index that finds them."""
    parts = [Sql("e.run_id <> ''")]
    if asked.customer is None:
        parts.append(Sql(f"(e.customer_id, e.run_id) IN (SELECT customer_id, run_id FROM {runs})"))
    else:
        parts.append(Sql("e.customer_id = %s", (asked.customer.id,)))
        parts.append(Sql(f"e.run_id IN (SELECT run_id FROM {runs})"))
    return joined(parts, " AND ")


def _which(asked: RunFilter, after: Sequence[str]) -> Sql:
    parts: list[Sql] = []
    if asked.status:
        parts.append(Sql(f"last_status {'=' if asked.status == OK else '<>'} 'ok'"))
    if asked.cost_min is not None:
        parts.append(Sql("cost >= %s", (asked.cost_min,)))
    if after:
        parts.append(_behind(after))
    return joined([Sql(" WHERE "), joined(parts, " AND ")], "") if parts else Sql("")


def _behind(after: Sequence[str]) -> Sql:
    customer_id = whole_of(after[1]) if len(after) == 3 else None
    if customer_id is None:
        raise foreign_cursor()
    try:
        started_at = parse_time(after[0])
    except (ValueError, Problem):
        raise foreign_cursor() from None
    return Sql("(started_at, customer_id, run_id) < (%s, %s, %s)", (started_at, customer_id, after[2]))


def _run(row: Sequence[Any], customer: str) -> Run:
    customer_id, run_id, parent, status, started_at, ended_at, steps, *sums = row
    outcome = OK if status == "ok" else FAILED_RUN
    return Run(customer_id, customer, run_id, parent, outcome, started_at, ended_at, steps, figures_of(sums))
