"""What there is to group and filter by: the names and values that the newest events of a span carry."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.backends.utils import CursorWrapper

from billing.attribution.patience import bounded_reading
from core import limits
from customers.models import Customer
from metering.event_columns import Sql, joined, text_column
from metering.event_paths import PROPERTIES
from metering.models import EventStream

FIELDS = ("type", "provider", "model", "context", "status", "source")


@dataclass(frozen=True)
class Value:
    text: str
    events: int


@dataclass(frozen=True)
class Property:
    """A path, in how many of the events looked at it holds something, and its most frequent values there."""

    path: str
    events: int
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Properties:
    """``looked_at`` says how many events were read; ``complete`` whether these are all of the span's."""

    looked_at: int
    complete: bool
    found: tuple[Property, ...]


def properties_in_use(customer: Customer | None, start: datetime, end: datetime) -> Properties:
    """The paths that the newest events of the span carry, the most frequent first; fields before properties.

    Without a customer they are the newest of each of the customers with most events.
    """
    newest = _newest(customer, start, end)
    with bounded_reading(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(n), 0), coalesce(max(n), 0) FROM"
            f" (SELECT count(*) AS n FROM ({newest.text}) e GROUP BY customer_id) counted",
            newest.values,
        )
        looked_at, most = map(int, cursor.fetchone())
        paths = [*FIELDS, *(PROPERTIES + name for name in _names(newest, cursor))]
        found = _values(newest, paths, cursor)
    everybody = customer is not None or EventStream.objects.count() <= limits.PICKER_CUSTOMERS_MAX
    return Properties(looked_at, everybody and most < _most_of_each(customer), found)


def names_in_use(customer: Customer, start: datetime, end: datetime) -> list[str]:
    """The names of the properties that the newest events of the span carry, the most frequent first."""
    with bounded_reading(), connection.cursor() as cursor:
        return _names(_newest(customer, start, end), cursor)


def _names(newest: Sql, cursor: CursorWrapper) -> list[str]:
    cursor.execute(
        f"SELECT p.name, count(*) FROM ({newest.text}) e CROSS JOIN LATERAL jsonb_object_keys(e.properties) p(name)"
        " GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %s",
        [*newest.values, limits.PICKER_NAMES_MAX],
    )
    return [row[0] for row in cursor.fetchall()]


def _newest(customer: Customer | None, start: datetime, end: datetime) -> Sql:
    # Customer by customer an index leads to the newest of a span; of all together they would have to be sorted.
    whose = (
        Sql("(SELECT %s::bigint AS customer_id) s", (customer.id,))
        if customer is not None
        else Sql(
            "(SELECT customer_id FROM metering_eventstream ORDER BY last_seq DESC, customer_id LIMIT %s) s",
            (limits.PICKER_CUSTOMERS_MAX,),
        )
    )
    return joined(
        [
            Sql("SELECT e.* FROM"),
            whose,
            Sql(
                "CROSS JOIN LATERAL (SELECT * FROM metering_event WHERE customer_id = s.customer_id"
                " AND occurred_at >= %s AND occurred_at < %s ORDER BY occurred_at DESC LIMIT %s) e",
                (start, end, _most_of_each(customer)),
            ),
        ],
        " ",
    )


def _most_of_each(customer: Customer | None) -> int:
    return limits.PICKER_EVENTS_MAX // (limits.PICKER_CUSTOMERS_MAX if customer is None else 1)


def _values(newest: Sql, paths: Sequence[str], cursor: CursorWrapper) -> tuple[Property, ...]:
    parts = []
    for n, path in enumerate(paths):
        column = text_column(path)
        parts.append(Sql(f"SELECT {n} AS n, {column.text} AS value FROM newest e", column.values))
    union = joined(parts, " UNION ALL ")
    statement = joined(
        [
            Sql("WITH newest AS MATERIALIZED ("),
            newest,
            Sql("), told AS ("),
            union,
            Sql(
                "), counted AS (SELECT n, value, count(*) AS events FROM told WHERE value <> '' GROUP BY n, value),"
                " placed AS (SELECT *, row_number() OVER (PARTITION BY n ORDER BY events DESC, value) AS place,"
                " sum(events) OVER (PARTITION BY n) AS together FROM counted)"
                " SELECT n, value, events, together FROM placed WHERE place <= %s ORDER BY n, place",
                (limits.PICKER_VALUES_MAX,),
            ),
        ],
        "",
    )
    cursor.execute(statement.text, statement.values)
    found: dict[int, Property] = {}
    for n, value, events, together in cursor.fetchall():
        known = found.get(n, Property(paths[n], int(together), ()))
        found[n] = Property(known.path, known.events, (*known.values, Value(value, events)))
    return tuple(found.values())
