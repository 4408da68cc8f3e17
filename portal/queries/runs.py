"""A customer's runs: what each took of the customer's credits and money, with what failed and what was tried again."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import DecimalField, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Coalesce

from billing.attribution.run_trees import run_tree
from billing.attribution.runs import Figures, Run, RunFilter, runs_page
from billing.receipts.own_prices import Prices, prices_of_runs
from core.http.pagination import PageRequest
from customers.models import Customer
from metering.models import Event
from portal.queries.calls import SEEN


@dataclass(frozen=True)
class Taken:
    """What some calls took of the customer's. ``price`` is None where they were too many to be priced one by one."""

    calls: int
    tokens: Decimal | None
    credits: Decimal
    price: Decimal | None


@dataclass(frozen=True)
class Work:
    """A run's calls added up: all of them, those that failed, and those that were further attempts."""

    whole: Taken
    failed: Taken
    retries: Taken

    @classmethod
    def of(cls, figures: Figures, prices: Prices | None) -> "Work":
        total, failed, retries = (prices.total, prices.failed, prices.retries) if prices else (None,) * 3
        return cls(
            Taken(figures.events, figures.tokens, figures.credits, total),
            Taken(figures.failed, None, figures.failed_credits, failed),
            Taken(figures.retries, None, figures.retry_credits, retries),
        )


@dataclass(frozen=True)
class RunRow:
    """One run with its own calls; ``parent`` is the run that started it, or empty."""

    id: str
    parent: str
    failed: bool
    started_at: datetime
    ended_at: datetime
    seconds: Decimal
    steps: int
    own: Work


@dataclass(frozen=True)
class RunNode:
    """A run in its place in the tree, with what it and all runs below it took together."""

    run: RunRow
    depth: int
    indent: int
    whole: Work


@dataclass(frozen=True)
class RunTreePage:
    """A run and all below it. ``failed`` adds up the own calls of the runs that came to nothing."""

    nodes: tuple[RunNode, ...]
    failed_runs: int
    failed: Taken
    complete: bool

    @property
    def root(self) -> RunNode:
        return self.nodes[0]


def runs_of(asked: RunFilter, page: PageRequest) -> tuple[list[RunRow], tuple[str, ...]]:
    """One page of the customer's runs, the latest started first, and the sort keys to go on from."""
    assert asked.customer is not None
    found, after = runs_page(asked, page)
    prices = prices_of_runs(asked.customer.id, [run.id for run in found])
    return [_row(run, prices) for run in found], after


def run_tree_page(customer: Customer, run_id: str) -> RunTreePage:
    """A run of the customer's with all below it. Raises ``NotFound``, also for another customer's."""
    tree = run_tree(customer, run_id)
    prices = prices_of_runs(customer.id, [node.run.id for node in tree.nodes])
    below = _with_all_below([(node.run.id, node.depth) for node in tree.nodes], prices)
    nodes = tuple(
        RunNode(
            _row(node.run, prices),
            node.depth,
            node.indent,
            Work.of(node.whole, None if below is None else below[node.run.id]),
        )
        for node in tree.nodes
    )
    lost = sum((prices[run.id] for run in tree.failed_runs), Prices()) if prices is not None else None
    return RunTreePage(nodes, len(tree.failed_runs), Work.of(tree.failed, lost).whole, tree.complete)


def calls_of_run(customer_id: int, run_id: str) -> QuerySet[Event]:
    """The run's own calls, by step and attempt; calls without a step come first."""

    def number(name: str, absent: int) -> Coalesce:
        whole = DecimalField(max_digits=12, decimal_places=0)
        return Coalesce(Cast(KeyTextTransform(name, "run"), whole), absent, output_field=whole)

    mine = Event.objects.filter(customer_id=customer_id, run_id=run_id).exclude(run_id="").only(*SEEN)
    return mine.annotate(step=number("step", -1), attempt=number("attempt", 1))


def _row(run: Run, prices: dict[str, Prices] | None) -> RunRow:
    own = Work.of(run.own, None if prices is None else prices[run.id])
    return RunRow(run.id, run.parent, run.failed, run.started_at, run.ended_at, run.seconds, run.steps, own)


def _with_all_below(
    order: Sequence[tuple[str, int]], own: dict[str, Prices] | None
) -> dict[str, Prices] | None:
    """Each run's prices with those of all runs below it; ``order`` has each run before those it started."""
    if own is None:
        return None
    whole: dict[str, Prices] = {}
    waiting: dict[int, Prices] = defaultdict(Prices)  # by depth: runs whose starter is still to come
    for run_id, depth in reversed(order):
        whole[run_id] = own[run_id] + waiting.pop(depth + 1, Prices())
        waiting[depth] += whole[run_id]
    return whole
