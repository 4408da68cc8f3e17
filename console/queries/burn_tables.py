"""Burn tables as the console shows them: versions in force and announced, what each changes, and what a table earns."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from pricing.burn_margins import KindMargin, margins_of
from pricing.burn_rates import BurnRate, RateTable
from pricing.burn_tables import BurnHistory, RateChange, changes_between, compiled, table_by_key
from pricing.models import BurnTable, BurnTableVersion

SHOWN_MAX = 100


@dataclass(frozen=True)
class TableRow:
    table: BurnTable
    version: BurnTableVersion | None
    announced: BurnTableVersion | None


@dataclass(frozen=True)
class VersionRow:
    """A version and what it changes against the one before it. ``backdated``: it begins before it was written."""

    version: BurnTableVersion
    changes: tuple[RateChange, ...]

    @property
    def backdated(self) -> bool:
        return self.version.number > 1 and self.version.effective_at < self.version.created_at


@dataclass(frozen=True)
class TablePage:
    table: BurnTable
    version: BurnTableVersion | None
    announced: BurnTableVersion | None
    rates: Sequence[BurnRate]
    history: tuple[VersionRow, ...]


@dataclass(frozen=True)
class MarginCheck:
    """What rates earn at a price of a credit, the lowest margins first and at most so many.

    ``unburnt`` is how many kinds a provider charges for and the rates leave out: they are counted, not listed.
    """

    credit_price: Decimal
    floor: Decimal
    kinds: tuple[KindMargin, ...]
    count: int
    below: int
    unburnt: int

    @property
    def rows(self) -> list[tuple[KindMargin, bool]]:
        return [(kind, kind.below(self.floor)) for kind in self.kinds]


def table_rows(now: datetime) -> list[TableRow]:
    rows = []
    for table in BurnTable.objects.prefetch_related("versions").order_by("name", "id"):
        history = BurnHistory(table)
        rows.append(TableRow(table, history.version_at(now), history.next_version(now)))
    return rows


def table_page(key: str, now: datetime) -> TablePage:
    """One table. Raises ``NotFound``."""
    table = table_by_key(key)
    history = BurnHistory(table)
    versions = list(table.versions.order_by("number"))
    rows = [
        VersionRow(version, tuple(changes_between(versions[n - 1] if n else None, version)))
        for n, version in enumerate(versions)
    ]
    held = history.version_at(now)
    rates = compiled(held).rates if held else ()
    return TablePage(table, held, history.next_version(now), rates, tuple(reversed(rows)))


def margin_check(
    table: RateTable, credit_price: Decimal, floor: Decimal, now: datetime, model: str = ""
) -> MarginCheck:
    """Against the price book as it stands now."""
    every = margins_of(table, credit_price=credit_price, at=now, model=model)
    kinds = [kind for kind in every if kind.rate is not None]
    below = sum(1 for kind in kinds if kind.below(floor))
    unburnt = sum(1 for kind in every if kind.rate is None and kind.cost)
    return MarginCheck(credit_price, floor, tuple(kinds[:SHOWN_MAX]), len(kinds), below, unburnt)
