"""Looking events up by the id that a client gave them, without knowing whose they are."""

from django.db import connection

from metering.models import UnmatchedEvent
from metering.new_event import NewEvent, from_kept

OWNERS_MAX = 2


def customers_with_event(event_id: str, source: str | None = None) -> list[int]:
    """Ids of customers that have an event with this id, two at most: one look into the key of events for each customer."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT s.customer_id FROM metering_eventstream s JOIN LATERAL (
                SELECT 1 FROM metering_event e WHERE e.customer_id = s.customer_id AND e.event_id = %(id)s
                AND (%(source)s::text IS NULL OR e.source = %(source)s) LIMIT 1) found ON true
            ORDER BY s.customer_id LIMIT %(most)s
            """,
            {"id": event_id, "source": source, "most": OWNERS_MAX},
        )
        return [row[0] for row in cursor.fetchall()]


def unmatched_event(event_id: str, source: str | None, *, customer_key: str | None) -> NewEvent | None:
    """The event that waits for its customer, the newest where there are several."""
    rows = UnmatchedEvent.objects.filter(event_id=event_id, matched_at=None, discarded_at=None)
    if source is not None:
        rows = rows.filter(source=source)
    if customer_key is not None:
        rows = rows.filter(customer_key=customer_key)
    row = rows.order_by("-recorded_at").first()
    return None if row is None else from_kept(row.received)
