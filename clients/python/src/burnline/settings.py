"""What a client can be told, checked when it is made."""

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
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(
                f"url: {self.url!r} is no address; write one such as https://billing.example.com."
            )
        if not is_name(self.key):
            raise ValueError("key: write the API key as it was shown, without blanks.")
        if not is_name(self.source):
            raise ValueError("source: write 1 to 255 printable ASCII characters, without blanks.")
        if self.fsync not in ("always", "interval", "never"):
            raise ValueError("fsync: write 'always', 'interval' or 'never'.")
        if not 1 <= self.batch_events <= SERVER_BATCH_EVENTS:
            raise ValueError(f"batch_events: write 1 to {SERVER_BATCH_EVENTS}.")
        if not 1 <= self.batch_bytes <= SERVER_BODY_BYTES:
            raise ValueError(f"batch_bytes: write 1 to {SERVER_BODY_BYTES}.")


def is_name(text: object) -> bool:
    """Whether the server takes it as an id: 1 to 255 printable ASCII characters without blanks."""
    return (
        isinstance(text, str)
        and 0 < len(text) <= 255
        and text.isascii()
        and text.isprintable()
        and " " not in text
    )
