"""Where a question's figures are read: the events themselves, or the hourly sums of all calls where these say it exactly.

The hourly sums hold a customer's calls by type, model, feature and outcome. They answer where nothing else is asked and
the span's edges are full hours of the customer; calls that are stored and not yet rated are added from the events, in
the same statement, so that both answer alike.
"""

from collections.abc import Callable, Sequence
from uuid import UUID

from billing.attribution.measures import BUCKET_SUMS, KIND_SUMS, event_sum, sum_name
from billing.attribution.question import UsageQuestion
from metering.event_columns import (
    CUSTOMER,
    TIMES,
    TOKEN_KIND,
    Condition,
    Sql,
    condition_sql,
    joined,
    named,
    text_column,
    time_column,
)
from metering.formats.usage.buckets import TOKENS
from metering.usage import CALLS

OWN_STATISTICS = UUID(int=0)
BUCKET_COLUMNS = {
    CUSTOMER: "c.key",
    "type": "b.dimensions->>'type'",
    "model": "b.dimensions->>'model'",
    "properties.feature": "b.dimensions->>'feature'",
}
DRAWS = """LEFT JOIN (
        SELECT customer_id, seq, sum(credits) AS credits FROM billing_creditdraw
        WHERE {where} GROUP BY customer_id, seq
    ) d ON d.customer_id = e.customer_id AND d.seq = e.seq"""
# Events that are stored and not rated yet. Few customers have any: each is looked up behind its position (OFFSET 0 keeps
# Postgres from reading the whole table instead).
WAITING = """(
        SELECT s.customer_id, coalesce(p.rated_seq, 0) AS rated_seq FROM metering_eventstream s
        LEFT JOIN billing_ratingposition p ON p.customer_id = s.customer_id
        WHERE s.last_seq > coalesce(p.rated_seq, 0) OFFSET 0
    ) behind CROSS JOIN LATERAL (
        SELECT * FROM metering_event WHERE customer_id = behind.customer_id AND seq > behind.rated_seq OFFSET 0
    ) e"""
# One row for each kind of usage of an event, and one for what a call cost besides: a fee a call, overheads, rounding.
KINDS = """CROSS JOIN LATERAL (
        WITH part AS (
            SELECT u.key AS kind, u.value::numeric AS number, round(coalesce(u.value::numeric * p.price, 0), 18) AS cost
            FROM jsonb_each_text(e.usage) u
            LEFT JOIN pricing_pricerow p ON p.id = (e.cost_rows->>u.key)::bigint AND NOT p.is_percent
        )
        SELECT kind, CASE WHEN kind = ANY(%s) OR starts_with(kind, 'cache_write_') THEN number ELSE 0 END AS tokens, cost
        FROM part
        UNION ALL
        SELECT '', 0, e.cost - (SELECT coalesce(sum(cost), 0) FROM part)
        WHERE e.cost <> (SELECT coalesce(sum(cost), 0) FROM part)
    ) k"""


def rows_of(question: UsageQuestion) -> Sql:
    """A query of rows to be added up: a column ``g0``, ``g1``, … for each path to group by, and one for each sum."""
    if question.by_kind:
        return _event_rows(question, KIND_SUMS.__getitem__)
    if answered_by_buckets(question):
        return _bucket_rows(question)
    return _event_rows(question, event_sum)


def answered_by_buckets(question: UsageQuestion) -> bool:
    """Whether the hourly sums answer it to the last digit."""
    paths = {*question.group_by, *(condition.path for condition in question.conditions)}
    known = paths <= {*BUCKET_COLUMNS, *TIMES} and set(question.sums) <= set(BUCKET_SUMS)
    return known and question.span.on_full_hours()


def _groups(question: UsageQuestion, column: Callable[[str], Sql], at: str) -> dict[str, Sql]:
    return {
        f"g{n}": time_column(path, at) if path in TIMES else column(path)
        for n, path in enumerate(question.group_by)
    }


def _event_rows(question: UsageQuestion, sum_of: Callable[[str], Sql], *, waiting: bool = False) -> Sql:
    """Rows of events; with ``waiting`` those that are not rated yet alone."""

    def column(path: str) -> Sql:
        return Sql("k.kind") if path == TOKEN_KIND else text_column(path)

    columns = _groups(question, column, "e.occurred_at")
    columns |= {sum_name(name): sum_of(name) for name in question.sums}
    zones, span = question.span.sql("e.occurred_at")
    events = WAITING if waiting else "metering_event e"
    tables = [Sql(f"{events} JOIN customers_customer c ON c.id = e.customer_id"), zones]
    if any("credits" in name for name in question.sums) and not waiting:
        mine = [] if question.customer is None else [Sql("customer_id = %s", (question.customer.id,))]
        where = joined([Sql("true"), *mine], " AND ")
        tables.append(Sql(DRAWS.format(where=where.text), where.values))
    if question.by_kind:
        tables.append(Sql(KINDS, (list(TOKENS),)))
    where = joined(
        [
            span,
            *_of_customer(question, "e"),
            *_conditions(question.conditions, column),
        ],
        " AND ",
    )
    return joined([Sql("SELECT"), named(columns), Sql("FROM"), *tables, Sql("WHERE"), where], " ")


def _bucket_rows(question: UsageQuestion) -> Sql:
    def column(path: str) -> Sql:
        return Sql(f"coalesce({BUCKET_COLUMNS[path]}, '')")

    columns = _groups(question, column, "b.hour")
    columns |= {sum_name(name): BUCKET_SUMS[name] for name in question.sums}
    zones, span = question.span.sql("b.hour")
    where = joined(
        [
            Sql("b.series = %s AND b.scope_id = %s", (CALLS, OWN_STATISTICS)),
            span,
            *_of_customer(question, "b"),
            *_conditions(question.conditions, column),
        ],
        " AND ",
    )
    counted = joined(
        [
            Sql("SELECT"),
            named(columns),
            Sql("FROM metering_usagebucket b JOIN customers_customer c ON c.id = b.customer_id"),
            zones,
            Sql("WHERE"),
            where,
        ],
        " ",
    )
    unrated = {"credits", "charges", "prepaid"}  # nothing is drawn or charged for an event before it is rated
    waiting = _event_rows(
        question, lambda name: Sql("0") if name in unrated else event_sum(name), waiting=True
    )
    return joined([counted, waiting], " UNION ALL ")


def _of_customer(question: UsageQuestion, table: str) -> list[Sql]:
    return [] if question.customer is None else [Sql(f"{table}.customer_id = %s", (question.customer.id,))]


def _conditions(conditions: Sequence[Condition], column: Callable[[str], Sql]) -> list[Sql]:
    return [condition_sql(column(condition.path), condition) for condition in conditions]
