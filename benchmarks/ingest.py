"""How fast events come in: durable and deduplicated over HTTP, beside raw COPY and beside an empty view.

Run by ``make bench``, or alone: ``python -m benchmarks.ingest``. It takes about a minute and a half.
"""

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.http_load import Load, post_request, run_load
from benchmarks.installation import Installation, running_installation

BATCH_SIZES = (1, 10, 100, 500)
CLIENTS = (1, 8, 32)
SECONDS = 5.0
BATCH_CLIENTS = 4
COPY_BATCH = 500


def main() -> None:
    """Measure and print."""
    with running_installation() as installation:
        print_report(installation)


def print_report(installation: Installation) -> None:
    """The two tables, against an installation that runs."""
    warm_up(installation)
    floor = copy_floor()
    print(f"raw COPY, {COPY_BATCH} rows a transaction, the same rows and tables: {floor:,.0f} events/s\n")
    print(f"{'batches over HTTP':<24}{'events/s':>12}{'× COPY':>9}{'p50 ms':>9}{'p99 ms':>9}")
    for size in BATCH_SIZES:
        load = measure_batches(installation, size)
        rate = load.per_second * size
        print(f"{f'{size} a batch':<24}{rate:>12,.0f}{rate / floor:>9.2f}{_latencies(load)}")
    print(f"\n{'single events over HTTP':<24}{'requests/s':>12}{'× empty':>9}{'p50 ms':>9}{'p99 ms':>9}")
    for clients in CLIENTS:
        empty = measure_empty_view(installation, clients)
        name = f"{clients} client{'s' if clients > 1 else ''}"
        print(f"{name + ', empty view':<24}{empty.per_second:>12,.0f}{'':>9}{_latencies(empty)}")
        for customers in sorted({1, clients}):
            load = measure_singles(installation, clients, customers)
            ratio = load.per_second / empty.per_second
            print(
                f"{f'{name}, {customers} cust.':<24}{load.per_second:>12,.0f}{ratio:>9.2f}{_latencies(load)}"
            )


def event(number: int, customer: str) -> dict[str, Any]:
    """One call of a model, as a product would report it."""
    return {
        "id": f"0192e4a1-7b3c-7000-8000-{number:012d}",
        "source": "api",
        "customer": customer,
        "type": "llm.call",
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "provider": "anthropic",
        "model": "claude-opus-4-5",
        "usage": {"input": 1200 + number % 977, "cache_read": 800, "output": 300 + number % 89},
        "status": "ok",
        "latency_ms": 812,
        "run": {"id": f"run-{number // 20}", "step": number % 20},
        "properties": {
            "feature": "chat",
            "user": f"u{number % 500}",
            "session": f"s{number // 10}",
            "team": "t1",
        },
    }


def copy_floor() -> float:
    """Events a second of COPY alone: lines made beforehand, one connection, a transaction for each 500."""
    from django.db import connection, transaction

    from core.clock import now
    from metering.content_hash import content_hash
    from metering.event_rows import COPY, copy_data, prepare_line
    from metering.formats.native import read_event

    customer_id, at = _customer("floor"), now()
    chunks = []
    for start in range(0, 40_000, COPY_BATCH):
        events = [read_event(event(start + n, "floor"), now=at) for n in range(COPY_BATCH)]
        lines = [
            prepare_line(customer_id, one, content_hash(one), recorded_at=at.isoformat()) for one in events
        ]
        chunks.append(copy_data(lines, first_seq=start + 1))
    stored, started_at = 0, time.perf_counter()
    for chunk in chunks:
        with transaction.atomic(), connection.cursor() as cursor, cursor.copy(COPY) as copy:
            copy.write(chunk)
        stored += COPY_BATCH
        if time.perf_counter() - started_at > SECONDS:
            break
    return stored / (time.perf_counter() - started_at)


def warm_up(installation: Installation) -> None:
    """Let every process import, connect and see the key before anything is measured."""
    run_load(installation.host, installation.port, _singles(installation, ["warm"]), clients=32, seconds=1.0)


def measure_batches(installation: Installation, size: int) -> Load:
    key = f"batches-{size}"
    _customer(key)
    # Bodies are written beforehand: the client must not take the processor that it measures.
    count = int(max(400, 200_000 / size)) if size < 100 else 1_200
    bodies = _requests(installation, "/v1/events", _batches(size, key), count)
    return _checked(
        run_load(installation.host, installation.port, bodies, clients=BATCH_CLIENTS, seconds=SECONDS)
    )


def measure_singles(installation: Installation, clients: int, customers: int) -> Load:
    keys = [f"singles-{clients}-{customers}-{number}" for number in range(customers)]
    requests = _singles(installation, keys)
    return _checked(
        run_load(installation.host, installation.port, requests, clients=clients, seconds=SECONDS)
    )


def measure_empty_view(installation: Installation, clients: int) -> Load:
    body = json.dumps(event(1, "nobody")).encode()
    request = post_request(installation.host, "/bench/empty", body, installation.api_key)
    return _checked(
        run_load(
            installation.host, installation.port, itertools.repeat(request), clients=clients, seconds=SECONDS
        )
    )


def _singles(installation: Installation, keys: list[str]) -> Iterator[bytes]:
    for key in keys:
        _customer(key)
    events = (event(number, keys[number % len(keys)]) for number in itertools.count())
    return _requests(installation, "/v1/events", events, 20_000)


def _batches(size: int, key: str) -> Iterator[list[dict[str, Any]]]:
    for first in itertools.count(0, size):
        yield [event(first + number, key) for number in range(size)]


def _requests(installation: Installation, path: str, bodies: Iterator[Any], count: int) -> Iterator[bytes]:
    """The first ``count`` requests are made at once, the rest as they are needed."""

    def request(body: Any) -> bytes:
        return post_request(installation.host, path, json.dumps(body).encode(), installation.api_key)

    ready = [request(next(bodies)) for _ in range(count)]
    return itertools.chain(ready, map(request, bodies))


def _customer(key: str) -> int:
    from core.clock import now
    from customers.customers import create_customer

    return create_customer(key=key, name=key, now=now()).id


def _checked(load: Load) -> Load:
    if load.failures:
        raise RuntimeError(f"{load.failures} of {load.requests} requests failed.")
    return load


def _latencies(load: Load) -> str:
    return f"{load.latency_ms(0.5):>9.1f}{load.latency_ms(0.99):>9.1f}"


if __name__ == "__main__":
    main()
