"""Telling people what went wrong, without ever getting in the caller's way."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

log = logging.getLogger("burnline")
QUIET_SECONDS = 30.0


@dataclass(frozen=True)
class Notice:
    """One event that will not be billed: its id where it has one, why, and what is left of it.

    ``code`` is the server's (``conflict``, ``required``, ``too_old``, ...), or one of the client's own:
    ``unreadable`` (its fields cannot be written as JSON), ``spool_full``.
    """

    id: str | None
    code: str
    detail: str
    event: dict[str, Any]


class TrackError(Exception):
    """Raised by ``track()`` with ``raise_errors=True`` alone."""


class Notices:
    """The log and the callback. The same kind of message is logged once in half a minute."""

    def __init__(self, callback: Callable[[Notice], object] | None) -> None:
        self._callback = callback
        self._said: dict[str, float] = {}

    def say(self, kind: str, message: str, *args: object, level: int = logging.WARNING) -> None:
        now = time.monotonic()
        if now - self._said.get(kind, -QUIET_SECONDS) < QUIET_SECONDS:
            return
        self._said[kind] = now
        try:
            log.log(level, message, *args)
        except Exception:
            pass  # a filter of the program's own failed, in which nobody can be told

    def rejected(self, notice: Notice) -> None:
        self.say(
            f"rejected:{notice.code}",
            "Burnline will not bill the event %s: %s (%s). More with this code are not logged for %d s.",
            notice.id,
            notice.detail,
            notice.code,
            QUIET_SECONDS,
            level=logging.ERROR,
        )
        if self._callback is None:
            return
        try:
            self._callback(notice)
        except (Exception, SystemExit) as error:
            self.say("callback", "on_rejected failed: %r", error, level=logging.ERROR)
