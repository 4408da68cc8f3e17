"""Telling the room above that customers have new events: soon, seldom, and without making anyone wait.

A nudge is no promise. Whoever is nudged finds its work in the tables, and finds it without a nudge too, only
later.
"""

import threading
from collections.abc import Callable

import structlog

INTERVAL_SECONDS = 0.2
# While nobody can be told, trying is waste: the sweep finds the work in the meantime.
FAILURE_INTERVAL_SECONDS = 5.0

log = structlog.get_logger(__name__)
Nudge = Callable[[frozenset[int]], None]


class Nudges:
    """Collects customers and passes them on at most once an interval, from a thread of its own."""

    def __init__(
        self,
        interval_seconds: float = INTERVAL_SECONDS,
        failure_interval_seconds: float = FAILURE_INTERVAL_SECONDS,
    ) -> None:
        self._interval_seconds = interval_seconds
        self._failure_interval_seconds = failure_interval_seconds
        self._tell: Nudge | None = None
        self._waiting: set[int] = set()
        self._lock = threading.Lock()
        self._stirred = threading.Event()
        self._thread: threading.Thread | None = None

    def hand_over(self, tell: Nudge | None) -> None:
        self._tell = tell

    def note(self, customer_id: int) -> None:
        """The customer has new events, committed."""
        if self._tell is None:
            return
        with self._lock:
            self._waiting.add(customer_id)
            # A forked process inherits the object without its thread.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="event-nudges", daemon=True)
                self._thread.start()
        self._stirred.set()

    def _run(self) -> None:
        pause = threading.Event()
        while self._stirred.wait():
            self._stirred.clear()
            with self._lock:
                customers, self._waiting = frozenset(self._waiting), set()
            seconds = self._interval_seconds
            try:
                if self._tell is not None and customers:
                    self._tell(customers)
            except Exception as error:  # a lost nudge costs a minute; a dead thread would cost one each time
                seconds = self._failure_interval_seconds
                log.warning("nudge_lost", customers=len(customers), reason=str(error))
            pause.wait(seconds)


_nudges = Nudges()


def hand_over_nudge(tell: Nudge | None) -> None:
    """Name the function that is told which customers have new events. Called once, at start."""
    _nudges.hand_over(tell)


def nudge(customer_id: int) -> None:
    _nudges.note(customer_id)
