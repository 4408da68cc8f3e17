"""Requests to the server over one kept connection; used by the sender's thread alone."""

import http.client
import ssl
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from burnline.settings import VERSION

ANSWER_BYTES_MAX = 4 * 1024 * 1024
STALE = (http.client.RemoteDisconnected, ConnectionError)


@dataclass(frozen=True)
class Answer:
    """What the server said; ``wait`` seconds as ``Retry-After`` asks."""

    status: int
    body: bytes
    wait: float | None = None


class Transport:
    """Raises ``OSError`` or ``http.client.HTTPException`` when there is no answer."""

    def __init__(self, url: str, key: str, timeout: float, ssl_context: ssl.SSLContext | None) -> None:
        self._url = urlsplit(url)
        self._timeout = timeout
        self._ssl = ssl_context
        self._headers = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "User-Agent": f"burnline-python/{VERSION}",
        }
        self._connection: http.client.HTTPConnection | None = None

    def post(self, path: str, body: bytes) -> Answer:
        """One request; a kept connection that the server has closed meanwhile is opened again."""
        if self._connection is not None:
            try:
                return self._ask(self._connection, path, body)
            except STALE:
                self.close()
            except BaseException:
                self.close()
                raise
        connection = self._connection = self._open()
        try:
            return self._ask(connection, path, body)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> http.client.HTTPConnection:
        host = self._url.hostname or ""
        if self._url.scheme == "https":
            context = self._ssl or ssl.create_default_context()
            return http.client.HTTPSConnection(host, self._url.port, timeout=self._timeout, context=context)
        return http.client.HTTPConnection(host, self._url.port, timeout=self._timeout)

    def _ask(self, connection: http.client.HTTPConnection, path: str, body: bytes) -> Answer:
        connection.request("POST", self._url.path.rstrip("/") + path, body, self._headers)
        response = connection.getresponse()
        answer = response.read(ANSWER_BYTES_MAX)
        if not response.isclosed() or response.will_close:
            self.close()
        return Answer(response.status, answer, _seconds(response.getheader("Retry-After")))


def _seconds(told: str | None) -> float | None:
    if not told:
        return None
    if told.strip().isdecimal():
        return float(told)
    try:
        at = parsedate_to_datetime(told)
    except (ValueError, TypeError):
        return None
    return max(0.0, (at.astimezone(timezone.utc) - datetime.now(timezone.utc)).total_seconds())
