"""How fast events come in, durable and deduplicated: in batches beside raw COPY, as spans, one by one beside an empty view."""

import time
from collections.abc import Iterator

from benchmarks.http_load import Load, run_load
from benchmarks.installation import Installation, running_installation
from benchmarks.table import Line, Target, print_table
from benchmarks.workload import (
    batch_requests,
    customer_id_of,
    empty_requests,
    event,
    first_number,
    new_customer,
    single_requests,
    span_requests,
)

BATCH_SIZES = (1, 10, 100, 500)
SPANS = 200
CLIENTS = (1, 8, 32)
SECONDS = 2.0
BATCH_CLIENTS = 4
COPY_BATCH = 500
COPY_BATCHES = 60


def main(rounds: int = 5) -> bool:
    """Measure and print; whether every target was reached."""
    with running_installation() as installation:
        run_load(
            installation.host, installation.port, single_requests(installation, 1), clients=32, seconds=1.0
        )
        batches, singles = batch_lines(), single_lines()
        for _ in range(rounds):
            floor = copy_floor()
            for line, rate in zip(batches, batch_rates(installation), strict=True):
                line.values.append(rate)
                line.floors.append(floor)
            add_singles(installation, singles)
        held = print_table("batches, beside raw COPY", batches)
        return print_table("single events, beside an empty view", singles.values()) and held


def batch_lines() -> list[Line]:
    lines = [Line(f"{size} a batch") for size in BATCH_SIZES]
    lines.append(Line(f"   {BATCH_CLIENTS} customers", target=Target("ratio", 0.5)))
    return [*lines, Line(f"OTLP, {SPANS} spans an export", "spans/s")]


def batch_rates(installation: Installation, sizes: tuple[int, ...] = BATCH_SIZES) -> Iterator[float]:
    """Events a second for each size, of one customer; for the last size of several as well; and last spans a second.

    One customer's batches wait for each other, for it is in one order that they are stored; those of several do not.
    """
    for size in sizes:
        yield batch_rate(installation, [new_customer("batch")], size, ready=_ready(size))
    keys = [new_customer("batch") for _ in range(BATCH_CLIENTS)]
    yield batch_rate(installation, keys, sizes[-1], ready=_ready(sizes[-1]))
    requests = span_requests(installation, new_customer("spans"), SPANS, ready=150)
    yield load(installation, requests, BATCH_CLIENTS).per_second * SPANS


def _ready(size: int) -> int:
    """As many as are sent at most, so that none is made while the clock runs."""
    return min(4_000, 160_000 // size)


def batch_rate(installation: Installation, keys: list[str], size: int, *, ready: int) -> float:
    """Events a second in batches of that size, of these customers in turn."""
    requests = batch_requests(installation, keys, size, ready=ready)
    return load(installation, requests, BATCH_CLIENTS).per_second * size


def single_lines() -> dict[tuple[int, str], Line]:
    """By clients and kind: one customer's events, each client its own customer's, and the tails of one customer's."""
    lines: dict[tuple[int, str], Line] = {}
    for clients in CLIENTS:
        name = f"{clients} client{'s' if clients > 1 else ''}"
        lines[clients, "one"] = Line(name)
        lines[clients, "p50"] = Line("   p50", "ms")
        lines[clients, "p99"] = Line("   p99", "ms")
        if clients > 1:
            lines[clients, "many"] = Line(f"   {clients} customers")
    lines[32, "one"].target = Target("ratio", 0.5)
    lines[32, "p99"].target = Target("most", 50)
    return lines


def add_singles(installation: Installation, lines: dict[tuple[int, str], Line]) -> None:
    """One round of all of them."""
    for clients in CLIENTS:
        empty = load(installation, empty_requests(installation), clients)
        for kind, customers in (("one", 1), ("many", clients)):
            if (clients, kind) not in lines:
                continue
            stored = load(installation, single_requests(installation, customers), clients)
            lines[clients, kind].values.append(stored.per_second)
            lines[clients, kind].floors.append(empty.per_second)
            if kind == "one":
                for quantile, percent in ((0.5, "p50"), (0.99, "p99")):
                    lines[clients, percent].values.append(stored.latency_ms(quantile))
                    lines[clients, percent].floors.append(empty.latency_ms(quantile))


def load(
    installation: Installation, requests: Iterator[bytes], clients: int, *, seconds: float = SECONDS
) -> Load:
    """Keep so many clients busy. Raises ``RuntimeError`` where a request was refused: a refusal is no result."""
    done = run_load(installation.host, installation.port, requests, clients=clients, seconds=seconds)
    if done.failures:
        raise RuntimeError(f"{done.failures} of {done.requests} requests failed.")
    return done


def copy_floor(key: str = "") -> float:
    """Events a second of COPY alone: lines made beforehand, one connection, a transaction for each 500."""
    from django.db import connection, transaction

    from core.clock import now
    from metering.content_hash import write_event
    from metering.event_rows import COPY, copy_data, prepare_line
    from metering.formats.native import read_event

    key = key or new_customer("floor")
    customer_id, at = customer_id_of(key), now()
    chunks, number = [], first_number()
    for start in range(number, number + COPY_BATCHES * COPY_BATCH, COPY_BATCH):
        events = [read_event(event(start + n, key), now=at) for n in range(COPY_BATCH)]
        lines = [prepare_line(customer_id, write_event(one), recorded_at=at.isoformat()) for one in events]
        chunks.append(copy_data(lines, first_seq=start))
    stored, started_at = 0, time.perf_counter()
    for chunk in chunks:
        with transaction.atomic(), connection.cursor() as cursor, cursor.copy(COPY) as copy:
            copy.write(chunk)
        stored += COPY_BATCH
        if time.perf_counter() - started_at > SECONDS:
            break
    return stored / (time.perf_counter() - started_at)


if __name__ == "__main__":
    main()
