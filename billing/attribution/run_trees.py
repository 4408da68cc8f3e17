"""A run with the runs that it started, and theirs: who started whom, what each cost alone and with all below it.

Links come from outside. A run is placed below the one that its earliest event names, once, and the run that was asked for
is the root: links that go round in a circle end where they began.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection

from billing.attribution.patience import bounded_reading
from billing.attribution.runs import (
    ADDED,
    ADDED_VALUES,
    COLUMNS,
    DRAWN,
    Figures,
    Run,
    figures_of,
    read_runs,
    told_runs,
)
from core import limits
from core.http.pagination import PageRequest, foreign_cursor
from core.problems import NotFound
from customers.models import Customer
from metering.event_columns import ATTEMPT, STEP, Sql, joined

# UNION, and not UNION ALL: a run that was found is not looked into again, so that no circle goes on.
DESCENDANTS = """
    WITH RECURSIVE tree(run_id) AS (
        SELECT %s::varchar
        UNION
        SELECT e.run_id FROM tree t JOIN metering_event e
            ON e.customer_id = %s AND e.run ? 'parent' AND e.run->>'parent' = t.run_id AND e.run_id <> ''
    ) SELECT run_id FROM tree LIMIT %s
"""


@dataclass(frozen=True)
class Node:
    """One run in its place: how deep below the root, its own figures, and those of it and all below it together."""

    run: Run
    depth: int
    children: int
    whole: Figures

    @property
    def indent(self) -> int:
        """Its depth as far as a page can show it."""
        return min(self.depth, 6)


@dataclass(frozen=True)
class RunTree:
    """The run that was asked for and all below it, each after the one that started it.

    ``failed_runs`` adds up the own figures of the runs that failed: what was spent on work that came to nothing, whatever
    became of the runs beside it. ``complete`` says whether all runs of the tree are in it.
    """

    nodes: tuple[Node, ...]
    failed_runs: tuple[Run, ...]
    complete: bool

    @property
    def root(self) -> Node:
        return self.nodes[0]

    @property
    def failed(self) -> Figures:
        return sum((run.own for run in self.failed_runs), Figures())

    @property
    def depth(self) -> int:
        return max(node.depth for node in self.nodes)


@dataclass(frozen=True)
class Attempt:
    """One try at a step: all events with its number."""

    number: int
    status: str
    started_at: datetime
    latency_ms: int | None
    figures: Figures


@dataclass(frozen=True)
class Step:
    """One step with its attempts in order. ``number`` is None for the events that name no step."""

    number: int | None
    attempts: tuple[Attempt, ...]

    @property
    def status(self) -> str:
        return self.attempts[-1].status

    @property
    def figures(self) -> Figures:
        return sum((attempt.figures for attempt in self.attempts), Figures())


def run_tree(customer: Customer, run_id: str) -> RunTree:
    """The tree below a run of the customer's. Raises ``NotFound``."""
    most = limits.RUN_TREE_RUNS_MAX
    with bounded_reading(), connection.cursor() as cursor:
        cursor.execute(DESCENDANTS, [run_id, customer.id, most + 1])
        ids = [row[0] for row in cursor.fetchall()]
    which = Sql("e.customer_id = %s AND e.run_id = ANY(%s) AND e.run_id <> ''", (customer.id, ids[:most]))
    runs = {
        run.id: run
        for run in read_runs(
            joined([Sql("WITH told AS ("), told_runs(which), Sql(f") SELECT {COLUMNS} FROM told")], "")
        )
    }
    if run_id not in runs:
        raise NotFound("There is no such run.")
    nodes = _placed(runs, run_id)
    failed = tuple(node.run for node in nodes if node.run.failed)
    return RunTree(tuple(nodes), failed, len(ids) <= most)


def run_steps(customer: Customer, run_id: str, page: PageRequest) -> tuple[list[Step], tuple[str, ...]]:
    """One page of a run's own steps with their attempts, in order, and the sort keys to go on from."""
    after = _step_after(page.after)
    statement = f"""
        WITH step AS (
            SELECT DISTINCT coalesce({STEP}, -1) AS number FROM metering_event e
            WHERE e.customer_id = %s AND e.run_id = %s AND coalesce({STEP}, -1) > %s
            ORDER BY 1 LIMIT %s
        )
        SELECT coalesce({STEP}, -1) AS step, {ATTEMPT} AS attempt,
            (array_agg(e.status ORDER BY e.occurred_at, e.seq))[count(*)], min(e.occurred_at), sum(e.latency_ms), {ADDED}
        FROM metering_event e {DRAWN}
        WHERE e.customer_id = %s AND e.run_id = %s AND coalesce({STEP}, -1) IN (SELECT number FROM step)
        GROUP BY 1, 2 ORDER BY 1, 2
    """
    values = [customer.id, run_id, after, page.limit + 1, *ADDED_VALUES, customer.id, run_id]
    steps: dict[int, list[Attempt]] = {}
    with bounded_reading(), connection.cursor() as cursor:
        cursor.execute(statement, values)
        for number, attempt, status, started_at, latency, *sums in cursor.fetchall():
            latency_ms = None if latency is None else int(latency)
            told = Attempt(int(attempt), status, started_at, latency_ms, figures_of(sums))
            steps.setdefault(int(number), []).append(told)
    numbers = list(steps)
    shown = [Step(None if number < 0 else number, tuple(steps[number])) for number in numbers[: page.limit]]
    more = len(numbers) > page.limit
    return shown, (str(numbers[page.limit - 1]),) if more else ()


def _step_after(after: Sequence[str]) -> Decimal:
    if not after:
        return Decimal(-2)
    text = after[0].removeprefix("-")
    if len(after) != 1 or not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise foreign_cursor()
    return Decimal(after[0])


def _placed(runs: Mapping[str, Run], root: str) -> list[Node]:
    """The runs below the root in order: each before those it started, these by their start."""
    below: dict[str, list[str]] = defaultdict(list)
    for run in sorted(runs.values(), key=lambda run: (run.started_at, run.id)):
        if run.id != root:
            below[run.parent].append(run.id)
    order: list[tuple[str, int]] = []
    waiting = [(root, 0)]
    while waiting:
        run_id, depth = waiting.pop()
        order.append((run_id, depth))
        waiting += [(child, depth + 1) for child in reversed(below[run_id])]
    whole: dict[str, Figures] = {}
    for run_id, _ in reversed(order):
        whole[run_id] = sum((whole[child] for child in below[run_id]), runs[run_id].own)
    return [Node(runs[run_id], depth, len(below[run_id]), whole[run_id]) for run_id, depth in order]
