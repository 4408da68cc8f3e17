"""How many events come, by minute, door and what became of them.

Counted in memory and added to the table every few seconds, so that ingest pays for an addition. A process that is killed
takes its last seconds of counts along: they are for looking at, and nothing is billed by them.
"""

import atexit
import threading
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog
from django.db import connection, transaction

from core import limits

INTERVAL_SECONDS = 2.0
# A minute, a door and an outcome each; while the database is away, older ones are forgotten first.
WAITING_COUNTS_MAX = 1_000

ACCEPTED = "accepted"
DUPLICATE = "duplicate"
UNMATCHED = "unmatched"
REJECTED = "rejected"
LOST = "lost"

log = structlog.get_logger(__name__)
Place = tuple[datetime, str, str]


class Tally:
    """Counts that wait to be written. Its thread runs only where ``write_by_itself`` was called: in the web's processes."""

    def __init__(self) -> None:
        self._counts: Counter[Place] = Counter()
        self._lock = threading.Lock()
        self._by_itself = False
        self._thread: threading.Thread | None = None

    def write_by_itself(self) -> None:
        self._by_itself = True
        atexit.register(self.write)

    def add(self, at: datetime, door: str, outcomes: Mapping[str, int]) -> None:
        """Count events that came at this time by this door; what became of how many of them."""
        minute = at.replace(second=0, microsecond=0)
        with self._lock:
            for outcome, count in outcomes.items():
                if count:
                    self._counts[minute, door, outcome] += count
            while len(self._counts) > WAITING_COUNTS_MAX:
                del self._counts[min(self._counts)]
            # A forked process inherits the object without its thread.
            if self._by_itself and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(target=self._run, name="arrival-counts", daemon=True)
                self._thread.start()

    def take(self) -> Counter[Place]:
        """What waits to be written; it waits no more."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        return counts

    def write(self) -> None:
        """Add what waits to the table. What cannot be written waits on."""
        counts = self.take()
        if not counts:
            return
        try:
            _add_to_table(counts)
        except Exception as error:  # whatever is wrong with statistics, events go on being taken in
            log.warning("arrivals_not_written", reason=str(error)[:300])
            with self._lock:
                self._counts.update(counts)

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(INTERVAL_SECONDS)
            self.write()
            connection.close()  # it is needed again in seconds, and by others meanwhile


def _add_to_table(counts: Mapping[Place, int]) -> None:
    places = sorted(counts)  # in one order in every process, so that no two wait for each other
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO metering_arrivalcount AS known (minute, door, outcome, count)"
            " SELECT * FROM unnest(%s::timestamptz[], %s::text[], %s::text[], %s::bigint[])"
            " ON CONFLICT (minute, door, outcome) DO UPDATE SET count = known.count + excluded.count",
            [
                [minute for minute, _, _ in places],
                [door for _, door, _ in places],
                [outcome for _, _, outcome in places],
                [counts[place] for place in places],
            ],
        )


def forget_old_counts(*, now: datetime) -> int:
    """Delete counts that no page shows any more; how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM metering_arrivalcount WHERE minute < %s",
            [now - timedelta(days=limits.ARRIVALS_DAYS_KEPT)],
        )
        return cursor.rowcount


_tally = Tally()
count_arrivals = _tally.add
take_arrivals = _tally.take
write_arrivals = _tally.write
write_arrivals_by_themselves = _tally.write_by_itself
