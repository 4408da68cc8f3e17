"""Storing events: identity, order, durability.

An event's identity is (customer, source, id) for as long as it is kept. Sent again, it is a duplicate; sent
again with another content, it is refused and both hashes are kept. A call that several programs report under
ids of their own counts once. Once a time's events are removed, no other of
that time is taken in: nobody could tell whether it was counted. A customer's events are numbered by
``seq`` in the order their transactions commit, because whoever stores holds the customer's stream until the
commit.
"""

import random
import time
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import DatabaseError, OperationalError, connection, transaction

from core.failpoints import failpoint
from core.remembered import forget_everything
from customers.models import Customer
from metering.comparison import Comparison
from metering.content_hash import content_hash, write_event
from metering.costing import hand_over_costing
from metering.customer_lookup import (
    DOORS_NAMING_SUBSCRIPTIONS,
    customer_ids,
    hand_over_subscription_lookup,
)
from metering.event_conflicts import keep_conflicts
from metering.event_rows import COPY, FEW_EVENTS, INSERT_FEW, copy_data, json_rows, prepare_line
from metering.new_event import NewEvent
from metering.nudges import hand_over_nudge, nudge
from metering.outcomes import Outcome
from metering.reported_calls import (
    Report,
    known_calls,
    names_a_call,
    note_calls,
    note_new_calls,
    report_of,
)
from metering.unmatched import keep_unmatched, match, match_unmatched, waiting_events
from metering.withdrawals import Withdrawn, claim_from_backfill

__all__ = [
    "NewEvent",
    "Outcome",
    "content_hash",
    "hand_over_costing",
    "hand_over_nudge",
    "hand_over_subscription_lookup",
    "store_events",
    "take_in_all_unmatched",
    "take_in_for",
    "take_in_unmatched",
    "write_lines",
]

# A unique key that objects, which Citus reports from a worker as an internal error; a statement that it does not take.
CAREFUL_STATES = frozenset({"23505", "XX000", "0A000"})
# Serialization failure, deadlock, lock not available: another try may well pass.
PASSING_STATES = frozenset({"40001", "40P01", "55P03"})
# Events are kept for a month at least, of whichever length.
NEVER_REMOVED = timedelta(days=27)
TRIES_MAX = 3
RETRY_SECONDS_MAX = 0.05


class CustomerGone(Exception):
    """The customer that a key is remembered for does not exist: the database was put back to an earlier state."""


def store_events(events: Sequence[NewEvent], *, now: datetime) -> list[Outcome]:
    """Store the events durably, one transaction for each customer, and say what became of each, in order.

    When this returns, everything accepted is committed. When it raises, some customers' events may be
    committed: sending all again is safe. Raises ``OperationalError`` when the database is away or stays busy.
    """
    groups: dict[tuple[str, bool], list[int]] = {}
    for position, event in enumerate(events):
        names_subscription = event.door in DOORS_NAMING_SUBSCRIPTIONS
        groups.setdefault((event.customer, names_subscription), []).append(position)
    customers = _customers_of(groups.keys())
    outcomes = [Outcome.ACCEPTED] * len(events)
    for group, positions in sorted(groups.items()):
        mine = events if len(groups) == 1 else [events[position] for position in positions]
        try:
            results = _store_group(group[0], customers.get(group), mine, now=now)
        except CustomerGone:
            forget_everything()
            results = _store_group(group[0], _customers_of([group]).get(group), mine, now=now)
        for position, result in zip(positions, results, strict=True):
            outcomes[position] = result
    return outcomes


def _store_group(
    key: str, customer_id: int | None, events: Sequence[NewEvent], *, now: datetime
) -> list[Outcome]:
    """Store events that named one customer, or keep them until it is known."""
    if customer_id is None:
        return keep_unmatched(key, events, [content_hash(event) for event in events], now=now)
    return store_for_customer(customer_id, events, now=now)


def store_for_customer(
    customer_id: int, events: Sequence[NewEvent], *, now: datetime, promised: bool = False
) -> list[Outcome]:
    """Store one customer's events in one transaction; a transaction that lost a race is tried again.

    ``promised`` events were accepted before their customer was known: they are stored however old they are by now.
    """
    recorded_at = now.isoformat()
    digests, lines = [], []
    for event in events:
        written = write_event(event)
        digests.append(written.digest)
        lines.append(prepare_line(customer_id, written, recorded_at=recorded_at))
    tries_left = TRIES_MAX
    while True:
        tries_left -= 1
        try:
            outcomes = _store(_Batch(customer_id, events, digests, lines, promised), now)
            break
        except Withdrawn:
            continue
        except OperationalError as error:
            if not tries_left or connection.in_atomic_block or sqlstate(error) not in PASSING_STATES:
                raise
            time.sleep(random.uniform(0, RETRY_SECONDS_MAX))
    failpoint("metering.after_commit")
    if Outcome.ACCEPTED in outcomes:
        transaction.on_commit(lambda: nudge(customer_id))
    return outcomes


def take_in_unmatched(customer_key: str, customer_id: int, *, now: datetime) -> int:
    """Store what arrived for this customer before it was known; how many events that were. Safe to repeat."""

    def store(events: Sequence[NewEvent]) -> list[Outcome]:
        return store_for_customer(customer_id, events, now=now, promised=True)

    return match_unmatched(customer_key, store, now=now)


def take_in_for(
    customer_key: str, customer: Customer, *, by: str, now: datetime, most: int | None = None
) -> Counter[Outcome]:
    """Store what waits under an unknown key as another customer's, because a person says so; what became of it.

    That it is assigned is written down first, so that the sweep takes in what is left, and what the process that began it
    left when it died. Events that come later under the same key wait again.
    """
    waiting_events(customer_key).filter(assigned_id=None).update(assigned_id=customer.id, settled_by=by)
    return _take_in_assigned(customer_key, customer.id, now=now, most=most)


def _take_in_assigned(
    customer_key: str, customer_id: int, *, now: datetime, most: int | None = None
) -> Counter[Outcome]:
    def store(events: Sequence[NewEvent]) -> list[Outcome]:
        return store_for_customer(customer_id, events, now=now, promised=True)

    assigned = waiting_events(customer_key).filter(assigned_id=customer_id)
    return match(assigned, store, now=now, most=most)


def take_in_all_unmatched(*, now: datetime) -> int:
    """Take in what still waits for customers that exist by now; for the sweep.

    An event can just miss its customer: looked up before the customer's commit and kept as unmatched after it.
    """
    assigned = (
        waiting_events().exclude(assigned_id=None).values_list("customer_key", "assigned_id").distinct()
    )
    taken = sum(_take_in_assigned(key, owner or 0, now=now).total() for key, owner in assigned)
    waiting = waiting_events().filter(assigned_id=None).values_list("customer_key", flat=True).distinct()
    known = customer_ids(waiting, subscriptions=True)
    return taken + sum(take_in_unmatched(key, owner, now=now) for key, owner in sorted(known.items()))


def sqlstate(error: DatabaseError) -> str:
    """Postgres's own five-character code for what went wrong; empty where there is none."""
    return getattr(error.__cause__, "sqlstate", None) or ""


def _customers_of(groups: Collection[tuple[str, bool]]) -> dict[tuple[str, bool], int]:
    found = {}
    for names_subscription in (False, True):
        keys = [key for key, named in groups if named is names_subscription]
        for key, customer_id in customer_ids(keys, subscriptions=names_subscription).items():
            found[key, names_subscription] = customer_id
    return found


@dataclass(frozen=True, slots=True)
class _Batch:
    """One customer's events with their hashes and lines, in order."""

    customer_id: int
    events: Sequence[NewEvent]
    digests: list[bytes]
    lines: list[str]
    promised: bool

    def is_recent(self, now: datetime) -> bool:
        """Whether every event is of a time in which nobody's events are removed yet, so that no mark need be read."""
        return all(now - event.occurred_at < NEVER_REMOVED for event in self.events)

    def reports(self) -> list[tuple[str, Report]]:
        """What the batch's events tell of calls, by the provider's id."""
        pairs = zip(self.events, self.digests, strict=True)
        return [
            (event.response_id, report_of(event, digest))
            for event, digest in pairs
            if event.response_id and names_a_call(event)
        ]

    def reaches_before(self, kept_since: datetime | None) -> bool:
        """Whether some event is of a time whose events are removed."""
        if kept_since is None or self.promised:
            return False
        return any(event.occurred_at < kept_since for event in self.events)


def _store(batch: _Batch, now: datetime) -> list[Outcome]:
    """Straight in, as nearly every batch can go; the careful way when a key or call is taken, or a time removed."""
    if len({(event.id, event.source) for event in batch.events}) == len(batch.events):
        try:
            if _write_whole(batch, now):
                return [Outcome.ACCEPTED] * len(batch.events)
        except DatabaseError as error:
            if sqlstate(error) not in CAREFUL_STATES:
                raise
    return _store_carefully(batch, now)


def _write_whole(batch: _Batch, now: datetime) -> bool:
    """Write all of the batch; ``False``, and nothing written, where a call is known or an event's time removed."""
    reports = batch.reports()
    if len(batch.events) <= FEW_EVENTS and not reports and batch.is_recent(now):
        _write_few(batch.customer_id, batch.lines)
        return True
    with transaction.atomic():
        stream = _advance_stream(batch.customer_id, len(batch.lines))
        written = not batch.reaches_before(stream.kept_since)
        if written:
            write_lines(batch.lines, first_seq=stream.last_seq - len(batch.lines) + 1)
            written = note_new_calls(batch.customer_id, reports)
        if not written:
            transaction.set_rollback(True)
    return written


def _write_few(customer_id: int, lines: Sequence[str]) -> None:
    failpoint("metering.before_commit")
    # By itself the statement is its own transaction; within another a taken key must not undo that one.
    whole = transaction.atomic() if connection.in_atomic_block else nullcontext()
    with whole, connection.cursor() as cursor:
        cursor.execute(INSERT_FEW, {"customer": customer_id, "count": len(lines), "rows": json_rows(lines)})
        if cursor.rowcount == 0:
            raise CustomerGone


def _store_carefully(batch: _Batch, now: datetime) -> list[Outcome]:
    """Compare with what is stored, under the stream's lock, so that nobody can store the same in between."""
    customer_id = batch.customer_id
    with transaction.atomic():
        kept_since = _advance_stream(customer_id, 0).kept_since
        calls = known_calls(customer_id, [e.response_id for e in batch.events if names_a_call(e)])
        comparison = Comparison(
            _stored_digests(customer_id, batch.events),
            calls,
            kept_since if batch.reaches_before(kept_since) else None,
        )
        comparison.compare(batch.events, batch.digests)
        claim_from_backfill(customer_id, comparison.told_again)
        fresh = [batch.lines[place] for place in comparison.to_store]
        if fresh:
            last_seq = _advance_stream(customer_id, len(fresh)).last_seq
            write_lines(fresh, first_seq=last_seq - len(fresh) + 1)
        note_calls(customer_id, calls, now=now)
        keep_conflicts(customer_id, comparison.contradictions, now=now)
    return comparison.outcomes


def write_lines(lines: Sequence[str], *, first_seq: int) -> None:
    """Write events whose numbers follow each other, under the lock of their customer's stream."""
    data = copy_data(lines, first_seq=first_seq)
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(COPY) as copy:
        copy.write(data)
    failpoint("metering.before_commit")


class _Stream(NamedTuple):
    """The customer's stream, locked: the last ``seq`` now given out, and since when events are kept; None, all are."""

    last_seq: int
    kept_since: datetime | None


def _advance_stream(customer_id: int, count: int) -> _Stream:
    """Lock the customer's stream until the commit and move it on."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO metering_eventstream AS stream (customer_id, last_seq)"
            " SELECT id, %s FROM customers_customer WHERE id = %s"
            " ON CONFLICT (customer_id) DO UPDATE SET last_seq = stream.last_seq + excluded.last_seq"
            " RETURNING last_seq, kept_since",
            [count, customer_id],
        )
        row = cursor.fetchone()
        if row is None:
            raise CustomerGone
        return _Stream(*row)


def _stored_digests(customer_id: int, events: Sequence[NewEvent]) -> dict[tuple[str, str], bytes]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT event_id, source, content_hash FROM metering_event"
            " WHERE customer_id = %s AND event_id = ANY(%s)",
            [customer_id, [event.id for event in events]],
        )
        return {(event_id, source): bytes(digest) for event_id, source, digest in cursor.fetchall()}
