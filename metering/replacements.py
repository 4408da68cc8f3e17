"""Richer reports of calls in the place of poorer ones. What those came to is for the room above to take back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from django.db import connection
from msgspec.json import decode

from metering.content_hash import write_event
from metering.event_rows import prepare_line
from metering.events import write_lines
from metering.models import RicherReport
from metering.new_event import NewEvent, from_kept
from metering.reported_calls import report_of, take_over
from metering.stored_event import StoredEvent, event_by_id
from metering.withdrawals import DOOR, Brought


@dataclass(frozen=True)
class Place:
    """A call whose event is to be replaced: the event that counts it, and the one that will."""

    response_id: str
    poorer: Brought
    richer: NewEvent


def waiting_places(customer_id: int, most: int) -> list[Place]:
    """The customer's calls that a richer report waits for, in the order of the events that count them so far.

    The caller is in a transaction, which locks these reports alone: what the period holds is counted again meanwhile, and
    the customer's events come in all the same. Dropped are reports that tell no more than what counts by now, and those
    whose own id was taken by another since.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM metering_richerreport r USING metering_reportedcall c
            WHERE r.customer_id = %s AND c.customer_id = r.customer_id AND c.response_id = r.response_id
            AND (r.detail <= c.detail
                OR EXISTS (SELECT 1 FROM metering_event e WHERE e.customer_id = r.customer_id
                    AND e.event_id = r.event_id AND e.source = r.source
                    AND (e.event_id, e.source) <> (c.event_id, c.source))
                OR EXISTS (SELECT 1 FROM metering_richerreport first WHERE first.customer_id = r.customer_id
                    AND first.event_id = r.event_id AND first.source = r.source
                    AND (first.recorded_at, first.response_id) < (r.recorded_at, r.response_id)))
            """,
            [customer_id],
        )
        cursor.execute(
            """
            SELECT r.response_id, r.received::text, e.door, e.seq, e.event_id, e.source, e.occurred_at,
                e.properties ->> 'reverses'
            FROM metering_richerreport r
            JOIN metering_reportedcall c ON c.customer_id = r.customer_id AND c.response_id = r.response_id
            JOIN metering_event e
                ON e.customer_id = c.customer_id AND e.event_id = c.event_id AND e.source = c.source
            WHERE r.customer_id = %s ORDER BY e.seq LIMIT %s FOR UPDATE OF r
            """,
            [customer_id, most],
        )
        return [
            Place(response_id, Brought(*poorer), _through(door, from_kept(decode(received))))
            for response_id, received, door, *poorer in cursor.fetchall()
        ]


def _through(door: str, richer: NewEvent) -> NewEvent:
    """A call that its own client told stays, though a backfill tells it better: it does not leave with the backfill."""
    return msgspec.structs.replace(richer, door=door) if richer.door == DOOR else richer


def give_up(customer_id: int, places: Sequence[Place]) -> None:
    """Let the poorer reports stand, in the caller's transaction."""
    names = [place.response_id for place in places]
    RicherReport.objects.filter(customer_id=customer_id, response_id__in=names).delete()


def replace_events(customer_id: int, places: Sequence[Place], *, now: datetime) -> dict[int, StoredEvent]:
    """Put the richer reports in the poorer events' places, and keep those beside, in the caller's transaction.

    The events that count now, by their ``seq``, which is that of the events before them.
    """
    _withdraw(customer_id, places, now)
    reports = []
    for place in places:
        written = write_event(place.richer)
        line = prepare_line(customer_id, written, recorded_at=now.isoformat())
        write_lines([line], first_seq=place.poorer.seq)
        reports.append((place.response_id, report_of(place.richer, written.digest)))
    take_over(customer_id, reports)
    give_up(customer_id, places)
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
