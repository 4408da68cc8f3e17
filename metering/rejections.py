"""What the doors refused is kept for a while, so that a person can see why and send it again.

Keeping it costs nothing where nothing is refused, one statement where something is, and never the answer: what cannot be kept
is counted instead.
"""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any
from uuid import UUID

import msgspec
import structlog
from django.db import connection, transaction

from core import limits
from core.problems import FieldError, Problem
from core.remembered import forget_with
from metering.arrivals import LOST, REJECTED, count_arrivals
from metering.customer_lookup import DOORS_NAMING_SUBSCRIPTIONS, customer_ids
from metering.deliveries import Delivery
from metering.formats.received import Names, kept_item, told_names
from metering.reading import Refusal

log = structlog.get_logger(__name__)
DELETED_AT_ONCE = 5_000
# Of a refused request: the sender's doing. Who may not enter, or is asked to come again, has brought nothing.
TOLD_STATUSES = frozenset({400, 413, 415, 422})
CODE_CHARACTERS_MAX = 60

_encode = msgspec.json.Encoder(decimal_format="number").encode
_KEEP = """
INSERT INTO metering_rejectedevent AS known (customer_id, id, customer_key, event_id, source, door, code, field, detail,
errors, received, key_id, own_key, recorded_at, latest_at, times_seen, outcome, outcome_detail, closed_by)
SELECT customer_id, id, customer_key, event_id, source, %(door)s, code, field, detail, errors, received, %(key)s, %(own)s,
%(now)s, %(now)s, times_seen, '', '', '' FROM jsonb_to_recordset(%(rows)s::jsonb) AS row (customer_id bigint, id uuid,
customer_key text, event_id text, source text, code text, field text, detail text, errors jsonb, received jsonb,
times_seen bigint) ORDER BY customer_id, id
ON CONFLICT (customer_id, id) DO UPDATE SET times_seen = known.times_seen + excluded.times_seen,
latest_at = greatest(known.latest_at, excluded.latest_at)
"""


@dataclass
class Allowance:
    """How much more this process keeps in the present minute and hour, and of one key."""

    minute: datetime | None = None
    hour: datetime | None = None
    in_hour: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._in_minute: Counter[int] = Counter()

    def refill(self) -> None:
        """Begin as a new process does: where the database was put back, what was kept there is gone too."""
        with self._lock:
            self.minute = self.hour = None

    def take(self, wanted: int, *, key_id: int, now: datetime) -> int:
        """How many of the ``wanted`` rows may be written."""
        minute = now.replace(second=0, microsecond=0)
        with self._lock:
            if minute != self.minute:
                self.minute, self._in_minute = minute, Counter()
            if minute.replace(minute=0) != self.hour:
                self.hour, self.in_hour = minute.replace(minute=0), 0
            left = min(
                limits.REJECTED_KEPT_PER_MINUTE_MAX - self._in_minute.total(),
                limits.REJECTED_KEPT_PER_MINUTE_OF_A_KEY_MAX - self._in_minute[key_id],
                limits.REJECTED_KEPT_PER_HOUR_MAX - self.in_hour,
            )
            allowed = max(min(wanted, left), 0)
            self._in_minute[key_id] += allowed
            self.in_hour += allowed
            return allowed


_allowance = Allowance()
forget_with(_allowance.refill)


def note_refusals(delivery: Delivery, refusals: Sequence[Refusal]) -> None:
    """Count the refused events of a delivery, and keep those that are kept nowhere else. Raises nothing."""
    if delivery.rehearsal or not refusals:
        return
    kept = [refusal for refusal in refusals if refusal.errors[0].code != "conflict"]
    allowed = _allowance.take(len(kept), key_id=delivery.credential.key_id, now=delivery.now)
    lost = len(kept) - allowed
    if allowed:
        try:
            keep_refusals(delivery, kept[:allowed])
        except Exception as error:  # the sender's answer is a refusal whether or not we remember it
            log.warning("refusals_not_kept", count=allowed, reason=str(error)[:300])
            lost += allowed
    count_arrivals(delivery.now, delivery.door, {REJECTED: len(refusals), LOST: lost})


def note_refused_body(delivery: Delivery, problem: Problem) -> None:
    """Count and keep that a whole body was refused: its bytes are not kept, because nobody can tell what is in them."""
    if problem.status not in TOLD_STATUSES:
        return
    errors = problem.errors or (FieldError("", problem.code, problem.detail),)
    told = f"{errors[0].detail} The whole body was refused, {delivery.size:,} bytes."
    first = FieldError(errors[0].field, errors[0].code, told)
    note_refusals(delivery, [Refusal(0, None, (first, *errors[1:]))])


def keep_refusals(delivery: Delivery, refusals: Sequence[Refusal]) -> None:
    """Write the refusals down, the same one once, in one statement."""
    named = [told_names(delivery.door, refusal.item) for refusal in refusals]
    own = delivery.credential.customer_id
    with transaction.atomic():
        subscriptions = delivery.door in DOORS_NAMING_SUBSCRIPTIONS
        known = (
            {} if own is not None else customer_ids({n.customer for n in named}, subscriptions=subscriptions)
        )
        rows: dict[tuple[int, str], dict[str, Any]] = {}
        for refusal, names in zip(refusals, named, strict=True):
            row = _row(delivery, refusal, names, own if own is not None else known.get(names.customer, 0))
            rows.setdefault((row["customer_id"], row["id"]), row)["times_seen"] += 1
        with connection.cursor() as cursor:
            cursor.execute(
                _KEEP,
                {
                    "door": delivery.door,
                    "key": delivery.credential.key_id,
                    "own": own is not None,
                    "now": delivery.now,
                    "rows": _encode(list(rows.values())).decode(),
                },
            )


def forget_old_rejections(*, now: datetime, days: int) -> int:
    """Delete what last came more than ``days`` ago, and the oldest beyond the most that are kept; how many."""
    deleted = _delete("latest_at < %s", [now - timedelta(days=days)])
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT latest_at FROM metering_rejectedevent ORDER BY latest_at DESC OFFSET %s LIMIT 1",
            [limits.REJECTED_ROWS_MAX],
        )
        oldest = cursor.fetchone()
    return deleted + (_delete("latest_at <= %s", list(oldest)) if oldest else 0)


def _delete(where: str, values: list[Any]) -> int:
    """A few thousand at a time, so that no transaction grows long."""
    deleted = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                f"DELETE FROM metering_rejectedevent WHERE (customer_id, id) IN ("
                f"SELECT customer_id, id FROM metering_rejectedevent WHERE {where} LIMIT %s)",
                [*values, DELETED_AT_ONCE],
            )
            deleted += cursor.rowcount
            if cursor.rowcount < DELETED_AT_ONCE:
                return deleted


def _row(delivery: Delivery, refusal: Refusal, names: Names, customer_id: int) -> dict[str, Any]:
    received = kept_item(delivery.door, refusal.item)
    written = _encode(received)
    first = refusal.errors[0]
    errors = [_short(error) for error in refusal.errors[: limits.JSON_KEYS_MAX]]
    identity = (delivery.door, delivery.credential.key_id, *names, _without_place(first), written)
    return {
        "customer_id": customer_id,
        "id": str(UUID(bytes=blake2b(_encode(identity), digest_size=16).digest())),
        "customer_key": names.customer,
        "event_id": names.id or (refusal.id or "")[: limits.ID_CHARACTERS_MAX],
        "source": names.source,
        **errors[0],
        "errors": errors,
        "received": received if len(written) <= limits.REJECTED_BYTES_MAX else None,
        "times_seen": 0,
    }


def _without_place(error: FieldError) -> tuple[str, str, str]:
    """The reason without the event's place in its batch, which differs from try to try."""
    return _field(error.field), error.code, error.detail


def _field(written: str) -> str:
    place, bracket, rest = written.partition("].")
    return rest if bracket and place.startswith(("events[", "spans[")) else written


def _short(error: FieldError) -> dict[str, str]:
    return {
        "field": _field(error.field)[: limits.ID_CHARACTERS_MAX],
        "code": error.code[:CODE_CHARACTERS_MAX],
        "detail": error.detail[: limits.REJECTED_DETAIL_CHARACTERS_MAX],
    }
