"""An invoice line for pages: its usage by local day, and the calls that it counts, a page at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.db import connection
from django.db.models import QuerySet

from billing.models import Invoice, InvoiceLine
from billing.statements.line_events import Counted, events_of_line
from core.periods import local_midnight
from metering.models import Event

SCANNED_MAX = 5_000  # events looked at for one page, when few of them count


@dataclass(frozen=True)
class LineDay:
    """What a line counted on one local day."""

    day: date
    events: int
    quantity: Decimal


@dataclass(frozen=True)
class CountedCall:
    """A call and how much of the line's quantity it is."""

    event: Event
    quantity: Decimal


@dataclass(frozen=True)
class LineCalls:
    """One page of a line's calls, the latest stored first. ``older_than`` is where the next page starts; None at the end."""

    calls: tuple[CountedCall, ...]
    older_than: int | None


def days_of_line(customer_id: int, line: InvoiceLine, zone: str) -> list[LineDay]:
    """The line's usage by local day, from the same hourly sums that it was rated from."""
    if line.segment_id is None or not line.charge:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (hour AT TIME ZONE %s)::date, sum(events), sum(quantity), sum(credits - covered)
            FROM metering_usagebucket
            WHERE customer_id = %s AND scope_id = %s AND series = %s AND hour >= %s AND hour < %s
            GROUP BY 1 ORDER BY 1
            """,
            [zone, customer_id, line.segment_id, line.charge, line.period_start, line.period_end],
        )
        return [
            LineDay(day, int(events), quantity or overage)
            for day, events, quantity, overage in cursor.fetchall()
        ]


def calls_of_line(
    invoice: Invoice,
    line: InvoiceLine,
    zone: str,
    *,
    size: int,
    day: date | None = None,
    before: int | None = None,
) -> LineCalls:
    """The calls that the line counts, of one local day or of its whole time."""
    events, counted = events_of_line(invoice, line)
    events = _within(events, zone, day)
    if before is not None:
        events = events.filter(seq__lt=before)
    calls: list[CountedCall] = []
    last = None
    for event in events.order_by("-seq")[:SCANNED_MAX].iterator(chunk_size=500):
        last = event.seq
        quantity = counted(event)
        if quantity:
            calls.append(CountedCall(event, quantity))
        if len(calls) > size:
            return LineCalls(tuple(calls[:size]), calls[size - 1].event.seq)
    more = last is not None and events.filter(seq__lt=last).exists()
    return LineCalls(tuple(calls), last if more else None)


def all_calls_of_line(
    invoice: Invoice, line: InvoiceLine, zone: str, *, day: date | None = None
) -> Iterator[CountedCall]:
    """Every call that the line counts, oldest first, read as it is asked for."""
    events, counted = events_of_line(invoice, line)
    return _counted(_within(events, zone, day), counted)


def _counted(events: QuerySet[Event], counted: Counted) -> Iterator[CountedCall]:
    for event in events.order_by("seq").iterator(chunk_size=1_000):
        quantity = counted(event)
        if quantity:
            yield CountedCall(event, quantity)


def _within(events: QuerySet[Event], zone: str, day: date | None) -> QuerySet[Event]:
    if day is None:
        return events
    return events.filter(
        occurred_at__gte=local_midnight(day, zone),
        occurred_at__lt=local_midnight(day + timedelta(days=1), zone),
    )
