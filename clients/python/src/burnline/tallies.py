"""What became of the events of this process, in numbers."""

import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Stats:
    """Counts since this process began to use the client.

    ``tracked`` events were taken by ``track()``. ``accepted``, ``duplicates`` and ``rejected`` are the
    server's answers, also for events that another process had left behind, of which there were ``adopted``
    files. ``pending`` events of this process wait for an answer. ``refused`` could not be written as JSON,
    ``dropped`` found the spool full; ``in_memory`` wait beside a spool that could not be written.
    ``unreadable_records`` were cut off or damaged in the spool. ``failures`` are requests without a usable
    answer. ``halted`` says why nothing is sent, empty when all is well.
    """

    tracked: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    pending: int = 0
    refused: int = 0
    dropped: int = 0
    in_memory: int = 0
    adopted: int = 0
    unreadable_records: int = 0
    failures: int = 0
    halted: str = ""


class Tally:
    """Counts that several threads add to."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        # Reentrant: a signal handler may track, too.
        self._lock = threading.RLock()

    def add(self, **more: int) -> None:
        with self._lock:
            for name, number in more.items():
                self._counts[name] = self._counts.get(name, 0) + number

    def read(self) -> dict[str, int]:
        with self._lock:
            return dict(self._counts)
