"""What a client can be told, checked when it is made."""

import math
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from burnline.notices import Notice

VERSION = "0.1.0"
SERVER_BATCH_EVENTS = 1_000
SERVER_BODY_BYTES = 5 * 1024 * 1024
COUNT_MAX = 2**62
SECONDS_MAX = 1_000_000
PAUSE_SECONDS_MIN = 0.001

Fsync = Literal["always", "interval", "never"]


@dataclass(frozen=True)
class Settings:
    """Times in seconds, sizes in bytes. Raises ``ValueError`` for what could never work."""

    url: str
    key: str
    spool: Path | None
    source: str
    batch_events: int
    batch_bytes: int
    batch_seconds: float
    fsync: Fsync
    fsync_seconds: float
    spool_bytes: int
    segment_bytes: int
    memory_events: int
    timeout: float
    retry_seconds: tuple[float, float]
    halted_seconds: float
    adopt_seconds: float
    exit_seconds: float
    on_rejected: Callable[[Notice], object] | None
    raise_errors: bool
    ssl_context: ssl.SSLContext | None

    def __post_init__(self) -> None:
        if not is_address(self.url):
            raise ValueError(
                f"url: {self.url!r} is no address; write one such as https://billing.example.com."
            )
        if not is_name(self.key):
            raise ValueError("key: write the API key as it was shown, without blanks.")
        if not is_name(self.source):
            raise ValueError("source: write 1 to 255 printable ASCII characters, without blanks.")
        if self.fsync not in ("always", "interval", "never"):
            raise ValueError("fsync: write 'always', 'interval' or 'never'.")
        if self.spool is not None and "\0" in str(self.spool):
            raise ValueError("spool: write the name of a folder.")
        if self.on_rejected is not None and not callable(self.on_rejected):
            raise ValueError("on_rejected: write a function that takes a Notice.")
        self._check_counts()
        self._check_times()

    def _check_counts(self) -> None:
        for name, least, most in (
            ("batch_events", 1, SERVER_BATCH_EVENTS),
            ("batch_bytes", 1, SERVER_BODY_BYTES),
            ("spool_bytes", 1, COUNT_MAX),
            ("segment_bytes", 1, COUNT_MAX),
            ("memory_events", 0, COUNT_MAX),
        ):
            count = getattr(self, name)
            if not isinstance(count, int) or isinstance(count, bool) or not least <= count <= most:
                raise ValueError(f"{name}: write {least} to {most}.")

    def _check_times(self) -> None:
        """None of zero where a thread would spin, none so long that the system refuses to wait for it."""
        for name, least in (
            ("batch_seconds", 0),
            ("fsync_seconds", 0),
            ("exit_seconds", 0),
            ("timeout", PAUSE_SECONDS_MIN),
            ("halted_seconds", PAUSE_SECONDS_MIN),
            ("adopt_seconds", PAUSE_SECONDS_MIN),
        ):
            if not is_time(getattr(self, name), least):
                raise ValueError(f"{name}: write seconds from {least} to {SECONDS_MAX}.")
        pauses = self.retry_seconds
        if (
            not isinstance(pauses, tuple | list)
            or len(pauses) != 2
            or not all(is_time(pause, PAUSE_SECONDS_MIN) for pause in pauses)
        ):
            raise ValueError(f"retry_seconds: write two times from {PAUSE_SECONDS_MIN} to {SECONDS_MAX}.")


def is_address(url: object) -> bool:
    """Whether requests can be sent there."""
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
            return False
        return parts.port != 0 and bool(parts.hostname.encode("idna")) and not (parts.query or parts.fragment)
    except ValueError:  # of the port or of the name, too
        return False


def is_time(seconds: object, least: float) -> bool:
    """Whether it is a number of seconds that can be waited for."""
    return (
        isinstance(seconds, int | float)
        and not isinstance(seconds, bool)
        and math.isfinite(seconds)
        and least <= seconds <= SECONDS_MAX
    )


def is_name(text: object) -> bool:
    """Whether the server takes it as an id: 1 to 255 printable ASCII characters without blanks."""
    return (
        isinstance(text, str)
        and 0 < len(text) <= 255
        and text.isascii()
        and text.isprintable()
        and " " not in text
    )
