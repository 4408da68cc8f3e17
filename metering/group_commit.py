"""Lone events stored together: a writer takes all that wait for one customer and commits them as one batch.

A commit costs the same for one event as for fifty. Under load each request so waits for the commit under way
and then shares the next, instead of queueing for a commit of its own; a single client waits for nobody.
"""

import threading
from datetime import datetime

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from core import limits
from core.problems import Unavailable
from metering.events import store_events
from metering.new_event import NewEvent
from metering.outcomes import Outcome

IDLE_SECONDS = 0.2
# Commits of different customers overlap: Postgres then makes several durable at once.
WRITERS_MAX = 4

log = structlog.get_logger(__name__)


class _Waiting:
    """One request's event, and what became of it once ``done`` is released.

    A bare lock, which is the lightest thing a thread can wait for: there is one for every event.
    """

    __slots__ = ("done", "error", "event", "now", "outcome")

    def __init__(self, event: NewEvent, now: datetime) -> None:
        self.event = event
        self.now = now
        self.done = threading.Lock()
        self.done.acquire()
        self.outcome: Outcome | None = None
        self.error: Exception | None = None


class GroupCommit:
    """A bounded queue for each customer, and the threads that empty them: one customer, one commit at a time."""

    def __init__(self) -> None:
        self._queues: dict[str, list[_Waiting]] = {}
        self._count = 0
        self._being_written: set[str] = set()
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._idle = 0

    def store(self, event: NewEvent, *, now: datetime) -> Outcome:
        """Wait until the event is committed, together with whatever else of its customer waits.

        Raises ``Unavailable`` when too many wait already, or when the wait grows too long: the event may then be stored
        all the same, and sending it again is safe. Raises what ``store_events`` raises.
        """
        waiting = _Waiting(event, now)
        with self._changed:
            if self._count >= limits.WAITING_EVENTS_MAX:
                raise Unavailable("Too many events wait to be stored; send this one again shortly.")
            self._queues.setdefault(event.customer, []).append(waiting)
            self._count += 1
            self._keep_writing()
            self._changed.notify()
        if not waiting.done.acquire(timeout=limits.WAITING_EVENTS_SECONDS_MAX):
            raise Unavailable("Storing the event took too long; send it again, it will not be counted twice.")
        if waiting.error is not None:
            raise waiting.error
        assert waiting.outcome is not None
        return waiting.outcome

    def _keep_writing(self) -> None:
        if self._threads and not self._threads[0].is_alive():
            # A forked process inherits the object without its threads.
            self._threads, self._idle = [], 0
            self._being_written.clear()
        unwritten = len(self._queues.keys() - self._being_written)
        if self._idle < unwritten and len(self._threads) < WRITERS_MAX:
            thread = threading.Thread(target=self._run, name="event-writer", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                if not self._changed.wait_for(self._next_customer, timeout=IDLE_SECONDS):
                    connection.close()  # an idle writer keeps no connection from others
                    self._changed.wait_for(self._next_customer)
                self._idle -= 1
                customer = self._next_customer()
                assert customer is not None
                group = self._take(customer)
            try:
                self._write(group)
            finally:
                with self._changed:
                    self._being_written.discard(customer)

    def _next_customer(self) -> str | None:
        """Who has waited longest, of those nobody writes for: two writers would only wait for each other's lock."""
        return next((customer for customer in self._queues if customer not in self._being_written), None)

    def _take(self, customer: str) -> list[_Waiting]:
        queue = self._queues.pop(customer)
        group, rest = queue[: limits.BATCH_EVENTS_MAX], queue[limits.BATCH_EVENTS_MAX :]
        if rest:
            self._queues[customer] = rest
        self._count -= len(group)
        self._being_written.add(customer)
        return group

    def _write(self, group: list[_Waiting]) -> None:
        try:
            outcomes = store_events(
                [waiting.event for waiting in group], now=max(waiting.now for waiting in group)
            )
        except Exception as error:
            if isinstance(error, OperationalError | InterfaceError):
                connection.close()
            elif len(group) > 1:
                # What one event does to the database must not be answered to the others.
                for waiting in group:
                    self._write([waiting])
                return
            elif not isinstance(error, DatabaseError):
                log.exception("event_not_stored")
            for waiting in group:
                waiting.error = error
                waiting.done.release()
            return
        for waiting, outcome in zip(group, outcomes, strict=True):
            waiting.outcome = outcome
            waiting.done.release()


_group_commit = GroupCommit()


def store_event(event: NewEvent, *, now: datetime) -> Outcome:
    """Store one event; committed when this returns. See ``GroupCommit.store`` for what it raises."""
    if connection.in_atomic_block:
        # The writer's connection would not see what the caller's transaction has done so far.
        return store_events([event], now=now)[0]
    # Were those who wait to keep theirs, the pool could have none left for the writer they wait for.
    connection.close()
    return _group_commit.store(event, now=now)
