"""Events as the console lists and finds them: newest first, a page at a time, never counted.

No question reads more than a bounded part of a table that holds all events, however rare what is asked for.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_

from django.db import connection
from django.db.models import Q, QuerySet

from console.queries.refused import RefusalFilter, conflicts, refusals
from metering.models import Event, EventConflict, EventRemoval, EventStream, RejectedEvent, UnmatchedEvent

PAGE = 50
CSV_ROWS_MAX = 10_000
STREAMS_MAX = 200
LATEST_EACH = 20
# Looked at for a page where no index leads to what is asked for: some 100 ms.
SIFTED_MAX = 100_000
IN_A_TIME_MAX = 20_000
FOUND_MAX = 20
# The last character of ASCII: ids are visible ASCII, so every id that begins alike sorts before this.
AFTER_IDS = "\x7f"


@dataclass(frozen=True)
class EventFilter:
    """What to show. Empty fields do not filter; ``before`` is the sequence number to stay below.

    ``words`` are an event's id or its beginning, or a run's id. ``[since, until)`` is when it happened.
    """

    customer_id: int
    words: str = ""
    model: str = ""
    state: str = ""
    type: str = ""
    source: str = ""
    door: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None

    @property
    def sifts(self) -> bool:
        """Whether rows must be looked at one by one."""
        rare = self.model or self.type or self.source or self.door or self.state == "failed"
        return bool(rare) and not self.words and self.state != "unpriced"


def events_of(asked: EventFilter) -> QuerySet[Event]:
    """A customer's events, the latest stored first; of those sifted, the latest that ``sifted_down_to`` allows."""
    rows = Event.objects.filter(customer_id=asked.customer_id)
    if asked.since is not None or asked.until is not None:
        rows = rows.filter(seq__in=_of_time(asked))
    elif asked.sifts:
        rows = rows.filter(seq__gt=sifted_down_to(asked))
    if asked.words:
        rows = rows.filter(_begins(asked.words) | Q(run_id=asked.words))
    equal = {"model": asked.model, "type": asked.type, "source": asked.source, "door": asked.door}
    rows = rows.filter(**{name: value for name, value in equal.items() if value})
    if asked.state == "unpriced":
        rows = rows.filter(unpriced=True)
    elif asked.state == "failed":
        rows = rows.exclude(status="ok")
    if asked.before is not None:
        rows = rows.filter(seq__lt=asked.before)
    return rows.order_by("-seq")


def sifted_down_to(asked: EventFilter) -> int:
    """The sequence number below which a page that sifts does not look."""
    if asked.before is not None:
        return max(asked.before - 1 - SIFTED_MAX, 0)
    last = (
        EventStream.objects.filter(customer_id=asked.customer_id).values_list("last_seq", flat=True).first()
    )
    return max((last or 0) - SIFTED_MAX, 0)


def _of_time(asked: EventFilter) -> QuerySet[Event, int]:
    rows = Event.objects.filter(customer_id=asked.customer_id)
    if asked.since is not None:
        rows = rows.filter(occurred_at__gte=asked.since)
    if asked.until is not None:
        rows = rows.filter(occurred_at__lt=asked.until)
    return rows.order_by("-occurred_at").values_list("seq", flat=True)[:IN_A_TIME_MAX]


def _begins(words: str) -> Q:
    if not prefixes_are_indexed():
        return Q(event_id=words)
    return Q(event_id__gte=words, event_id__lt=words + AFTER_IDS)


def prefixes_are_indexed() -> bool:
    """Whether the database sorts texts by their bytes, as the embedded one does: an index then leads to beginnings."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 'B'::text < 'a'::text")
        return bool(cursor.fetchone()[0])


@dataclass(frozen=True)
class Found:
    """Everything known under an id, of whomever, wherever it ended. ``stored`` are at most so many events."""

    stored: tuple[Event, ...]
    waiting: tuple[UnmatchedEvent, ...]
    conflicts: tuple[EventConflict, ...]
    refused: tuple[RejectedEvent, ...]

    @property
    def any(self) -> bool:
        return bool(self.stored or self.waiting or self.conflicts or self.refused)


def find(words: str, *, customer_id: int | None = None, customer_key: str = "") -> Found:
    """Where what was sent under this id, or one that begins so, has ended: stored, waiting, contradicting or refused."""
    waiting = UnmatchedEvent.objects.filter(event_id__startswith=words).exclude(
        matched_at__isnull=False, assigned_id=None
    )
    contradicting = conflicts(words)
    refused = refusals(RefusalFilter(words=words, state="all"))
    if customer_id is not None:
        waiting = waiting.filter(Q(customer_key=customer_key) | Q(assigned_id=customer_id))
        contradicting = contradicting.filter(customer_id=customer_id)
        refused = refused.filter(customer_id=customer_id)
    return Found(
        () if customer_id is not None else tuple(_stored_anywhere(words)),
        tuple(waiting.order_by("-recorded_at", "customer_key", "event_id", "source")[:FOUND_MAX]),
        tuple(contradicting[:FOUND_MAX]),
        tuple(refused.order_by("-latest_at", "id")[:FOUND_MAX]),
    )


def _stored_anywhere(words: str) -> list[Event]:
    """Events by their id or run, of all customers: two looks into indexes for each."""
    end = words + AFTER_IDS if prefixes_are_indexed() else words
    compare = "<" if end != words else "<="
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT s.customer_id, e.seq FROM metering_eventstream s JOIN LATERAL (
                (SELECT seq FROM metering_event WHERE customer_id = s.customer_id
                    AND event_id >= %(words)s AND event_id {compare} %(end)s ORDER BY event_id LIMIT %(most)s)
                UNION
                (SELECT seq FROM metering_event WHERE customer_id = s.customer_id
                    AND run_id = %(words)s AND run_id <> '' LIMIT %(most)s)
            ) e ON true LIMIT %(most)s
            """,
            {"words": words, "end": end, "most": FOUND_MAX},
        )
        return _events_at(cursor.fetchall())


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
        return _events_at(cursor.fetchall())


def _events_at(places: list[tuple[int, int]]) -> list[Event]:
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
