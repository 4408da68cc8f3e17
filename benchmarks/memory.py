"""The memory of one web process, watched for ten minutes under everything that is meant to make it grow.

Batches of 1,000, bodies of 5 MiB, exports of 8,000 spans, bombs of gzip and senders that never end: what a process holds at
once is bounded, so after the first minutes its memory is flat. Refusals are counted; what is neither taken nor refused is a
fault.
"""

import gzip
import itertools
import json
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from statistics import median

import psutil

from benchmarks.http_load import post_request
from benchmarks.installation import Installation, running_installation
from benchmarks.table import Line, Target, print_table
from benchmarks.workload import event, new_customer, span

MINUTES = float(os.environ.get("BENCH_MINUTES", "10"))
MIB = 1024 * 1024
BATCH_SENDERS, LARGE_SENDERS, EXPORTERS, BOMBERS, SLOW_SENDERS = 4, 6, 2, 2, 16
BOMB_BYTES = 200 * MIB
SPANS = 8_000
GROWTH_MAX = 1.10
HELD_MIB_MAX = 512
EXPECTED = {200, 413, 422, 429, 503}


def main() -> bool:
    """Watch and print; whether memory stayed flat and every answer was one that was meant."""
    with running_installation(web_workers=1) as installation:
        worker = psutil.Process(installation.web_pid).children()[0]
        told: Counter[str] = Counter()
        stop = threading.Event()
        senders = [
            threading.Thread(target=send, args=(installation, stop, told), daemon=True)
            for send, count in (
                (send_batches, BATCH_SENDERS),
                (send_large, LARGE_SENDERS),
                (send_exports, EXPORTERS),
                (send_bombs, BOMBERS),
                (send_slowly, SLOW_SENDERS),
            )
            for _ in range(count)
        ]
        idle = worker.memory_info().rss / MIB
        for sender in senders:
            sender.start()
        samples = watch(worker, stop, told)
    return report(idle, samples, told)


def watch(worker: psutil.Process, stop: threading.Event, told: Counter[str]) -> list[float]:
    """The worker's memory in MiB, once a second; each minute a line of what went on."""
    samples: list[float] = []
    ends_at = time.monotonic() + MINUTES * 60
    while time.monotonic() < ends_at:
        time.sleep(1)
        samples.append(worker.memory_info().rss / MIB)
        if len(samples) % 60 == 0:
            minute = samples[-60:]
            print(
                f"  minute {len(samples) // 60:>2}: {median(minute):6.0f} MiB, most {max(minute):.0f}; {dict(told)}",
                flush=True,
            )
    stop.set()
    return samples


def report(idle: float, samples: list[float], told: Counter[str]) -> bool:
    """The table; flat is the last third within a tenth of the second, which has had time to warm up."""
    third = len(samples) // 3
    before, after = median(samples[third : 2 * third]), median(samples[2 * third :])
    lines = [
        Line("before the load", "MiB", [idle]),
        Line("under load", "MiB", samples),
        Line("   at the most", "MiB", [max(samples)], target=Target("most", HELD_MIB_MAX)),
        Line("last third, to the one before", "×", [after / before], target=Target("most", GROWTH_MAX)),
        Line("answers that nobody meant", "", [float(told["unmeant"])], target=Target("most", 0)),
    ]
    return print_table(f"memory of a web process, {MINUTES:.0f} min", lines)


def send_batches(installation: Installation, stop: threading.Event, told: Counter[str]) -> None:
    """Batches of as many events as one may hold."""
    key, first = new_customer("batches"), itertools.count(0, 1_000)

    def body() -> bytes:
        start = next(first)
        return json.dumps([event(start + n, key) for n in range(1_000)]).encode()

    _send("batch", installation, stop, told, body)


def send_large(installation: Installation, stop: threading.Event, told: Counter[str]) -> None:
    """As many events as one batch may hold, as large as a body may be."""
    key, first = new_customer("large"), itertools.count(0, 1_000)
    padding = {f"p{n}": "x" * 95 for n in range(45)}

    def body() -> bytes:
        start = next(first)
        events = [event(start + n, key) | {"properties": padding} for n in range(1_000)]
        return json.dumps(events, separators=(",", ":")).encode()[: 5 * MIB]

    _send("large", installation, stop, told, body)


def send_exports(installation: Installation, stop: threading.Event, told: Counter[str]) -> None:
    """As many spans as a collector sends at once; one export is read at a time, the others wait or are told to come back."""
    key, first = new_customer("exports"), itertools.count(0, SPANS)

    def body() -> bytes:
        start = next(first)
        spans = [span(start + n, key) for n in range(SPANS)]
        return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()

    _send("export", installation, stop, told, body, path="/v1/traces")


def send_bombs(installation: Installation, stop: threading.Event, told: Counter[str]) -> None:
    """A few hundred kilobytes that would unpack to 200 MiB."""
    bomb = gzip.compress(b"[" + b" " * BOMB_BYTES, 1)
    _send("bomb", installation, stop, told, lambda: bomb, "Content-Encoding: gzip\r\n")


def _send(
    name: str,
    installation: Installation,
    stop: threading.Event,
    told: Counter[str],
    body: Callable[[], bytes],
    head: str = "",
    path: str = "/v1/events",
) -> None:
    while not stop.is_set():
        request = post_request(installation.host, path, body(), installation.api_key)
        request = request.replace(b"\r\n", b"\r\n" + head.encode(), 1)
        try:
            with socket.create_connection((installation.host, installation.port), timeout=60) as connection:
                connection.sendall(request)
                status = int(connection.recv(65_536)[9:12] or 0)
        except (OSError, ValueError):
            told[f"{name} cut off"] += 1
            told["unmeant"] += not stop.is_set()
            continue
        told[f"{name} {status}"] += 1
        told["unmeant"] += status not in EXPECTED


def send_slowly(installation: Installation, stop: threading.Event, told: Counter[str]) -> None:
    """A body that is told to be 5 MiB and comes a byte at a time."""
    head = post_request(installation.host, "/v1/events", b"", installation.api_key)
    head = head.replace(b"Content-Length: 0", f"Content-Length: {5 * MIB}".encode())
    while not stop.is_set():
        try:
            with socket.create_connection((installation.host, installation.port), timeout=5) as connection:
                connection.sendall(head)
                while not stop.wait(0.5):
                    connection.sendall(b" ")
        except OSError:
            told["slow cut off"] += 1


if __name__ == "__main__":
    main()
