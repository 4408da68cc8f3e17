"""``rejected.jsonl`` in the spool: every event that will not be billed, and why, for a person to look at."""

import json
import os
from datetime import datetime, timezone
from pathlib import Path

from burnline.notices import Notice, Notices

NAME = "rejected.jsonl"
BYTES_MAX = 64 * 1024 * 1024
# The one call that a full disk fails or cuts short; tests of a full disk stand in its place.
write = os.write


class DeadLetters:
    """Lines of JSON: ``{"at", "id", "code", "detail", "event"}``. All processes append to one file."""

    def __init__(self, folder: Path | None, notices: Notices) -> None:
        self._path = None if folder is None else folder / NAME
        self._notices = notices

    def add(self, notice: Notice) -> None:
        """Keep it and tell of it. Whatever fails is logged."""
        try:
            self._write(notice)
        except (OSError, ValueError, TypeError) as error:
            self._notices.say("dead_letters", "A rejected event could not be kept: %s", error)
        self._notices.rejected(notice)

    def _write(self, notice: Notice) -> None:
        if self._path is None:
            return
        at = datetime.now(timezone.utc).isoformat(timespec="seconds")
        told = {
            "at": at,
            "id": notice.id,
            "code": notice.code,
            "detail": notice.detail,
            "event": notice.event,
        }
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        line = json.dumps(told).encode() + b"\n"
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size = os.fstat(file).st_size
            if size > BYTES_MAX:
                raise OSError(f"{self._path} has grown beyond {BYTES_MAX} bytes; look at it and move it away")
            if size and os.pread(file, 1, size - 1) != b"\n":
                line = b"\n" + line  # a full disk cut the one before off
            if write(file, line) < len(line):
                raise OSError(f"{self._path} took a part of it only: the disk is full")
        finally:
            os.close(file)
