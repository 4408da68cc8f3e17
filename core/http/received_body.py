"""A request's body as the server received it, kept no longer than somebody reads it."""

from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class ReceivedBody:
    """The stream of a body of so many bytes; 0 where no length was told.

    It forgets the server's stream once it is read to its end, and is empty from then on.
    """

    def __init__(self, stream: BinaryIO, length: int) -> None:
        self._stream: BinaryIO | None = stream
        self._length = length
        self._read = 0

    def read(self, size: int) -> bytes:
        return self._piece(self._stream.read(size), size) if self._stream else b""

    def readline(self, size: int) -> bytes:
        # The server knows no longest line: what it gives may be longer, as every reader of lines must expect.
        return self._piece(self._stream.readline(size), 1) if self._stream else b""

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
