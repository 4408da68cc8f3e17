"""Posting events in batches: paced as they were recorded, and tried again while the server is busy or away."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Self
from urllib.parse import urlsplit

from config.replay.traces import Call

BATCH_EVENTS = 500
TRIES_MAX = 8
PAUSE_SECONDS_FIRST = 0.5
PAUSE_SECONDS_MAX = 30.0
ANSWER_TIMEOUT_SECONDS = 60.0
BUSY = frozenset({429, 502, 503, 504})
REFUSALS_SHOWN = 3


class SendingError(Exception):
    """The server refused in a way that another try cannot mend, or stayed away."""


@dataclass
class Summary:
    """What became of the events, and why some were refused."""

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    reasons: list[str] = field(default_factory=list)

    @property
    def sent(self) -> int:
        return self.accepted + self.duplicates + self.rejected

    def add(self, answer: dict[str, Any]) -> None:
        refused = answer.get("rejected", [])
        self.accepted += answer.get("accepted", 0)
        self.duplicates += answer.get("duplicates", 0)
        self.rejected += len(refused)
        shown = refused[: REFUSALS_SHOWN - len(self.reasons)]
        self.reasons += [f"{one.get('id')}: {one.get('detail')}" for one in shown]


class Door:
    """``POST /v1/events`` of one Burnline, over one connection that is opened again when it breaks."""

    def __init__(self, url: str, api_key: str, sleep: Callable[[float], None] = time.sleep) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SendingError(f"{url!r} is no address; write one such as http://localhost:8000.")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=ANSWER_TIMEOUT_SECONDS)
        self._path = f"{parts.path.rstrip('/')}/v1/events"
        self._headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._connection.close()

    def send(self, events: list[dict[str, Any]]) -> dict[str, Any]:
        """The server's answer for each event. Sending a batch again is safe: what it has is a duplicate.

        Raises ``SendingError``.
        """
        body = json.dumps({"events": events})
        pause_seconds, reason = PAUSE_SECONDS_FIRST, ""
        for _ in range(TRIES_MAX):
            wished_seconds = 0.0
            try:
                status, answer, wished_seconds = self._post(body)
            except (OSError, HTTPException) as error:
                self._connection.close()
                status, answer, reason = 0, {}, f"{type(error).__name__}: {error}"
            if status == 200 or (status == 422 and "rejected" in answer):
                return answer
            if status and status not in BUSY:
                detail = answer.get("detail") or answer.get("title") or "no reason given"
                raise SendingError(f"The server answered {status}: {detail}")
            reason = f"it answers {status}" if status else reason
            self._sleep(max(pause_seconds, wished_seconds))
            pause_seconds = min(2 * pause_seconds, PAUSE_SECONDS_MAX)
        raise SendingError(f"The server cannot be reached after {TRIES_MAX} tries: {reason}.")

    def _post(self, body: str) -> tuple[int, dict[str, Any], float]:
        self._connection.request("POST", self._path, body, self._headers)
        response = self._connection.getresponse()
        text = response.read()
        try:
            answer = json.loads(text)
        except ValueError:
            answer = {}
        wished = response.headers.get("Retry-After", "")
        return (
            response.status,
            answer if isinstance(answer, dict) else {},
            float(wished) if wished.isdigit() else 0.0,
        )


def batches(
    calls: Iterable[Call],
    speed: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[list[Call]]:
    """The calls in batches, each given out when its time has come: ``speed`` times as fast as recorded, 0 without waiting."""
    started, waiting = clock(), list[Call]()
    for call in calls:
        ahead = call.after.total_seconds() / speed - (clock() - started) if speed else 0.0
        if ahead > 0:
            if waiting:
                yield waiting
                waiting = []
            sleep(max(0.0, call.after.total_seconds() / speed - (clock() - started)))
        waiting.append(call)
        if len(waiting) == BATCH_EVENTS:
            yield waiting
            waiting = []
    if waiting:
        yield waiting
