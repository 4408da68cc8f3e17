"""Richer reports of calls in the place of poorer ones. What those came to is for the room above to take back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from msgspec.json import decode

from metering.content_hash import content_hash
from metering.event_rows import prepare_line
from metering.events import lock_stream, write_lines
from metering.models import RicherReport
from metering.new_event import NewEvent, from_kept
from metering.reported_calls import report_of, take_over
from metering.stored_event import StoredEvent, event_by_id
from metering.withdrawals import Brought


@dataclass(frozen=True)
class Place:
    """A call whose event is to be replaced: the event that counts it, and the one that will."""

    response_id: str
    poorer: Brought
    richer: NewEvent


def waiting_places(customer_id: int, most: int) -> list[Place]:
    """The customer's calls that a richer report waits for, in the order of the events that count them so far.

    The caller is in a transaction. Until it ends, no report of the customer comes in. A report whose own id was taken by
    another event in the meantime is dropped.
    """
    lock_stream(customer_id)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM metering_richerreport r USING metering_event e, metering_reportedcall c
            WHERE r.customer_id = %(customer)s AND c.customer_id = r.customer_id AND c.response_id = r.response_id
            AND e.customer_id = r.customer_id AND e.event_id = r.event_id AND e.source = r.source
            AND (e.event_id, e.source) <> (c.event_id, c.source)
            """,
            {"customer": customer_id},
        )
        cursor.execute(
            """
            SELECT r.response_id, e.seq, e.event_id, e.source, e.occurred_at, e.properties ->> 'reverses',
                r.received::text
            FROM metering_richerreport r
            JOIN metering_reportedcall c ON c.customer_id = r.customer_id AND c.response_id = r.response_id
            JOIN metering_event e
                ON e.customer_id = c.customer_id AND e.event_id = c.event_id AND e.source = c.source
            WHERE r.customer_id = %s ORDER BY e.seq LIMIT %s
            """,
            [customer_id, most],
        )
        return [
            Place(response_id, Brought(*poorer), from_kept(decode(received)))
            for response_id, *poorer, received in cursor.fetchall()
        ]


def replace_events(customer_id: int, places: Sequence[Place], *, now: datetime) -> dict[int, StoredEvent]:
    """Put the richer reports in the poorer events' places, and keep those beside, in the caller's transaction.

    The events that count now, by their ``seq``, which is that of the events before them.
    """
    _withdraw(customer_id, places, now)
    events = [place.richer for place in places]
    digests = [content_hash(event) for event in events]
    for place, digest in zip(places, digests, strict=True):
        line = prepare_line(customer_id, place.richer, digest, recorded_at=now.isoformat())
        write_lines([line], first_seq=place.poorer.seq)
    reports = [
        (place.response_id, report_of(place.richer, digest))
        for place, digest in zip(places, digests, strict=True)
    ]
    take_over(customer_id, reports)
    names = [place.response_id for place in places]
    RicherReport.objects.filter(customer_id=customer_id, response_id__in=names).delete()
    stored = {
        place.poorer.seq: event_by_id(customer_id, place.richer.id, place.richer.source) for place in places
    }
    return {seq: event for seq, event in stored.items() if event is not None}


def _withdraw(customer_id: int, places: Sequence[Place], now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH place AS (SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS t(seq, by_id, by_source)),
            gone AS (
                DELETE FROM metering_event e USING place p WHERE e.customer_id = %s AND e.seq = p.seq
                RETURNING e.*)
            INSERT INTO metering_withdrawnevent (customer_id, seq, event_id, source, occurred_at, stored,
                replaced_by_id, replaced_by_source, withdrawn_at)
            SELECT customer_id, g.seq, event_id, source, occurred_at, to_jsonb(g)
                || jsonb_build_object('cost', cost::text, 'quantity', quantity::text), by_id, by_source, %s
            FROM gone g JOIN place p ON p.seq = g.seq
            """,
            [
                [place.poorer.seq for place in places],
                [place.richer.id for place in places],
                [place.richer.source for place in places],
                customer_id,
                now,
            ],
        )
