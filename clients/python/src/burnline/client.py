"""The client: everything that a caller sees."""

import atexit
import logging
import os
import ssl
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any

from burnline.dead_letters import DeadLetters
from burnline.events import Unreadable, as_line, make_event
from burnline.notices import Notice, Notices, TrackError
from burnline.runs import Run
from burnline.sender import EVENTS, Sender, Syncer
from burnline.settings import Fsync, Settings
from burnline.spool import Spool
from burnline.tallies import Stats, Tally
from burnline.transport import Transport

_clients: "weakref.WeakSet[Client]" = weakref.WeakSet()
_forking: "list[Client]" = []


@dataclass(frozen=True)
class Check:
    """Whether the address and the key work, and what is wrong with them."""

    ok: bool
    detail: str


class Client:
    """Reports usage to Burnline from one process; safe for threads, asyncio and forks.

    Making one raises ``ValueError`` for settings that can never work, and nothing else here raises, unless
    ``raise_errors`` asks for it. The README tells what each setting does.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        spool: str | os.PathLike[str] | None = None,
        source: str = "api",
        batch_events: int = 500,
        batch_bytes: int = 1024 * 1024,
        batch_seconds: float = 0.5,
        fsync: Fsync = "interval",
        fsync_seconds: float = 1.0,
        spool_bytes: int = 1024 * 1024 * 1024,
        segment_bytes: int = 8 * 1024 * 1024,
        memory_events: int = 10_000,
        timeout: float = 30.0,
        retry_seconds: tuple[float, float] = (0.5, 60.0),
        halted_seconds: float = 300.0,
        adopt_seconds: float = 10.0,
        exit_seconds: float = 3.0,
        on_rejected: Callable[[Notice], object] | None = None,
        raise_errors: bool = False,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._settings = Settings(
            url=url,
            key=key,
            spool=_folder(spool),
            source=source,
            batch_events=batch_events,
            batch_bytes=batch_bytes,
            batch_seconds=batch_seconds,
            fsync=fsync,
            fsync_seconds=fsync_seconds,
            spool_bytes=spool_bytes,
            segment_bytes=segment_bytes,
            memory_events=memory_events,
            timeout=timeout,
            retry_seconds=retry_seconds,
            halted_seconds=halted_seconds,
            adopt_seconds=adopt_seconds,
            exit_seconds=exit_seconds,
            on_rejected=on_rejected,
            raise_errors=raise_errors,
            ssl_context=ssl_context,
        )
        self._begin()
        self._start()
        _clients.add(self)
        atexit.register(self.close)

    def track(
        self,
        *,
        customer: str | None = None,
        type: str = "llm.call",
        provider: str | None = None,
        model: str | None = None,
        usage: Any = None,
        response: Any = None,
        api: str | None = None,
        service_tier: str | None = None,
        quantity: int | float | Decimal | str | None = None,
        status: str | None = None,
        latency_ms: int | float | None = None,
        run: str | Mapping[str, Any] | None = None,
        properties: Mapping[str, Any] | None = None,
        time: datetime | str | float | None = None,
        id: str | None = None,
    ) -> str | None:
        """Keep one event on disk and return its id; it is sent in the background.

        ``response`` is what the provider's library returned (or a stream's last event, or a bare usage
        object); prompts and answers in it are left out. ``usage`` is in Burnline's own words. A property that
        cannot be written is left out; an event whose money cannot be told is refused: then None is returned,
        and ``on_rejected``, the log and ``rejected.jsonl`` tell why.
        """
        told = {
            "customer": customer,
            "type": type,
            "provider": provider,
            "model": model,
            "usage": usage,
            "response": response,
            "api": api,
            "service_tier": service_tier,
            "quantity": quantity,
            "status": status,
            "latency_ms": latency_ms,
            "run": run,
            "properties": properties,
            "time": time,
            "id": id,
        }
        try:
            return self._keep(told)
        except TrackError:
            raise
        except Exception as error:
            self._notices.say("bug", "Burnline's client failed: %r", error, level=logging.ERROR)
            if self._settings.raise_errors:
                raise TrackError(repr(error)) from error
            return None

    def run(
        self,
        id: str | None = None,
        *,
        customer: str | None = None,
        properties: Mapping[str, Any] | None = None,
    ) -> Run:
        """One agent's work: what is tracked through it is numbered by step."""
        return Run(self.track, id, customer, properties)

    def flush(self, timeout: float = 10.0) -> bool:
        """Send at once; whether everything tracked before has its answer in time. Blocks: not for an event loop."""
        try:
            return self._sender.flush(timeout)
        except Exception as error:
            self._notices.say("bug", "Burnline's client failed: %r", error, level=logging.ERROR)
            return False

    def close(self, timeout: float | None = None) -> bool:
        """Flush and end; whether all was sent. What was not stays in the spool for the next process.

        An event that is tracked afterwards is kept on disk alone.
        """
        atexit.unregister(self.close)
        seconds = self._settings.exit_seconds if timeout is None else timeout
        try:
            flushed = self._sender.flush(seconds)
            self._syncer.stop()
            # A request under way is not waited for long: its events stay in the spool and are sent again.
            if not self._sender.stop(min(max(seconds, 0.2), 1.0)):
                self._spool.sync()
            return flushed
        except Exception as error:
            self._notices.say("bug", "Burnline's client failed: %r", error, level=logging.ERROR)
            return False

    def check(self, timeout: float = 10.0) -> Check:
        """Ask the server whether it takes events with this key; nothing is stored. Blocks."""
        transport = Transport(self._settings.url, self._settings.key, timeout, self._settings.ssl_context)
        try:
            answer = transport.post(f"{EVENTS}?dry_run=true", b'{"id":"check","type":"check"}')
        except Exception as error:
            return Check(False, f"{self._settings.url} does not answer: {error!r}")
        finally:
            transport.close()
        # An operator's key must name a customer: to be told so is to be let in.
        if answer.status == 200 or answer.status == 422 and b'"customer"' in answer.body:
            return Check(True, "The server takes events with this key.")
        return Check(
            False, f"The server answered {answer.status}: {answer.body[:500].decode(errors='replace')}"
        )

    def stats(self) -> Stats:
        """What became of the events so far."""
        return Stats(
            **self._tally.read(),
            pending=self._spool.pending,
            in_memory=self._spool.in_memory,
            halted=self._sender.halted,
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _keep(self, told: dict[str, Any]) -> str | None:
        try:
            event, omitted = make_event(self._settings.source, told)
            line = as_line(event)
        except Unreadable as error:
            self._tally.add(refused=1)
            self._refuse("unreadable", str(error), error.kept, on_disk=True)
            return None
        if omitted:
            self._notices.say("omitted", "Left out of an event: %s", "; ".join(omitted))
            if self._settings.raise_errors:
                raise TrackError("; ".join(omitted))
        pending = self._spool.append(line)
        if not pending:
            self._tally.add(dropped=1)
            self._refuse("spool_full", "The spool has no room for it.", event, on_disk=False)
            return None
        self._tally.add(tracked=1)
        if not self._started:
            self._start()
        self._sender.tracked(pending)
        return str(event["id"])

    def _refuse(self, code: str, detail: str, event: dict[str, Any], *, on_disk: bool) -> None:
        notice = Notice(event.get("id"), code, detail, event)
        if on_disk:
            self._dead_letters.add(notice)
        else:
            self._notices.rejected(notice)
        if self._settings.raise_errors:
            raise TrackError(f"{code}: {detail}")

    def _begin(self) -> None:
        self._started = False
        # Reentrant: a signal handler may track just then.
        self._starting = threading.RLock()
        self._notices = Notices(self._settings.on_rejected)
        self._tally = Tally()
        self._spool = Spool(self._settings, self._notices, self._tally)
        self._dead_letters = DeadLetters(self._settings.spool, self._notices)
        self._sender = Sender(self._settings, self._spool, self._dead_letters, self._notices, self._tally)
        self._syncer = Syncer(self._spool, self._settings.fsync_seconds)

    def _start(self) -> None:
        """Start the threads, once; in a forked child with its first event.

        Where the system gives none, as at the end of the program, events are kept, and the next one tries again.
        """
        with self._starting:
            if self._started:
                return
            try:
                self._sender.start()
                if self._settings.spool is not None and self._settings.fsync == "interval":
                    self._syncer.start()
            except RuntimeError as error:
                self._notices.say("thread", "Burnline's client keeps events and sends none yet: %s", error)
                return
            self._started = True

    def _continue_in_child(self) -> None:
        """A forked child has the parent's files open, but not its threads: it begins anew, with files of its own."""
        self._sender.disconnect()
        self._spool.abandon()
        self._begin()


def _folder(spool: str | os.PathLike[str] | None) -> Path | None:
    try:
        return None if spool is None else Path(spool)
    except TypeError:
        raise ValueError("spool: write the name of a folder.") from None


def _before_fork() -> None:
    """No file may be half open in the child: wait until nobody is just tracking."""
    clients = list(_clients)
    for client in clients:
        client._spool.lock.acquire()
    _forking.extend(clients)


def _after_fork_in_parent() -> None:
    while _forking:
        _forking.pop()._spool.lock.release()


def _after_fork_in_child() -> None:
    while _forking:
        _forking.pop()._continue_in_child()


os.register_at_fork(
    before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
)
