"""The explorer's answers: one for the picture over time, one for the table, with what there is to pick from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from billing.attribution.measures import KIND_SUMS, OF_BUCKETS, Measure, measure_named
from billing.attribution.properties import Property, properties_in_use
from billing.attribution.question import UsageQuestion
from billing.attribution.usage import UsageAnswer, UsageRow, usage_answer
from core.pages.charts import SERIES_MAX
from core.pages.hues import OTHER
from metering.event_columns import CUSTOMER, TIMES, TOKEN_KIND, whole_path

NAMELESS = "not named"
# Told in the table beside what was asked for.
BESIDE = ("cost", "events", "tokens", "failed", "failed_cost", "retries", "retry_cost")
TABLE_ROWS = 50
# Names that most integrations send, offered also where the newest events lack them.
USUAL = ("feature", "user", "session", "team", "task", "stage", "key")


@dataclass(frozen=True)
class Exploration:
    """``by_name`` holds the first measure by name and day; ``table`` the groups with every measure."""

    table: UsageAnswer
    by_name: dict[str, dict[date, Decimal]]
    steps: tuple[date, ...]


def explored(question: UsageQuestion, step: str) -> Exploration:
    """The picture by ``step`` and the table of what the question asks."""
    measures = table_measures(question)
    table = usage_answer(replace(question, measures=measures, top=TABLE_ROWS))
    over_time = replace(
        question,
        group_by=(step, *question.group_by),
        asked_for=(step, *question.asked_for),
        measures=question.measures[:1],
        top=SERIES_MAX,
    )
    answer = usage_answer(over_time)
    by_name: dict[str, dict[date, Decimal]] = {}
    for row in answer.rows:
        _add(by_name, name_of(row.names[1:]), row, question.measures[0])
    for row in answer.other:
        _add(by_name, OTHER, row, question.measures[0])
    return Exploration(table, by_name, _steps(question, step))


def table_measures(question: UsageQuestion) -> tuple[Measure, ...]:
    """What was asked for, and beside it what belongs to every table of costs."""
    names = {measure.name for measure in question.measures}
    if question.by_kind:
        beside = [name for name in BESIDE if name in KIND_SUMS]
    elif names & set(OF_BUCKETS):
        beside = [name for name in BESIDE if not name.startswith("retr")]
    else:
        beside = list(BESIDE)
    return (*question.measures, *(measure_named(name) for name in beside if name not in names))


def pickable(question: UsageQuestion) -> list[str]:
    """Paths to group by: the event's own, the usual names, and what the newest events of the span carry."""
    paths = [path for path in ("model", "provider", "type", "status", "context", "source") if path]
    paths = [CUSTOMER, *paths, TOKEN_KIND, "run.id", "run.step", "run.attempt", "run.parent"]
    seen = [item.path for item in known_properties(question)]
    return list(dict.fromkeys([*paths, *(whole_path(name) for name in USUAL), *sorted(seen)]))


def known_properties(question: UsageQuestion) -> Sequence[Property]:
    return properties_in_use(question.customer, question.span.start, question.span.end).found


def name_of(names: Sequence[str]) -> str:
    """A group's name for people."""
    return " · ".join(name or NAMELESS for name in names) if names else "All calls"


def _add(by_name: dict[str, dict[date, Decimal]], name: str, row: UsageRow, measure: Measure) -> None:
    day = date.fromisoformat(row.names[0][:10])
    sums = by_name.setdefault(name, {})
    sums[day] = sums.get(day, Decimal(0)) + (row.of(measure) or 0)


def _steps(question: UsageQuestion, step: str) -> tuple[date, ...]:
    """Every first day of a step that the span touches."""
    assert step in TIMES
    day, end = date.fromisoformat(question.span.first[:10]), date.fromisoformat(question.span.last[:10])
    found: list[date] = []
    while day < end:
        start = (
            day
            if step == "day"
            else day.replace(day=1)
            if step == "month"
            else day - timedelta(days=day.weekday())
        )
        if not found or found[-1] != start:
            found.append(start)
        day += timedelta(days=1)
    return tuple(found)
