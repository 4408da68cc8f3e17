"""What was tracked and not yet answered: files of this process, files left behind by others, and, where the disk
refuses, memory.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from burnline.notices import Notices
from burnline.segments import SUFFIX, Record, Segment
from burnline.settings import Settings
from burnline.tallies import Tally

DISK_AGAIN_SECONDS = 1.0


@dataclass(frozen=True)
class Batch:
    """Events to be sent in one request.

    ``segment`` is None for those in memory; ``own``: tracked by this process; ``full``: no more would fit.
    """

    records: Sequence[Record]
    segment: Segment | None
    own: bool
    full: bool


class Spool:
    """``append`` is called by any thread, everything else by the sender's alone unless it says so."""

    def __init__(self, settings: Settings, notices: Notices, tally: Tally) -> None:
        self._settings = settings
        self._notices = notices
        self._tally = tally
        # Reentrant: a signal handler may track while its thread is tracking.
        self.lock = threading.RLock()
        # Held while files are synced or closed; taken before the other one, where both are.
        self._closing = threading.Lock()
        # Told once when there is something to sync.
        self.dirty: SimpleQueue[None] = SimpleQueue()
        self._own: list[Segment] = []
        self._adopted: list[Segment] = []
        self._memory: deque[bytes] = deque()
        self._turn = 0
        self._left_bytes = 0
        self._own_bytes = 0
        self._full = False
        self._disk_again = 0.0
        self._unsynced: list[Segment] = []
        self._filed = self._filed_settled = 0
        self._remembered = self._remembered_settled = 0

    # --- any thread -----------------------------------------------------------------------------------------

    def append(self, line: bytes) -> int:
        """Keep one event; how many of this process now wait. Zero: there is no room, and it is not kept."""
        with self.lock:
            if self._settings.spool is None:
                kept = self._keep_in_memory(line)
            elif self._left_bytes + self._own_bytes + len(line) > self._settings.spool_bytes:
                kept, self._full = False, True
            else:
                kept = self._keep_on_disk(self._settings.spool, line) or self._keep_in_memory(line)
            return self.pending if kept else 0

    @property
    def pending(self) -> int:
        """How many events of this process have no answer yet."""
        return self._filed - self._filed_settled + self._remembered - self._remembered_settled

    def mark(self) -> tuple[int, int]:
        """A point in time, for ``reached``: everything tracked up to now."""
        with self.lock:
            return self._filed, self._remembered

    def reached(self, mark: tuple[int, int]) -> bool:
        """Whether everything tracked before the mark has its answer."""
        return self._filed_settled >= mark[0] and self._remembered_settled >= mark[1]

    @property
    def in_memory(self) -> int:
        return len(self._memory)

    def sync(self) -> None:
        """Return when the disk has what was appended before the call; nobody who tracks waits for it."""
        with self._closing:
            with self.lock:
                unsynced, self._unsynced = self._unsynced, []
            for segment in unsynced:
                try:
                    segment.sync()
                except OSError as error:
                    self._notices.say("sync", "Burnline's spool could not be synced: %s", error)

    def _keep_on_disk(self, folder: Path, line: bytes) -> bool:
        now = time.monotonic()
        if now < self._disk_again:
            return False
        try:
            segment = self._writable(folder)
            self._own_bytes += segment.append(line)
            if self._settings.fsync == "always":
                segment.sync()
            elif segment not in self._unsynced:
                self._unsynced.append(segment)
                self.dirty.put(None)
        except OSError as error:
            self._disk_again = now + DISK_AGAIN_SECONDS
            self._notices.say("disk", "Burnline's spool cannot be written, events wait in memory: %s", error)
            return False
        self._filed += 1
        return True

    def _writable(self, folder: Path) -> Segment:
        current = self._own[-1] if self._own else None
        if current is not None and current.size >= self._settings.segment_bytes:
            current.sealed = True
        if current is None or current.sealed:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            current = Segment.create(folder)
            self._own.append(current)
            if self._settings.fsync != "never":
                _sync_folder(folder)
        return current

    def _keep_in_memory(self, line: bytes) -> bool:
        if len(self._memory) >= self._settings.memory_events:
            return False
        self._memory.append(line)
        self._remembered += 1
        return True

    # --- the sender -----------------------------------------------------------------------------------------

    def next_batch(self) -> Batch | None:
        """What is to be sent next: memory first, for it is most in danger; then the files in turns."""
        most, most_bytes = self._settings.batch_events, self._settings.batch_bytes
        if self._memory:
            waiting = len(self._memory)
            records = _first(self._memory, most, most_bytes)
            return Batch(records, None, own=True, full=len(records) == most or len(records) < waiting)
        with self.lock:
            sources = [(segment, segment.size, True) for segment in self._own]
        # Of its own files only the first, so that they are settled in order.
        sources = [source for source in sources if source[0].sent < source[1]][:1]
        sources += [(segment, segment.size, False) for segment in self._adopted[:1]]
        self._turn += 1
        for place in range(len(sources)):
            segment, until, own = sources[(self._turn + place) % len(sources)]
            damaged = segment.damaged
            try:
                records = segment.read(most, most_bytes, until)
            except OSError as error:
                self._notices.say("read", "Burnline's spool cannot be read: %s", error)
                if not own:
                    self._adopted.append(self._adopted.pop(0))  # it must not stand before the others
                continue
            lost = segment.damaged - damaged
            self._tally.add(unreadable_records=lost)
            self._filed_settled += lost if own else 0
            if records:
                return Batch(records, segment, own, full=len(records) == most or records[-1].end < until)
            self._drop_answered()
        return None

    def settle(self, batch: Batch) -> None:
        """Every event of the batch has its answer."""
        count = len(batch.records)
        if batch.segment is None:
            for _ in range(count):
                self._memory.popleft()
            self._remembered_settled += count
            return
        try:
            batch.segment.answered(batch.records[-1].end)
        except OSError as error:
            self._notices.say("sent", "What was sent cannot be noted, it may be sent twice: %s", error)
        self._filed_settled += count if batch.own else 0
        self._drop_answered()

    def adopt(self) -> None:
        """Take over the files of processes that are gone, and see how full the folder is."""
        folder = self._settings.spool
        if folder is None or not folder.is_dir():
            return
        with self.lock:
            ours = {segment.path for segment in (*self._own, *self._adopted)}
        left = 0
        try:
            for path in sorted(folder.glob(f"*{SUFFIX}")):
                left += 0 if path in ours or self._takes_over(path) else _size(path)
        except OSError as error:
            self._notices.say("adopt", "Burnline's spool cannot be looked through: %s", error)
        self._drop_answered()
        with self.lock:
            self._left_bytes = left + sum(segment.size for segment in self._adopted)
            self._own_bytes = sum(segment.size for segment in self._own)

    def _takes_over(self, path: Path) -> bool:
        """Whether the file is this process's now. One that cannot be opened, another user's, holds up no other."""
        try:
            segment = Segment.adopt(path)
        except OSError as error:
            self._notices.say("adopt", "A file left in Burnline's spool cannot be taken over: %s", error)
            return False
        if segment is not None:
            self._adopted.append(segment)
            self._tally.add(adopted=1)
        return segment is not None

    def _drop_answered(self) -> None:
        """Delete the files of which everything is answered; the one that is written to, if room is needed."""
        with self.lock:
            if self._full and self._own:
                self._own[-1].sealed = True  # the next event opens another
                self._full = False
            done = [s for s in (*self._own, *self._adopted) if s.sealed and s.sent >= s.size]
        self._remove(done)

    def _remove(self, done: list[Segment]) -> None:
        with self._closing:
            for segment in done:
                with self.lock:
                    for mine in (self._own, self._adopted, self._unsynced):
                        if segment in mine:
                            mine.remove(segment)
                try:
                    segment.remove()
                except OSError as error:
                    self._notices.say("remove", "An answered file of Burnline's spool stays: %s", error)
        with self.lock:
            self._own_bytes = sum(segment.size for segment in self._own)

    # --- the end --------------------------------------------------------------------------------------------

    def release(self) -> None:
        """Let go of all files, for whoever comes next; what only memory had is written down, if that works now."""
        with self.lock:
            self._disk_again = 0.0
            while self._memory and self._settings.spool is not None:
                if not self._keep_on_disk(self._settings.spool, self._memory[0]):
                    break
                self._memory.popleft()
                self._remembered_settled += 1
            lost = len(self._memory)
        if lost:
            self._notices.say("lost", "%d events could be neither sent nor kept on disk.", lost)
        if self._settings.fsync != "never":
            self.sync()
        with self.lock:
            done = [s for s in (*self._own, *self._adopted) if s.sent >= s.size]
        self._remove(done)
        with self._closing, self.lock:
            self.abandon()

    def abandon(self) -> None:
        """Close all files without a word. In a forked child they are, and stay, the parent's."""
        for segment in (*self._own, *self._adopted):
            segment.close()
        self._own, self._adopted, self._unsynced = [], [], []


def _first(lines: deque[bytes], most_events: int, most_bytes: int) -> list[Record]:
    records: list[Record] = []
    total = 0
    # Only the sender takes from the left, and the ends of a deque may grow meanwhile.
    for place in range(min(len(lines), most_events)):
        total += len(lines[place])
        if records and total > most_bytes:
            break
        records.append(Record(lines[place], 0))
    return records


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
