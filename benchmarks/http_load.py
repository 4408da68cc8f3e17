"""Load over HTTP from one thread, so that the client takes as little of the machine as it can."""

import selectors
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

READ_BYTES = 65_536


@dataclass(frozen=True)
class Load:
    """What a run did. Latencies are in seconds, sorted."""

    requests: int
    failures: int
    seconds: float
    latencies: list[float]

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds

    def latency_ms(self, quantile: float) -> float:
        return 1000 * self.latencies[min(int(len(self.latencies) * quantile), len(self.latencies) - 1)]


class _Client:
    """One kept-alive connection with one request under way."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.sent_at = 0.0

    def send(self, request: bytes) -> None:
        self.received = b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def status(self) -> int | None:
        """Read what came; the answer's status once it is complete."""
        chunk = self.socket.recv(READ_BYTES)
        if not chunk:
            raise ConnectionError("The server closed the connection.")
        self.received += chunk
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return None
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line[:15].lower() == b"content-length:"), 0
        )
        return int(head[9:12]) if len(body) >= length else None


def post_request(host: str, path: str, body: bytes, api_key: str) -> bytes:
    """The bytes of one POST of JSON."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {api_key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def run_load(host: str, port: int, requests: Iterator[bytes], *, clients: int, seconds: float) -> Load:
    """Keep every client busy for that long, each with one request at a time."""
    selector = selectors.DefaultSelector()
    busy = [_Client(host, port) for _ in range(clients)]
    started_at = time.perf_counter()
    for client in busy:
        selector.register(client.socket, selectors.EVENT_READ, client)
        client.send(next(requests))
    latencies: list[float] = []
    failures, left = 0, clients
    while left:
        for key, _ in selector.select():
            client = key.data
            status = client.status()
            if status is None:
                continue
            ended_at = time.perf_counter()
            latencies.append(ended_at - client.sent_at)
            failures += status != 200
            if ended_at - started_at < seconds:
                client.send(next(requests))
            else:
                selector.unregister(client.socket)
                client.socket.close()
                left -= 1
    return Load(len(latencies), failures, time.perf_counter() - started_at, sorted(latencies))
