"""The thread that sends what is spooled, until every event has its answer."""

import http.client
import json
import logging
import random
import threading
import time
from dataclasses import replace
from queue import Empty, SimpleQueue

from burnline.answers import Apart, Halt, Later, Rejection, Taken, meaning_of
from burnline.dead_letters import DeadLetters
from burnline.notices import Notice, Notices
from burnline.settings import Settings
from burnline.spool import Batch, Spool
from burnline.tallies import Tally
from burnline.transport import Transport

EVENTS = "/v1/events"
WAIT_MAX_SECONDS = 3600.0


class Sender:
    """Batches by count, size and age; one request at a time."""

    def __init__(
        self, settings: Settings, spool: Spool, dead_letters: DeadLetters, notices: Notices, tally: Tally
    ) -> None:
        self._settings = settings
        self._spool = spool
        self._dead_letters = dead_letters
        self._notices = notices
        self._tally = tally
        self._transport = Transport(settings.url, settings.key, settings.timeout, settings.ssl_context)
        # Put to from signal handlers, too, which only this kind of queue allows.
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._answered = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="burnline-sender", daemon=True)
        self._stopping = False
        self._hurried = False
        self._adopt_at = 0.0
        self._resume_at = 0.0
        self._asked_to_wait = False
        self._failures = 0
        self._most = settings.batch_events
        # Until when the batch waits for more events; None: it has not begun to.
        self._gather_until: float | None = None
        self.halted = ""

    def start(self) -> None:
        """Begin, once. Raises ``RuntimeError`` where the system gives no thread."""
        if self._thread.ident is None:
            self._thread.start()

    def tracked(self, pending: int) -> None:
        """So many events wait now, one of them new. Costs nothing most of the time."""
        if pending == 1 or pending % self._settings.batch_events == 0:
            self._wake.put(None)

    def flush(self, timeout: float) -> bool:
        """Send what waits at once; whether all of it has its answer before the time is over."""
        deadline = time.monotonic() + timeout
        mark = self._spool.mark()
        self._hurried = True
        self._wake.put(None)
        with self._answered:
            while not self._spool.reached(mark):
                left = deadline - time.monotonic()
                refused = self.halted and not self._hurried
                if left <= 0 or refused or not self._thread.is_alive():
                    return self._spool.reached(mark)
                self._answered.wait(min(left, 1.0))
        return True

    def stop(self, timeout: float) -> bool:
        """Stop after the request that is under way, and let go of the spool; whether that was in time."""
        self._stopping = True
        self._wake.put(None)
        if self._thread.ident is None:
            self._spool.release()
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def disconnect(self) -> None:
        """In a forked child: drop the parent's connection, of which this is a copy."""
        self._transport.close()

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._turn()
            except Exception:
                # A bug of the client's own must not end the sending.
                self._notices.say("bug", "Burnline's sender failed and goes on", level=logging.ERROR)
                logging.getLogger("burnline").debug("Burnline's sender failed", exc_info=True)
                self._later(Later("It failed by itself."))
        self._transport.close()
        self._spool.release()

    def _turn(self) -> None:
        now = time.monotonic()
        if now < self._resume_at and not (self._hurried and not self._asked_to_wait):
            self._sleep(self._resume_at - now)
            return
        if now >= self._adopt_at:
            self._adopt_at = now + self._settings.adopt_seconds
            self._spool.adopt()
        batch = self._spool.next_batch()
        if batch is None:
            self._hurried = False
            self._gather_until = None
            self._sleep(self._adopt_at - now)
        elif batch.full or not batch.own or self._hurried or self._has_gathered(now):
            self._gather_until = None
            self._send(replace(batch, records=batch.records[: self._most]))
        else:
            self._sleep((self._gather_until or now) - now)

    def _has_gathered(self, now: float) -> bool:
        """Whether a batch that is not full has waited for its moment, which begins with the first call."""
        if self._gather_until is None:
            self._gather_until = now + self._settings.batch_seconds
        return now >= self._gather_until

    def _sleep(self, seconds: float) -> None:
        """Until the time is over or somebody has woken the thread; tokens of before are used up first."""
        try:
            self._wake.get(timeout=max(0.0, seconds))
            while True:
                self._wake.get_nowait()
        except Empty:
            pass

    def _send(self, batch: Batch) -> None:
        body = b"[%b]" % b",".join([record.line for record in batch.records])
        try:
            answer = self._transport.post(EVENTS, body)
        except (OSError, http.client.HTTPException) as error:
            self._later(Later(f"{type(error).__name__}: {error}"))
            return
        meaning = meaning_of(answer, len(batch.records))
        if isinstance(meaning, Apart) and len(batch.records) == 1:
            meaning = Taken(0, 0, (Rejection(0, meaning.code, meaning.detail),))
        if isinstance(meaning, Taken):
            self._settle(batch, meaning)
        elif isinstance(meaning, Apart):
            self._most = max(1, len(batch.records) // 2)
            self._gather_until = 0.0
        elif isinstance(meaning, Later):
            self._later(meaning)
        else:
            self._halt(meaning)

    def _settle(self, batch: Batch, taken: Taken) -> None:
        for rejection in taken.rejected:
            event = json.loads(batch.records[rejection.index].line)
            self._dead_letters.add(Notice(event.get("id"), rejection.code, rejection.detail, event))
        self._spool.settle(batch)
        self._tally.add(accepted=taken.accepted, duplicates=taken.duplicates, rejected=len(taken.rejected))
        if self.halted or self._failures:
            self._notices.say("again", "Burnline answers again.", level=logging.INFO)
        self.halted = ""
        self._failures = 0
        self._resume_at = 0.0
        self._most = min(self._most * 2, self._settings.batch_events)
        with self._answered:
            self._answered.notify_all()

    def _later(self, later: Later) -> None:
        shortest, longest = self._settings.retry_seconds
        wait = min(longest, shortest * 2.0 ** min(self._failures, 30)) * random.uniform(0.5, 1.0)
        self._failures += 1
        self._asked_to_wait = later.wait is not None
        wait = max(wait, min(later.wait or 0.0, WAIT_MAX_SECONDS))
        self._resume_at = time.monotonic() + wait
        self._hurried = False
        self._gather_until = 0.0
        self._tally.add(failures=1)
        self._notices.say(
            "later", "Burnline did not take events, the next try is in %.1f s: %s", wait, later.why
        )

    def _halt(self, halt: Halt) -> None:
        self.halted = halt.why
        self._asked_to_wait = False
        self._hurried = False
        self._gather_until = 0.0
        self._tally.add(failures=1)
        self._resume_at = time.monotonic() + self._settings.halted_seconds
        self._notices.say(
            "halt",
            "Burnline refuses this client, nothing is sent and everything stays in the spool: %s",
            halt.why,
            level=logging.CRITICAL,
        )
        with self._answered:
            self._answered.notify_all()


class Syncer:
    """The thread that makes the spool durable, a moment after it was written."""

    def __init__(self, spool: Spool, seconds: float) -> None:
        self._spool = spool
        self._seconds = seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="burnline-sync", daemon=True)

    def start(self) -> None:
        """Begin, once. Raises ``RuntimeError`` where the system gives no thread."""
        if self._thread.ident is None:
            self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._spool.dirty.put(None)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._spool.dirty.get()
            self._stopping.wait(self._seconds)
            self._spool.sync()
