"""One file of the spool: records appended by one process, read and sent by whoever holds its lock.

A record is a line: eight hexadecimal digits of CRC-32, a blank, the event as JSON in ASCII, a line feed. Beside the
file, ``.sent`` holds up to which byte the server has answered; when it is lost, events are sent again, and the
server counts each of them once.

The lock is ``flock`` on the file: the kernel drops it when the last process that has it open is gone, however
that ended.
"""

import fcntl
import os
import time
from binascii import crc32
from dataclasses import dataclass
from pathlib import Path

SUFFIX = ".events"
SENT_DIGITS = 20
HEAD_BYTES = 9
# The one call that a full disk fails; tests of a full disk stand in its place.
write = os.write


@dataclass(frozen=True)
class Record:
    """An event's JSON, and the byte of the file at which it ends."""

    line: bytes
    end: int


class Segment:
    """An open, locked file. ``size`` is where its whole records end, ``sent`` up to where they were answered."""

    def __init__(self, path: Path, file: int, size: int, sent: int) -> None:
        self.path = path
        self.size = size
        self.sent = sent
        self.sealed = False
        self.damaged = 0
        self._file = file

    @classmethod
    def create(cls, folder: Path) -> "Segment":
        """A new file that this process alone appends to. Raises ``OSError``."""
        while True:
            name = f"{time.time_ns():020d}-{os.getpid()}-{os.urandom(4).hex()}{SUFFIX}"
            file = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            try:
                locked = _locked(file, folder / name)
            except (
                OSError
            ):  # no locks on this disk: nothing may be left of the attempt, for there will be more
                os.close(file)
                (folder / name).unlink(missing_ok=True)
                raise
            if locked:
                return cls(folder / name, file, 0, 0)
            os.close(file)  # somebody took it for left behind, in the moment before it was locked

    @classmethod
    def adopt(cls, path: Path) -> "Segment | None":
        """The file of a process that is gone; None where one lives, or another has adopted it. Raises ``OSError``."""
        try:
            file = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            if _locked(file, path):
                segment = cls(path, file, os.fstat(file).st_size, _sent_of(path, file))
                segment.sealed = True
                return segment
        except OSError:
            os.close(file)
            raise
        os.close(file)
        return None

    def append(self, line: bytes) -> int:
        """Write one record, or nothing of it; the bytes it took. Raises ``OSError``."""
        record = b"%08x %b\n" % (crc32(line), line)
        try:
            written = write(self._file, record)
            while written < len(record):
                written += write(self._file, record[written:])
        except OSError:
            self.sealed = True  # part of the record may stand there
            os.ftruncate(self._file, self.size)
            self.sealed = False
            raise
        self.size += len(record)
        return len(record)

    def sync(self) -> None:
        """Return when the disk has what was appended. Raises ``OSError``."""
        os.fsync(self._file)

    def read(self, most_events: int, most_bytes: int, until: int) -> list[Record]:
        """The records after ``sent`` and before ``until``: at least one, if any is there, whatever its size."""
        while self.sent < until:
            chunk = self._chunk(most_bytes, until)
            records: list[Record] = []
            start = 0
            while len(records) < most_events and (end := chunk.find(b"\n", start)) >= 0:
                line = chunk[start:end]
                if _whole(line):
                    records.append(Record(line[HEAD_BYTES:], self.sent + end + 1))
                elif records:
                    break
                else:
                    self.damaged += 1
                start = end + 1
            if records:
                return records
            if start == 0:  # cut off by the end of its process
                self.damaged += 1
                start = until - self.sent
            self.answered(self.sent + start)
        return []

    def _chunk(self, most_bytes: int, until: int) -> bytes:
        """Bytes with at least one end of a line in them, where there is one."""
        while True:
            chunk = os.pread(self._file, min(most_bytes, until - self.sent), self.sent)
            if b"\n" in chunk or len(chunk) < most_bytes:
                return chunk
            most_bytes *= 2

    def answered(self, end: int) -> None:
        """Everything before this byte needs to be sent no more. Raises ``OSError``."""
        self.sent = end
        file = os.open(self.path.with_suffix(".sent"), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(file, b"%0*d" % (SENT_DIGITS, end), 0)
        finally:
            os.close(file)

    def remove(self) -> None:
        """Delete it, all of it being answered, and let go of it."""
        for path in (self.path.with_suffix(".sent"), self.path):
            path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of it: the lock goes with the last process that has it open."""
        os.close(self._file)


def _locked(file: int, path: Path) -> bool:
    """Whether the lock is ours, and the file still stands at its path."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(file), os.stat(path))
    except (BlockingIOError, FileNotFoundError):
        return False


def _sent_of(path: Path, file: int) -> int:
    """Up to where the note says that it was answered; zero where a record does not end there, for then it is damaged."""
    try:
        sent = int(path.with_suffix(".sent").read_bytes()[:SENT_DIGITS])
        return sent if sent > 0 and os.pread(file, 1, sent - 1) == b"\n" else 0
    except (OSError, ValueError, OverflowError):
        return 0


def _whole(line: bytes) -> bool:
    try:
        return int(line[:8], 16) == crc32(line[HEAD_BYTES:]) and line[8:HEAD_BYTES] == b" "
    except ValueError:
        return False
