"""A client that sends events until it is told to stop, and remembers exactly what it was promised."""

import threading
from datetime import timedelta
from http.client import HTTPException
from typing import Any

from tests.billing.world import START
from tests.faults.installation import Installation

BATCH, BATCH_AGAIN = 40, 1_000


def event(event_id: str, customer: str = "acme", output: int = 10) -> dict[str, Any]:
    time = START + timedelta(days=2, seconds=hash(event_id) % 86_400)
    plain = {"id": event_id, "source": "client", "customer": customer, "type": "llm.call"}
    return plain | {"time": time.isoformat(), "usage": {"output": output}}


class Client:
    """Some threads, each sending its own events one after another: batches and single ones in turns."""

    def __init__(self, installation: Installation, key: str, threads: int = 4) -> None:
        self._installation = installation
        self._key = key
        self.sent: list[list[dict[str, Any]]] = []
        self.acknowledged: set[str] = set()
        self.statuses: list[int] = []
        self._stop = threading.Event()
        self._guard = threading.Lock()
        self._threads = [threading.Thread(target=self._send, args=(n,), daemon=True) for n in range(threads)]

    def __enter__(self) -> "Client":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self, thread: int) -> None:
        turn = 0
        while not self._stop.is_set():
            turn += 1
            names = [f"t{thread}-{turn}-{n}" for n in range(BATCH if turn % 2 else 1)]
            events = [event(name) for name in names]
            with self._guard:
                self.sent.append(events)
            try:
                status, answer = self._installation.post(events if len(events) > 1 else events[0], self._key)
            except (OSError, HTTPException):  # no answer: nothing was promised
                self._stop.wait(0.05)
                continue
            assert status < 500 or status == 503, answer
            with self._guard:
                self.statuses.append(status)
                if status == 200:
                    self.acknowledged.update(names)

    def send_all_again(self) -> tuple[int, int]:
        """Every event once more, in large batches; how many were ``accepted`` and how many ``duplicates``."""
        accepted = duplicates = 0
        every = [one for events in self.sent for one in events]
        for first in range(0, len(every), BATCH_AGAIN):
            events = every[first : first + BATCH_AGAIN]
            status, answer = self._installation.post(events, self._key)
            assert status == 200, answer
            accepted += answer["accepted"]
            duplicates += answer["duplicates"]
        return accepted, duplicates
