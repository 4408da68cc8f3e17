"""A question about use: what to measure, by what to group, which events, when. Read from a query string or an address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from billing.attribution.measures import (
    DEFAULT_FOR_CUSTOMERS,
    DEFAULT_FOR_OPERATORS,
    KIND_SUMS,
    OF_BUCKETS,
    Measure,
    measure_named,
    sums_of,
)
from billing.attribution.span import Span, read_span
from core import limits, strict_json, texts
from core.fields import Fields
from core.problems import Problem
from customers.models import Customer
from metering.event_columns import (
    ABSENT,
    CUSTOMER,
    EXISTS,
    IN,
    NOT_IN,
    TIMES,
    TOKEN_KIND,
    Condition,
    whole_path,
)
from metering.event_paths import PathError
from pricing.cost_currency import COST_CURRENCY

FILTER_HELP = (
    'Write an object of paths: {"model": ["gpt-5"], "team": {"not_in": ["ops"]}, "task": {"exists": true}}.'
)
# By what the calls' own prices are known: what the hourly sums are told apart by.
PRICED_BY = (CUSTOMER, "type", "model", "properties.feature", *TIMES)


@dataclass(frozen=True)
class UsageQuestion:
    """A whole question. ``group_by`` holds whole paths, ``asked_for`` the same as they were written."""

    customer: Customer | None
    span: Span
    group_by: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    measures: tuple[Measure, ...] = ()
    top: int | None = None
    asked_for: tuple[str, ...] = ()

    @property
    def sums(self) -> tuple[str, ...]:
        return sums_of(self.measures)

    @property
    def by_kind(self) -> bool:
        return TOKEN_KIND in self.group_by

    @property
    def times(self) -> tuple[int, ...]:
        """Which of the groups are times."""
        return tuple(n for n, path in enumerate(self.group_by) if path in TIMES)


def read_question(
    query: Fields, *, customer: Customer | None, for_operator: bool, now: datetime
) -> UsageQuestion:
    """The question that the fields ask; whatever is wrong with it is noted in the fields' errors."""
    span = read_span(query, customer, now)
    written, group_by = read_paths(query)
    question = UsageQuestion(
        customer=customer,
        span=span,
        group_by=group_by,
        conditions=query.parsed("filter", read_filter, (), code="filter", stand_in=()),
        measures=_measures(query, for_operator, by_kind=TOKEN_KIND in group_by),
        top=query.integer("top", None, least=1, most=limits.USAGE_TOP_MAX),
        asked_for=written,
    )
    if not query.errors:
        _check(query, question)
    return question


def read_paths(query: Fields, name: str = "group_by") -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The paths of a list with commas: as they were written, and whole."""
    written = query.text(name, most=limits.ADDRESS_CHARACTERS_MAX, default="")
    names = [part.strip() for part in written.split(",")] if written else []
    try:
        paths = tuple(whole_path(part) for part in names)
        if len(paths) > limits.USAGE_GROUP_BY_MAX or len(set(paths)) < len(paths):
            raise PathError(
                f"Write at most {limits.USAGE_GROUP_BY_MAX} different paths, such as model,feature."
            )
        if sum(path in TIMES for path in paths) > 1:
            raise PathError("Write one of hour, day, week and month.")
    except PathError as error:
        query.refuse(name, "path", str(error))
        return (), ()
    return tuple(names), paths


def read_filter(written: Any) -> tuple[Condition, ...]:
    """Conditions from JSON: a path leads to accepted values, to ``{"not_in": […]}`` or to ``{"exists": true}``."""
    if isinstance(written, str):
        try:
            written = strict_json.loads(written.encode())
        except Problem as problem:
            raise ValueError(f"{problem.detail} {FILTER_HELP}") from None
    if not isinstance(written, Mapping) or len(written) > limits.METER_FILTER_PATHS_MAX:
        raise ValueError(FILTER_HELP)
    return tuple(_condition(name, rule) for name, rule in written.items())


def filter_json(conditions: Sequence[Condition]) -> dict[str, Any]:
    """The conditions as ``read_filter`` takes them."""
    return {condition.path: _rule_json(condition) for condition in conditions}


def _rule_json(condition: Condition) -> Any:
    if condition.rule == IN:
        return list(condition.values)
    if condition.rule == NOT_IN:
        return {"not_in": list(condition.values)}
    return {"exists": condition.rule == EXISTS}


def _condition(name: str, rule: Any) -> Condition:
    path = whole_path(name)
    if path in TIMES or path == TOKEN_KIND:
        raise ValueError(f"{name!r} cannot be filtered by; group by it, or narrow `from` and `to`.")
    if isinstance(rule, Mapping) and len(rule) == 1:
        if isinstance(rule.get("exists"), bool):
            return Condition(path, EXISTS if rule["exists"] else ABSENT)
        if "not_in" in rule:
            return Condition(path, NOT_IN, _values(name, rule["not_in"]))
        if "in" in rule:
            return Condition(path, IN, _values(name, rule["in"]))
    if isinstance(rule, Mapping):
        raise ValueError(FILTER_HELP)
    return Condition(path, IN, _values(name, rule))


def _values(name: str, written: Any) -> tuple[str, ...]:
    listed = written if isinstance(written, list) else [written]
    values = [_text(value) for value in listed]
    if not 0 < len(values) <= limits.METER_FILTER_VALUES_MAX or None in values:
        raise ValueError(f"{name!r} takes 1 to {limits.METER_FILTER_VALUES_MAX} texts. {FILTER_HELP}")
    return tuple(value for value in values if value is not None)


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    fits = isinstance(value, str) and len(value) <= limits.ID_CHARACTERS_MAX
    return value if fits and not texts.UNSTORABLE.search(value) else None


def _measures(query: Fields, for_operator: bool, *, by_kind: bool) -> tuple[Measure, ...]:
    usual: tuple[str, ...] = DEFAULT_FOR_OPERATORS if for_operator else DEFAULT_FOR_CUSTOMERS
    default = tuple(name for name in usual if name in KIND_SUMS) if by_kind else usual
    written = query.text("measure", most=limits.ADDRESS_CHARACTERS_MAX, default=",".join(default))
    names = list(dict.fromkeys(part.strip() for part in written.split(",")))
    try:
        if len(names) > limits.USAGE_MEASURES_MAX:
            raise PathError(f"At most {limits.USAGE_MEASURES_MAX} measures fit.")
        measures = tuple(measure_named(name) for name in names)
    except PathError as error:
        query.refuse("measure", "measure", str(error))
        return ()
    for measure in measures:
        if measure.for_operators and not for_operator:
            query.refuse("measure", "operators", f"{measure.name!r} is shown to operators' keys alone.")
    return measures


def _check(query: Fields, question: UsageQuestion) -> None:
    """Refuse what could only be guessed, or would never end."""
    paths = [*question.group_by, *(condition.path for condition in question.conditions)]
    names = {measure.name for measure in question.measures}
    if question.by_kind and not set(question.sums) <= set(KIND_SUMS):
        query.refuse("measure", "token_kind", f"By token kind there are {', '.join(KIND_SUMS)}.")
    if names & set(OF_BUCKETS):
        own_price = [path for path in paths if path not in PRICED_BY]
        if own_price:
            query.refuse("measure", "not_exact", f"Prices are known by {', '.join(PRICED_BY)} alone.")
        if question.customer is None and CUSTOMER not in question.group_by:
            query.refuse("group_by", "currency", "Customers pay in several currencies: add `customer`.")
        if not question.span.on_full_hours():
            query.refuse(
                "from", "not_exact", "Prices are known by full hours: write days, such as 2026-11-01."
            )
    if "margin" in names and question.customer is not None and question.customer.currency != COST_CURRENCY:
        query.refuse("measure", "currency", "Costs are in USD, and no exchange rate is kept.")
    hours_fit = question.span.length <= timedelta(days=limits.USAGE_HOURS_DAYS_MAX)
    if "hour" in question.group_by and not hours_fit:
        query.refuse("group_by", "span", f"By hour a span has at most {limits.USAGE_HOURS_DAYS_MAX} days.")
