"""Refused events sent again: as they came, or mended by a person, by the door they came through.

A replay goes the way of every event, identity included: what is stored already is a duplicate, however often it is replayed.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from core import limits
from core.problems import Conflict, FieldError, Invalid, NotFound, Problem
from customers.models import Customer
from metering.events import store_events
from metering.formats.bodies import READERS, read_as
from metering.models import RejectedEvent
from metering.new_event import NewEvent
from metering.outcomes import TOO_OLD_DETAIL, Outcome

STORED = frozenset({Outcome.ACCEPTED, Outcome.DUPLICATE, Outcome.UNMATCHED})
DETAILS = {
    Outcome.ACCEPTED: "Stored.",
    Outcome.DUPLICATE: "It was stored already; nothing changed.",
    Outcome.UNMATCHED: "Kept for a customer that is not known yet.",
    Outcome.CONFLICT: "Its id and source are stored with other content; nothing was changed.",
}
_encode = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(frozen=True)
class Replayed:
    """What became of a replay. ``event`` is what was read, None where nothing could be."""

    row: RejectedEvent
    outcome: str
    detail: str
    errors: tuple[FieldError, ...] = ()
    event: NewEvent | None = None

    @property
    def settled(self) -> bool:
        return self.row.closed_at is not None


def replay(row: RejectedEvent, *, by: str, now: datetime, body: bytes | None = None) -> Replayed:
    """Send one refused event again, with ``body`` in place of what came, and note what became of it.

    Raises ``Conflict`` for one that is settled, ``Invalid`` for one of which nothing was kept and no ``body`` is given.
    """
    if row.closed_at is not None:
        raise Conflict(f"It is settled: {row.outcome}, by {row.closed_by}.")
    if row.door not in READERS or (body is None and row.received is None):
        raise Invalid.one(
            "event", "not_kept", "What came could not be read, so it cannot be sent again from here."
        )
    return _replay([row], by=by, now=now, bodies=[body])[0]


def replay_all(rows: Sequence[RejectedEvent], *, by: str, now: datetime) -> Counter[str]:
    """Send refused events again as they came, stored together; how many came to which end, ``skipped`` those not kept."""
    able = [row for row in rows if row.closed_at is None and row.received is not None and row.door in READERS]
    ends = Counter(done.outcome for done in _replay(able, by=by, now=now, bodies=[None] * len(able)))
    ends["skipped"] = len(rows) - len(able)
    return ends


def discard(rows: Sequence[RejectedEvent], *, by: str, now: datetime) -> int:
    """Give refused events up; how many were open until now. They stay listed until they are forgotten."""
    wanted = RejectedEvent.objects.filter(id__in=[row.id for row in rows], closed_at=None)
    return wanted.update(outcome=RejectedEvent.Outcome.DISCARDED, closed_at=now, closed_by=by)


def _replay(
    rows: Sequence[RejectedEvent], *, by: str, now: datetime, bodies: Sequence[bytes | None]
) -> list[Replayed]:
    owners = Customer.objects.filter(id__in={row.customer_id for row in rows if row.own_key})
    bound = dict(owners.values_list("id", "key"))
    read: list[NewEvent | Problem] = [
        _event(row, body, bound.get(row.customer_id) if row.own_key else None, now)
        for row, body in zip(rows, bodies, strict=True)
    ]
    outcomes = iter(store_events([event for event in read if isinstance(event, NewEvent)], now=now))
    done = []
    for row, event in zip(rows, read, strict=True):
        if isinstance(event, Problem):
            done.append(_noted(row, RejectedEvent.Outcome.REJECTED, event.detail, now, errors=event.errors))
        else:
            outcome = next(outcomes)
            if outcome is Outcome.TOO_OLD:
                done.append(_noted(row, RejectedEvent.Outcome.REJECTED, TOO_OLD_DETAIL, now))
                continue
            closed_by = by if outcome in STORED else ""
            done.append(_noted(row, outcome.value, DETAILS[outcome], now, event=event, closed_by=closed_by))
    settled = ["replayed_at", "outcome", "outcome_detail", "closed_at", "closed_by"]
    RejectedEvent.objects.bulk_update([one.row for one in done], settled, batch_size=200)
    return done


def _event(row: RejectedEvent, body: bytes | None, customer: str | None, now: datetime) -> NewEvent | Problem:
    """The event of one refusal. Without a time of its own it happened when it came."""
    try:
        reading = read_as(
            row.door, _encode(row.received) if body is None else body, now=now, customer=customer
        )
    except Problem as problem:
        return problem
    if reading.refusals:
        refused = reading.refusals[0]
        return Invalid(refused.detail, refused.errors)
    if len(reading.events) != 1:
        return Invalid.one("event", "one", f"Write one event; here are {len(reading.events)}.")
    event = reading.events[0]
    return event if event.time_given else msgspec.structs.replace(event, occurred_at=row.recorded_at)


def _noted(
    row: RejectedEvent,
    outcome: str,
    detail: str,
    now: datetime,
    *,
    errors: tuple[FieldError, ...] = (),
    event: NewEvent | None = None,
    closed_by: str = "",
) -> Replayed:
    row.replayed_at, row.outcome = now, outcome
    row.outcome_detail = detail[: limits.REJECTED_DETAIL_CHARACTERS_MAX]
    row.closed_at, row.closed_by = (now, closed_by) if closed_by else (None, "")
    return Replayed(row, outcome, detail, errors, event)


def rejection(id_: UUID) -> RejectedEvent:
    """The refusal with this id. Raises ``NotFound``."""
    row = RejectedEvent.objects.filter(id=id_).first()
    if row is None:
        raise NotFound("There is no such refused event. Refusals are forgotten after a while.")
    return row
