"""A customer's single calls."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from core.problems import NotFound
from metering.models import Event

PAGE = 50
CSV_ROWS_MAX = 10_000
# Everything that a customer may see of a call. What it cost the seller stays out of the query itself.
SEEN = (
    "customer_id",
    "event_id",
    "source",
    "seq",
    "type",
    "occurred_at",
    "recorded_at",
    "provider",
    "model",
    "context",
    "usage",
    "quantity",
    "status",
    "latency_ms",
    "run_id",
    "run",
    "properties",
    "unpriced",
)


@dataclass(frozen=True)
class CallFilter:
    words: str = ""
    start: datetime | None = None
    end: datetime | None = None
    before: int | None = None


def calls_of(customer_id: int, asked: CallFilter) -> QuerySet[Event]:
    """The customer's calls, the latest stored first; words are looked for in ids and runs, letter by letter."""
    rows = Event.objects.filter(customer_id=customer_id).only(*SEEN)
    if asked.words:
        rows = rows.filter(Q(event_id=asked.words) | Q(run_id=asked.words))
    if asked.start is not None:
        rows = rows.filter(occurred_at__gte=asked.start)
    if asked.end is not None:
        rows = rows.filter(occurred_at__lt=asked.end)
    if asked.before is not None:
        rows = rows.filter(seq__lt=asked.before)
    return rows.order_by("-seq")


def call_by_seq(customer_id: int, seq: int) -> Event:
    """One call. Raises ``NotFound``, also for another customer's."""
    row = Event.objects.filter(customer_id=customer_id, seq=seq).only(*SEEN).first()
    if row is None:
        raise NotFound("There is no such call.")
    return row
