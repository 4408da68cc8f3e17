"""Paths into an event as SQL: what ``event_paths`` reads of one event, asked of many at once.

A name that comes from outside is always a parameter, never part of the statement. The event's table goes by the name
``e``. A text that an event lacks, or that is empty, is the empty text, so that groups compare without a thought of NULL.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.texts import UNSTORABLE
from metering.event_paths import BUCKET_SUMS, NUMBERS, PROPERTIES, TEXTS, USAGE, PathError
from metering.formats.usage import BUCKETS, is_bucket, is_token_bucket

TIMES = ("hour", "day", "week", "month")
TOKEN_KIND = "token_kind"
CUSTOMER = "customer"
# Names that people use for what has a longer path.
SHORT = {"run": "run.id", "step": "run.step", "attempt": "run.attempt", "parent": "run.parent"}
ATTEMPT = "coalesce((e.run->>'attempt')::numeric, 1)"
STEP = "(e.run->>'step')::numeric"
FAILED = "e.status <> 'ok'"
_PROPERTY_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
_COLUMNS = {
    "type": "e.type",
    "source": "e.source",
    "provider": "e.provider",
    "model": "e.model",
    "context": "e.context",
    "status": "e.status",
    "run.id": "e.run_id",
    "run.step": "coalesce(e.run->>'step', '')",
    "run.attempt": "CASE WHEN e.run_id <> '' THEN coalesce(e.run->>'attempt', '1') ELSE '' END",
    "run.parent": "coalesce(e.run->>'parent', '')",
}
PATHS = (CUSTOMER, TOKEN_KIND, *_COLUMNS)


@dataclass(frozen=True)
class Sql:
    """A piece of a statement with its parameters in order."""

    text: str
    values: tuple[Any, ...] = ()


def whole_path(name: str) -> str:
    """The path that a name stands for: itself, a longer one for ``run``, else the property of that name.

    >>> whole_path("model"), whole_path("step"), whole_path("feature"), whole_path("properties.team")
    ('model', 'run.step', 'properties.feature', 'properties.team')

    Raises ``PathError`` for what is no text of an event.
    """
    name = SHORT.get(name, name)
    if name in PATHS or name in TEXTS or name in TIMES:
        return name
    if name.startswith(PROPERTIES) and len(name) > len(PROPERTIES) and not UNSTORABLE.search(name):
        return name
    number = name in NUMBERS or name in BUCKETS or name.startswith(USAGE)
    if not number and _PROPERTY_NAME.fullmatch(name):
        return PROPERTIES + name
    raise PathError(
        f"{name[:80]!r} is nothing to group by; write one of {', '.join((*PATHS, *TIMES))} or properties.NAME."
    )


def text_column(path: str) -> Sql:
    """The text at a path of ``whole_path``, by event; times and token kinds are not among them."""
    if path in _COLUMNS:
        return Sql(_COLUMNS[path])
    if path == CUSTOMER:
        return Sql("c.key")
    name = path.removeprefix(PROPERTIES)
    return Sql(
        "CASE WHEN jsonb_typeof(e.properties->%s) IN ('string', 'number', 'boolean')"
        " THEN e.properties->>%s ELSE '' END",
        (name, name),
    )


def time_column(step: str, at: str = "e.occurred_at") -> Sql:
    """The start of the customer's own hour (in UTC), day, week or month that holds the instant, as text.

    Hours are cut by the instant's distance from its full local hour, so that the two hours of a clock set back stay two.
    """
    local = f"({at} AT TIME ZONE c.timezone)"
    if step == "hour":
        start = f"({at} - ({local} - date_trunc('hour', {local}))) AT TIME ZONE 'UTC'"
        return Sql(f"""to_char({start}, 'YYYY-MM-DD"T"HH24:MI:SS"Z"')""")
    return Sql(f"to_char(date_trunc('{step}', {local}), 'YYYY-MM-DD')")


# Looked up one by one, the kinds that nearly every call has are added in a third of the time that a walk takes.
_COMMON_KINDS = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "reasoning")
_COMMON = ", ".join(f"'{kind}'" for kind in _COMMON_KINDS)
_COMMON_SUM = " + ".join(f"coalesce((e.usage->>'{kind}')::numeric, 0)" for kind in _COMMON_KINDS)
_COUNTED = ", ".join(f"'{name}'" for name in BUCKETS if not is_token_bucket(name))
_TOKENS = (
    "(SELECT coalesce(sum(u.value::numeric), 0) FROM jsonb_each_text(e.usage) u"
    f" WHERE u.key <> ALL(ARRAY[{_COUNTED}]))"
)


def usage_column(path: str) -> Sql:
    """The number at ``usage.BUCKET`` or one of the sums of buckets, zero where there is none. Raises ``PathError``."""
    bucket = path.removeprefix(USAGE)
    if path == "usage.tokens":
        return Sql(f"CASE WHEN e.usage - ARRAY[{_COMMON}] = '{{}}' THEN {_COMMON_SUM} ELSE {_TOKENS} END")
    if path.startswith(USAGE) and bucket in BUCKET_SUMS:
        belongs = BUCKET_SUMS[bucket]
        names = [name for name in BUCKETS if belongs(name)]
        lasting = " OR starts_with(u.key, 'cache_write_')" if belongs("cache_write_2h") else ""
        return Sql(
            "(SELECT coalesce(sum(u.value::numeric), 0) FROM jsonb_each_text(e.usage) u"
            f" WHERE u.key = ANY(%s){lasting})",
            (names,),
        )
    if path.startswith(USAGE) and is_bucket(bucket):
        return Sql("coalesce((e.usage->>%s)::numeric, 0)", (bucket,))
    known = ", ".join(USAGE + name for name in (*BUCKET_SUMS, *BUCKETS))
    raise PathError(f"{path[:80]!r} is no number of an event's usage; write one of {known}.")


@dataclass(frozen=True)
class Condition:
    """What a path must hold: one of the values, none of them, anything, or nothing. The empty text is nothing."""

    path: str
    rule: str
    values: tuple[str, ...] = ()


IN, NOT_IN, EXISTS, ABSENT = "in", "not_in", "exists", "absent"


def condition_sql(column: Sql, condition: Condition) -> Sql:
    """The condition on a column that holds the path's text."""
    if condition.rule in (EXISTS, ABSENT):
        return Sql(f"({column.text}) {'<>' if condition.rule == EXISTS else '='} ''", column.values)
    word = "= ANY" if condition.rule == IN else "<> ALL"
    return Sql(f"({column.text}) {word}(%s)", (*column.values, list(condition.values)))


def joined(parts: Sequence[Sql], by: str) -> Sql:
    """The pieces one after another."""
    return Sql(by.join(part.text for part in parts), tuple(value for part in parts for value in part.values))


def named(columns: Mapping[str, Sql]) -> Sql:
    """A select list: each column under its name."""
    return joined([Sql(f"{column.text} AS {name}", column.values) for name, column in columns.items()], ", ")
