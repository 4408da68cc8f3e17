"""Use by whatever a customer's calls carry: their own properties, the kinds of token, the run.

The sums by hour know calls by model, feature, kind and outcome, with their prices (``portal.queries.usage``). Everything
else is read off the calls themselves, by the same reading as ``/v1/usage``, within its bounds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.http import QueryDict

from billing.attribution.measures import measure_named
from billing.attribution.properties import names_in_use
from billing.attribution.question import UsageQuestion
from billing.attribution.span import days
from billing.attribution.usage import UsageRow, usage_answer
from core import limits
from core.pages.hues import OTHER
from core.pages.tables import storable
from customers.models import Customer
from metering.event_columns import CUSTOMER, IN, TIMES, TOKEN_KIND, Condition, whole_path
from metering.event_paths import PROPERTIES, PathError
from portal.queries.usage import DIMENSIONS, NAMELESS, UNITS, Slice, Used, Window, usage_by

LABELS = {**DIMENSIONS, TOKEN_KIND: "Kind of token", "run.id": "Run"}
ONLY = "only_"
MEASURES = {"credits": "credits", "tokens": "tokens", "calls": "events"}
CHOICES_MAX = 12


@dataclass(frozen=True)
class Split:
    """What to tell calls apart by, and which values to keep; names are short, as addresses write them."""

    by: str
    only: Mapping[str, Sequence[str]]

    @property
    def label(self) -> str:
        return label_of(self.by)

    @property
    def words(self) -> str:
        """What it is called within a sentence."""
        return LABELS[self.by].lower() if self.by in LABELS else self.by

    @property
    def priced(self) -> bool:
        """Whether the sums by hour answer it, and with them the calls' prices are known."""
        return {self.by, *self.only} <= {*DIMENSIONS}

    @property
    def units(self) -> list[str]:
        if self.by == TOKEN_KIND:
            return ["tokens"]
        return [unit for unit in UNITS if self.priced or unit != "money"]


@dataclass(frozen=True)
class SplitUse:
    """The answer: use by day and name, all names together, and up to when single calls are gone."""

    slices: tuple[Slice, ...]
    kept_since: datetime | None = None


def label_of(name: str) -> str:
    """What a chip and a table's head call it: a word begins with a capital, other names stay as they were sent."""
    return LABELS.get(name) or (name.capitalize() if name.isalpha() and name.islower() else name)


def read_split(query: QueryDict) -> Split:
    """What the address asks for; what cannot be told apart by is left out, and by model is the usual."""
    only: dict[str, list[str]] = {}
    for key in list(query)[: limits.EVENT_PROPERTIES_MAX]:
        name = short_name(key.removeprefix(ONLY)) if key.startswith(ONLY) else ""
        values = [storable(value) for value in query.getlist(key)[: limits.METER_FILTER_VALUES_MAX]]
        if name and name != TOKEN_KIND and any(values) and len(only) < limits.METER_FILTER_PATHS_MAX:
            only[name] = values
    return Split(short_name(query.get("by", "")) or "model", only)


def short_name(written: str) -> str:
    """The name as addresses write it, a property without its prefix; empty for what calls cannot be told apart by."""
    try:
        path = whole_path(storable(written))
        short = path.removeprefix(PROPERTIES)
        name = short if whole_path(short) == path else path
    except PathError:
        return ""
    return "" if name in (*TIMES, CUSTOMER) else name


def choices(customer: Customer, window: Window, split: Split) -> list[str]:
    """What to offer: what the sums know, kinds of token, and the properties that the newest calls carry."""
    found = [short_name(PROPERTIES + name) for name in names_in_use(customer, window.start, window.end)]
    names = dict.fromkeys([*DIMENSIONS, TOKEN_KIND, *filter(None, found)])
    return list(dict.fromkeys([*list(names)[:CHOICES_MAX], split.by]))


def usage_split(customer: Customer, window: Window, split: Split, unit: str = "") -> SplitUse:
    """Use per local day and name. Raises ``TooBroad`` where the calls are too many to be read while somebody waits."""
    if split.priced:
        return SplitUse(tuple(usage_by(customer.id, window, split.by, only=split.only)))
    first = MEASURES.get(unit, "tokens")
    measures = (
        ["tokens"] if split.by == TOKEN_KIND else [first, *(m for m in MEASURES.values() if m != first)]
    )
    answer = usage_answer(
        UsageQuestion(
            customer=customer,
            span=days(window.first, window.last + timedelta(days=1), (window.zone,)),
            group_by=("day", whole_path(split.by)),
            conditions=_conditions(split.only),
            measures=tuple(measure_named(name) for name in measures),
            top=limits.USAGE_TOP_MAX,
            asked_for=("day", split.by),
        )
    )
    return SplitUse((*_slices(answer.rows, split), *_slices(answer.other, None)), answer.kept_since)


def _conditions(only: Mapping[str, Sequence[str]]) -> tuple[Condition, ...]:
    """A call that lacks the name holds the empty text there."""
    return tuple(
        Condition(whole_path(name), IN, tuple("" if value == NAMELESS else value for value in values))
        for name, values in only.items()
    )


def _slices(rows: Iterable[UsageRow], split: Split | None) -> Iterable[Slice]:
    """A day's use by name; without a split it is what the names that are told leave over."""
    for row in rows:
        name = OTHER if split is None else row.names[1] or NAMELESS
        if split is not None and split.by == TOKEN_KIND:
            name = name.replace("_", " ")
        sums = {unit: row.sums.get(measure, Decimal(0)) for unit, measure in MEASURES.items()}
        used = Used(int(sums["calls"]), sums["tokens"], credits=sums["credits"])
        yield Slice(date.fromisoformat(row.names[0][:10]), name, used)
