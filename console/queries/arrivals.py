"""What arrives, and how far behind rating is: read from counters and positions, never from the events themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection

OUTCOMES = ("accepted", "duplicate", "unmatched", "rejected")
LOST = "lost"
STREAMS_MAX = 200


@dataclass(frozen=True)
class Window:
    """How much time is looked at, and in what steps."""

    key: str
    label: str
    span: timedelta
    step: timedelta

    def starts(self, now: datetime) -> list[datetime]:
        """The beginning of every step, the present one last."""
        seconds = int(self.step.total_seconds())
        latest = datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, tz=now.tzinfo)
        count = int(self.span / self.step)
        return [latest - self.step * (count - 1 - n) for n in range(count)]


WINDOWS = (
    Window("", "Last hour", timedelta(hours=1), timedelta(minutes=1)),
    Window("day", "Last day", timedelta(days=1), timedelta(hours=1)),
    Window("week", "Last week", timedelta(days=7), timedelta(hours=6)),
)


@dataclass(frozen=True)
class Arrived:
    """Counts of one window: by step and outcome, and by door and outcome. ``lost`` were refused and not kept."""

    steps: tuple[tuple[datetime, Mapping[str, Decimal]], ...]
    doors: tuple[tuple[str, Mapping[str, int]], ...]
    totals: Mapping[str, int]

    @property
    def any(self) -> bool:
        return any(self.totals.values())

    @property
    def lost(self) -> int:
        return self.totals.get(LOST, 0)


def arrived(window: Window, now: datetime, door: str = "") -> Arrived:
    """What came in the window, by one door or by any."""
    starts = window.starts(now)
    steps: dict[datetime, dict[str, Decimal]] = {start: {} for start in starts}
    doors: dict[str, dict[str, int]] = {}
    totals: dict[str, int] = {}
    for step, by, outcome, count in _counts(window, starts[0], door):
        if outcome != LOST:
            steps[step][outcome] = steps[step].get(outcome, Decimal(0)) + count
        ends = doors.setdefault(by, {})
        ends[outcome] = ends.get(outcome, 0) + count
        totals[outcome] = totals.get(outcome, 0) + count
    return Arrived(
        tuple(steps.items()),
        tuple(sorted(doors.items(), key=lambda item: (-sum(item[1].values()), item[0]))),
        totals,
    )


def _counts(window: Window, start: datetime, door: str) -> list[tuple[datetime, str, str, int]]:
    """The window's counts by step, door and outcome: a week has tens of thousands of rows."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT date_bin(make_interval(secs => %(step)s), minute, %(start)s), door, outcome, sum(count)::bigint
            FROM metering_arrivalcount WHERE minute >= %(start)s AND minute < %(end)s AND %(door)s IN ('', door)
            GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
            """,
            {
                "step": int(window.step.total_seconds()),
                "start": start,
                "end": start + window.span,
                "door": door,
            },
        )
        return cursor.fetchall()


@dataclass(frozen=True)
class Lag:
    """How far rating is behind what is stored. ``oldest`` is since when the longest waiting event waits.

    ``half`` and ``most`` say within what time the newest rated event of half, and of 99 in 100, of the customers was rated
    after it was stored, of those stored and rated in the last hour.
    """

    customers: int
    events: int
    oldest: datetime | None
    half: timedelta | None
    most: timedelta | None


def lag(now: datetime) -> Lag:
    """From each customer's stream and position: two small tables, and one look at an event for each of some customers."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH behind AS MATERIALIZED (
                SELECT s.customer_id, coalesce(p.rated_seq, 0) AS rated_seq, s.last_seq
                FROM metering_eventstream s LEFT JOIN billing_ratingposition p ON p.customer_id = s.customer_id
                WHERE s.last_seq > coalesce(p.rated_seq, 0)
            ), picked AS (SELECT * FROM behind ORDER BY last_seq - rated_seq DESC, customer_id LIMIT %(most)s)
            SELECT (SELECT count(*) FROM behind), (SELECT coalesce(sum(last_seq - rated_seq), 0) FROM behind),
                (SELECT min(e.recorded_at) FROM picked JOIN LATERAL (
                    SELECT recorded_at FROM metering_event v
                    WHERE v.customer_id = picked.customer_id AND v.seq > picked.rated_seq ORDER BY v.seq LIMIT 1) e ON true)
            """,
            {"most": STREAMS_MAX},
        )
        customers, events, oldest = cursor.fetchone()
        cursor.execute(
            """
            SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY waited), percentile_disc(0.99) WITHIN GROUP (ORDER BY waited)
            FROM (
                SELECT greatest(p.rated_at - e.recorded_at, interval '0') AS waited FROM (
                    SELECT * FROM billing_ratingposition WHERE rated_at >= %(since)s ORDER BY rated_at DESC LIMIT %(most)s
                ) p JOIN LATERAL (SELECT recorded_at FROM metering_event v
                    WHERE v.customer_id = p.customer_id AND v.seq = p.rated_seq AND v.recorded_at >= %(since)s) e ON true
            ) waits
            """,
            {"most": STREAMS_MAX, "since": now - timedelta(hours=1)},
        )
        half, most = cursor.fetchone()
    return Lag(customers, int(events), oldest, half, most)
