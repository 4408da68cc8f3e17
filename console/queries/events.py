"""Events as the console lists them: newest first, a page at a time, never counted."""

from dataclasses import dataclass
from functools import reduce
from operator import or_

from django.db import connection
from django.db.models import Q, QuerySet

from metering.models import Event, EventRemoval, UnmatchedEvent

PAGE = 50
CSV_ROWS_MAX = 10_000
STREAMS_MAX = 200
LATEST_EACH = 20


@dataclass(frozen=True)
class EventFilter:
    """What to show. Empty fields do not filter; ``before`` is the sequence number to stay below."""

    customer_id: int
    words: str = ""
    model: str = ""
    state: str = ""
    before: int | None = None


def events_of(asked: EventFilter) -> QuerySet[Event]:
    """A customer's events, the latest stored first. Words are looked for in ids, runs and types, exactly."""
    rows = Event.objects.filter(customer_id=asked.customer_id)
    if asked.words:
        rows = rows.filter(Q(event_id=asked.words) | Q(run_id=asked.words) | Q(type=asked.words))
    if asked.model:
        rows = rows.filter(model=asked.model)
    if asked.state == "unpriced":
        rows = rows.filter(unpriced=True)
    elif asked.state == "failed":
        rows = rows.exclude(status="ok")
    if asked.before is not None:
        rows = rows.filter(seq__lt=asked.before)
    return rows.order_by("-seq")


def latest_events(limit: int = PAGE) -> list[Event]:
    """The newest events of all customers, from each customer's newest: the table has no index by time alone."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT s.customer_id, e.seq FROM (
                SELECT customer_id FROM metering_eventstream ORDER BY last_seq DESC LIMIT %s
            ) s
            CROSS JOIN LATERAL (
                SELECT seq, recorded_at FROM metering_event WHERE customer_id = s.customer_id
                ORDER BY seq DESC LIMIT %s
            ) e
            ORDER BY e.recorded_at DESC, s.customer_id, e.seq DESC LIMIT %s
            """,
            [STREAMS_MAX, LATEST_EACH, limit],
        )
        places = cursor.fetchall()
    if not places:
        return []
    wanted = reduce(or_, (Q(customer_id=customer_id, seq=seq) for customer_id, seq in places))
    found = {(row.customer_id, row.seq): row for row in Event.objects.filter(wanted)}
    return [found[place] for place in places if place in found]


def removals(customer_id: int | None, limit: int = PAGE) -> list[EventRemoval]:
    """What was removed because it was older than the installation keeps events: of a customer, or the latest of all."""
    rows = (
        EventRemoval.objects.all()
        if customer_id is None
        else EventRemoval.objects.filter(customer_id=customer_id)
    )
    return list(rows.order_by("-removed_at", "customer_id", "-kept_since")[:limit])


def unmatched_events(limit: int = PAGE) -> list[UnmatchedEvent]:
    """Events for customers that nobody has made yet, newest first."""
    rows = UnmatchedEvent.objects.filter(matched_at=None)
    return list(rows.order_by("-recorded_at", "customer_key", "event_id")[:limit])
