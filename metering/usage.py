"""Usage buckets: sums by hour, series and dimensions, written set by set and read by period."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection
from msgspec.json import decode, encode

from core.money import CONTEXT, ZERO

ADDED = ("events", "quantity", "amount", "cost", "lift", "credits", "covered", "prepaid")
KEY = "customer_id, scope_id, series, hour, dimensions_hash"

# The series of all calls together. A charge's key begins with a letter or digit, so that none is ever taken for it.
CALLS = "*calls"


class BucketKey(NamedTuple):
    """Which bucket: who counts, for what, in which hour, with which dimensions (sorted pairs)."""

    scope_id: UUID
    series: str
    hour: datetime
    dimensions: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Sums:
    """What one bucket gains. ``quantity`` of a ``max`` or ``latest`` series is a value, not an addition."""

    events: int = 0
    quantity: Decimal = ZERO
    amount: Decimal = ZERO
    cost: Decimal = ZERO
    lift: Decimal = ZERO
    credits: Decimal = ZERO
    covered: Decimal = ZERO
    prepaid: Decimal = ZERO
    latest_at: datetime | None = None

    def add(self, other: "Sums") -> None:
        """Add another's sums to these, exactly."""
        add = CONTEXT.add
        self.events += other.events
        # Most sums gain in two or three places; a test is cheaper than an addition of nothing.
        if other.quantity:
            self.quantity = add(self.quantity, other.quantity)
        if other.amount:
            self.amount = add(self.amount, other.amount)
        if other.cost:
            self.cost = add(self.cost, other.cost)
        if other.lift:
            self.lift = add(self.lift, other.lift)
        if other.credits:
            self.credits = add(self.credits, other.credits)
        if other.covered:
            self.covered = add(self.covered, other.covered)
        if other.prepaid:
            self.prepaid = add(self.prepaid, other.prepaid)


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Sums over a span of time for one set of dimensions."""

    dimensions: dict[str, str]
    sums: Sums


def bucket_hour(at: datetime, zone: ZoneInfo, not_before: datetime | None = None) -> datetime:
    """The start of the customer's own full hour that holds the instant.

    Full hours are the zone's, so local midnights never cut a bucket in two, in zones half an hour off as well.
    ``not_before`` is the start of the period: after a change of zone an hour may begin inside it.

    >>> from datetime import UTC
    >>> bucket_hour(datetime(2026, 3, 1, 10, 10, tzinfo=UTC), ZoneInfo("Asia/Kolkata")).isoformat()
    '2026-03-01T09:30:00+00:00'
    """
    offset = at.astimezone(zone).utcoffset() or timedelta(0)
    within = (at + offset).replace(minute=0, second=0, microsecond=0) - offset
    return within if not_before is None else max(within, not_before)


def dimensions_hash(dimensions: Iterable[tuple[str, str]]) -> bytes:
    """A short fingerprint of a set of dimensions, the same in whatever order they come."""
    return blake2b(encode(sorted(dimensions)), digest_size=16).digest()


def add_to_buckets(
    customer_id: int, gains: dict[BucketKey, Sums], *, aggregations: dict[tuple[UUID, str], str]
) -> None:
    """Add the gains to the customer's buckets, in the caller's transaction, one statement for each way to aggregate.

    ``aggregations`` says for a series of a scope whether its quantity is a ``max`` or the ``latest`` value; all others add
    up. Two plans may have charges of one name that count differently.
    """
    by_rule: dict[str, list[tuple[BucketKey, Sums]]] = {}
    for key, sums in gains.items():
        rule = aggregations.get((key.scope_id, key.series), "sum")
        by_rule.setdefault(rule if rule in ("max", "latest") else "sum", []).append((key, sums))
    for rule, items in sorted(by_rule.items()):
        _upsert(customer_id, rule, items)


_MERGED_QUANTITY = {
    "sum": "b.quantity + EXCLUDED.quantity",
    "max": "greatest(b.quantity, EXCLUDED.quantity)",
    "latest": "CASE WHEN EXCLUDED.latest_at >= b.latest_at THEN EXCLUDED.quantity ELSE b.quantity END",
}


def _upsert(customer_id: int, rule: str, items: Sequence[tuple[BucketKey, Sums]]) -> None:
    added = ", ".join(f"{name} = b.{name} + EXCLUDED.{name}" for name in ADDED if name != "quantity")
    rows = [_as_json(customer_id, key, sums) for key, sums in sorted(items, key=lambda item: _order(item[0]))]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO metering_usagebucket AS b ({KEY}, dimensions, {", ".join(ADDED)}, latest_at)
            SELECT r.customer_id, r.scope_id, r.series, r.hour, decode(r.dimensions_hash, 'hex'), r.dimensions,
                   {", ".join(f"r.{name}" for name in ADDED)}, r.latest_at
            FROM jsonb_to_recordset(%s::jsonb) AS r(
                customer_id bigint, scope_id uuid, series text, hour timestamptz, dimensions_hash text,
                dimensions jsonb, events bigint, quantity numeric, amount numeric, cost numeric, lift numeric,
                credits numeric, covered numeric, prepaid numeric, latest_at timestamptz)
            ON CONFLICT ({KEY}) DO UPDATE SET {added}, quantity = {_MERGED_QUANTITY[rule]},
                latest_at = greatest(b.latest_at, EXCLUDED.latest_at)
            """,
            [encode(rows).decode()],
        )


def drop_empty_buckets(customer_id: int, hours: Iterable[datetime]) -> None:
    """Remove the customer's buckets of these hours from which all was taken that they had gained."""
    nothing = " AND ".join(f"{name} = 0" for name in ADDED)
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM metering_usagebucket WHERE customer_id = %s AND hour = ANY(%s) AND {nothing}",
            [customer_id, list(hours)],
        )


def _order(key: BucketKey) -> tuple[Any, ...]:
    return (key.scope_id, key.series, key.hour, key.dimensions)


def _as_json(customer_id: int, key: BucketKey, sums: Sums) -> dict[str, Any]:
    row = {name: getattr(sums, name) for name in ADDED}
    return row | {
        "customer_id": customer_id,
        "scope_id": key.scope_id,
        "series": key.series,
        "hour": key.hour,
        "dimensions_hash": dimensions_hash(key.dimensions).hex(),
        "dimensions": dict(key.dimensions),
        "latest_at": sums.latest_at,
    }


_QUANTITY = {
    "max": "max(quantity)",
    "latest": "(array_agg(quantity ORDER BY latest_at DESC, hour DESC))[1]",
}


def usage_between(
    customer_id: int, scope_id: UUID, series: str, start: datetime, end: datetime, *, aggregation: str = "sum"
) -> list[UsageRow]:
    """The usage of ``[start, end)`` by dimensions, added up from the hours; a ``max`` or ``latest`` series is read so."""
    return usage_by_series(customer_id, scope_id, {series: aggregation}, start, end).get(series, [])


def usage_by_series(
    customer_id: int, scope_id: UUID, aggregations: Mapping[str, str], start: datetime, end: datetime
) -> dict[str, list[UsageRow]]:
    """The usage of several series as ``usage_between`` reads one; ``aggregations`` names each and how it is read."""
    quantity = "sum(quantity)"
    for rule in sorted({*aggregations.values()} & {*_QUANTITY}):
        quantity = f"CASE WHEN series = ANY(%({rule})s) THEN {_QUANTITY[rule]} ELSE {quantity} END"
    others = ", ".join(f"sum({name})" for name in ADDED if name != "quantity")
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT series, (array_agg(dimensions))[1], {quantity}, {others} FROM metering_usagebucket
            WHERE customer_id = %(customer)s AND scope_id = %(scope)s AND series = ANY(%(series)s)
                AND hour >= %(start)s AND hour < %(end)s
            GROUP BY series, dimensions_hash ORDER BY series, dimensions_hash
            """,
            {
                "customer": customer_id,
                "scope": scope_id,
                "series": list(aggregations),
                "start": start,
                "end": end,
                **{rule: [name for name, its in aggregations.items() if its == rule] for rule in _QUANTITY},
            },
        )
        rows = cursor.fetchall()
    usage: dict[str, list[UsageRow]] = {}
    for row in rows:
        sums = Sums(int(row[3]), row[2], row[4], row[5], row[6], row[7], row[8], row[9])
        usage.setdefault(row[0], []).append(UsageRow(decode(row[1]), sums))
    return usage


def count_new_values(
    customer_id: int,
    scope_id: UUID,
    series: str,
    period_start: datetime,
    values: Iterable[tuple[tuple[tuple[str, str], ...], str]],
) -> list[tuple[tuple[tuple[str, str], ...], str]]:
    """Of (dimensions, value) pairs, those a unique meter had not seen in the period; they are now noted as seen."""
    by_hash = {
        (dimensions_hash(pair[0]), blake2b(pair[1].encode(), digest_size=16).digest()): pair
        for pair in values
    }
    if not by_hash:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO metering_uniquevalue
                (customer_id, scope_id, series, period_start, dimensions_hash, value_hash)
            SELECT %s, %s, %s, %s, decode(r.d, 'hex'), decode(r.v, 'hex')
            FROM jsonb_to_recordset(%s::jsonb) AS r(d text, v text)
            ON CONFLICT DO NOTHING RETURNING dimensions_hash, value_hash
            """,
            [
                customer_id,
                scope_id,
                series,
                period_start,
                encode([{"d": d.hex(), "v": v.hex()} for d, v in sorted(by_hash)]).decode(),
            ],
        )
        return [by_hash[bytes(d), bytes(v)] for d, v in cursor.fetchall()]
