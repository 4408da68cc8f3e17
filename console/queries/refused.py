"""What could not be stored: refused events, contradictions, and events whose customer is not known."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, Q, QuerySet

from core.problems import NotFound
from core.times import render_time
from customers.models import Customer
from metering.models import Event, EventConflict, RejectedEvent, UnmatchedEvent
from metering.unmatched import waiting_events

OPEN, SETTLED, ALL = "", "settled", "all"
KEYS_MAX = 200
LATEST_MAX = 50


@dataclass(frozen=True)
class RefusalFilter:
    """Empty fields do not filter. ``words`` are an id or its beginning, or a customer's key."""

    words: str = ""
    state: str = OPEN
    door: str = ""
    code: str = ""


def refusals(asked: RefusalFilter) -> QuerySet[RejectedEvent]:
    """The refusals that pass, in no order."""
    rows = RejectedEvent.objects.all()
    if asked.state in (OPEN, SETTLED):
        rows = rows.filter(closed_at__isnull=asked.state == OPEN)
    if asked.words:
        rows = rows.filter(Q(event_id__startswith=asked.words) | Q(customer_key=asked.words))
    if asked.door:
        rows = rows.filter(door=asked.door)
    return rows.filter(code=asked.code) if asked.code else rows


def open_codes() -> list[tuple[str, int]]:
    """Why what is open was refused: each code and how many, the most frequent first."""
    rows = RejectedEvent.objects.filter(closed_at=None).values_list("code")
    return list(rows.annotate(n=Count("*")).order_by("-n", "code")[:12])


def open_refusals_count() -> int:
    return RejectedEvent.objects.filter(closed_at=None).count()


@dataclass(frozen=True)
class WaitingKey:
    """The events that wait under one unknown key."""

    key: str
    events: int
    first_at: datetime
    latest_at: datetime
    doors: tuple[str, ...]


def waiting_keys(words: str = "", *, exactly: bool = False) -> list[WaitingKey]:
    """Unknown keys that begin so, or are ``exactly`` that, with what waits under them; the most events first."""
    wanted = "customer_key = %s" if exactly else "starts_with(customer_key, %s)"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT customer_key, count(*), min(recorded_at), max(recorded_at), array_agg(DISTINCT door ORDER BY door)
            FROM metering_unmatchedevent WHERE matched_at IS NULL AND discarded_at IS NULL
            AND {wanted} GROUP BY customer_key ORDER BY count(*) DESC, customer_key LIMIT %s
            """,
            [words, KEYS_MAX],
        )
        return [
            WaitingKey(key, n, first, last, tuple(doors)) for key, n, first, last, doors in cursor.fetchall()
        ]


def waiting_key(key: str) -> WaitingKey:
    """What waits under exactly this key. Raises ``NotFound`` where nothing does."""
    found = waiting_keys(key, exactly=True)
    if not found:
        raise NotFound("No event waits under this key any more.")
    return found[0]


def latest_waiting(key: str) -> list[UnmatchedEvent]:
    return list(waiting_events(key).order_by("-recorded_at", "event_id", "source")[:LATEST_MAX])


def unmatched_count(limit: int = 10_000) -> int:
    """How many events wait for their customer, counted up to ``limit``."""
    return waiting_events()[:limit].count()


def conflicts(words: str = "") -> QuerySet[EventConflict]:
    """Contradictions, the latest first."""
    rows = EventConflict.objects.filter(event_id__startswith=words) if words else EventConflict.objects.all()
    return rows.order_by("-recorded_at", "customer_id", "id")


@dataclass(frozen=True)
class Difference:
    """One field as it is stored, and as it came later."""

    field: str
    stored: Any
    received: Any

    @property
    def differs(self) -> bool:
        return bool(self.stored != self.received)


@dataclass(frozen=True)
class Contradicted:
    """A contradiction beside what is stored under its id, where that is still kept."""

    conflict: EventConflict
    customer: Customer | None
    event: Event | None
    waiting: UnmatchedEvent | None
    differences: tuple[Difference, ...]


def contradicted(customer_id: int, conflict_id: UUID) -> Contradicted:
    """Both contents. Raises ``NotFound``."""
    conflict = EventConflict.objects.filter(customer_id=customer_id, id=conflict_id).first()
    if conflict is None:
        raise NotFound("There is no such contradiction.")
    identity = {"event_id": conflict.event_id, "source": conflict.source}
    event = Event.objects.filter(customer_id=customer_id, **identity).first()
    key = conflict.received.get("customer", "")
    waiting = UnmatchedEvent.objects.filter(customer_key=key, **identity).first() if event is None else None
    stored = _as_sent(event) if event else _as_told(waiting.received) if waiting else {}
    received = _as_told(conflict.received)
    if not conflict.received.get("time_given", True):
        stored.pop("occurred_at", None)  # a time that we filled in is no part of the content
        received.pop("occurred_at", None)
    names = [*stored, *(name for name in received if name not in stored)]
    return Contradicted(
        conflict,
        Customer.objects.filter(id=customer_id).first(),
        event,
        waiting,
        tuple(Difference(name, stored.get(name), received.get(name)) for name in names),
    )


TOLD = (
    "type",
    "occurred_at",
    "provider",
    "model",
    "context",
    "quantity",
    "status",
    "latency_ms",
    "hold",
    "run_id",
)


def _as_sent(event: Event) -> dict[str, Any]:
    told: dict[str, Any] = {name: _text(getattr(event, name)) for name in TOLD}
    return told | _opened("usage", event.usage) | _opened("properties", event.properties)


def _as_told(received: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {name: _text(received.get(name)) for name in TOLD}
    at = received.get("occurred_at")
    if isinstance(at, str):
        told["occurred_at"] = _text(datetime.fromisoformat(at))
    return told | _opened("usage", received.get("usage")) | _opened("properties", received.get("properties"))


def _opened(prefix: str, value: Any) -> dict[str, Any]:
    return {f"{prefix}.{name}": _text(item) for name, item in (value or {}).items()}


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return render_time(value)
    text = "" if value is None else str(value)
    digits = text.replace(".", "", 1).isdigit()
    return text.rstrip("0").rstrip(".") if digits and "." in text else text


def names_of(customer_ids: Sequence[int]) -> dict[int, str]:
    """The keys of these customers."""
    return dict(Customer.objects.filter(id__in=set(customer_ids)).values_list("id", "key"))
