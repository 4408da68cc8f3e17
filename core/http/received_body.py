"""A request's body as the server receives it: waited for with little in hand, and kept no longer than somebody reads it."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from django.conf import settings
from django.db import connection

from core import limits
from core.problems import Unavailable

# Whoever sends slowly holds a thread until the last byte: the server below has no deadline for a body, and a read of it
# cannot be broken off. A quarter of the threads is kept from bodies, so that pages and health checks are answered.
_readers = threading.BoundedSemaphore(max(1, settings.WEB_THREADS * 3 // 4))

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class ReceivedBody:
    """The stream of a body of so many bytes; 0 where no length was told.

    It forgets the server's stream once it is read to its end, and is empty from then on. Reading raises ``Unavailable``
    while too many bodies are being received.
    """

    def __init__(self, stream: BinaryIO, length: int) -> None:
        self._stream: BinaryIO | None = stream
        self._length = length
        self._read = 0

    def read(self, size: int) -> bytes:
        if self._stream is None:
            return b""
        with _receiving():
            return self._piece(self._stream.read(size), size)

    def readline(self, size: int) -> bytes:
        if self._stream is None:
            return b""
        with _receiving():
            return self._piece(self._stream.readline(size), 1)

    def let_go(self) -> None:
        self._stream = None

    def _piece(self, piece: bytes, wanted: int) -> bytes:
        self._read += len(piece)
        if len(piece) < wanted or self._read == self._length:
            self.let_go()
        return piece


def letting_go_of_bodies(application: Application) -> Application:
    """The application, with nothing of a body left in memory once it is read, or its request answered.

    The server holds a body for as long as its stream lives. Django ties every request into cycles (its user, its
    messages), so that would be until the garbage collector comes by, and the collector counts objects, not their
    megabytes.
    """

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = ReceivedBody(environ["wsgi.input"], int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = body
        try:
            return application(environ, start_response)
        finally:
            body.let_go()

    return answer


@contextmanager
def _receiving() -> Iterator[None]:
    # Who was asked for a key has a database connection in hand, and there are fewer of these than threads.
    if not connection.in_atomic_block:
        connection.close()
    if not _readers.acquire(timeout=limits.BODY_WAITS_SECONDS_MAX):
        raise Unavailable("Too many bodies are being received; send this one again shortly.")
    try:
        yield
    finally:
        _readers.release()
