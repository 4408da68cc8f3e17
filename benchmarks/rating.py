"""Rating: stored events into buckets, and into credit draws, in events a second.

Run by ``make bench``; ``python -m benchmarks.rating --profile`` prints where the time goes.
"""

import cProfile
import pstats
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from benchmarks.installation import running_installation
from benchmarks.table import Line, Target, print_table
from benchmarks.workload import customer_id_of, event, first_number

EVENTS = 20_000
START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = START + timedelta(days=20)
USAGE: list[dict[str, object]] = [
    {"key": "in", "meter": "input", "model": "per_unit", "unit_price": "0.000004"},
    {"key": "out", "meter": "output", "model": "per_unit", "unit_price": "0.00002"},
]
OVERAGE: list[dict[str, object]] = [
    {"key": "over", "model": "credits", "burn_table": "standard", "unit_price": "0.01"}
]
PIPES: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
WORKER = """
import sys, django
django.setup()
from benchmarks.rating import NOW
from billing.rating import rate_pending
from pricing.price_book import current_book
current_book()
print("ready", flush=True)
sys.stdin.readline()
rate_pending(int(sys.argv[1]), now=NOW)
"""


def _customer(key: str, charges: list[dict[str, object]], **terms: object) -> int:
    from billing.recounts.recounting import start_and_count
    from billing.subscriptions.lifecycle import NewSubscription
    from customers.customers import create_customer
    from pricing.plan_terms import read_terms
    from pricing.plans import create_plan, publish_version

    customer = create_customer(key=key, name=key, now=START)
    body = {"key": key, "name": key, "fee": "0", "charges": charges, **terms}
    version = publish_version(create_plan(read_terms(body), now=START), now=START)
    start_and_count(NewSubscription(customer, version, key=key, starts_at=START), now=START)
    return customer.id


def _store(key: str, number: int) -> None:
    from metering.events import NewEvent, store_events

    models = ("claude-sonnet-4-5", "claude-haiku-4-5", "gpt-5")
    for first in range(0, EVENTS, 1_000):
        events = [
            NewEvent(
                id=f"{number}-{n}",
                source="bench",
                customer=key,
                type="llm.call",
                occurred_at=START + timedelta(seconds=40 * n),
                provider="anthropic",
                model=models[n % 3],
                usage={"input": Decimal(900 + n % 700), "output": Decimal(50 + n % 300)},
                properties={"feature": ("chat", "search", "agent")[n % 3]},
            )
            for n in range(first, first + 1_000)
        ]
        store_events(events, now=NOW)


def make_meters() -> None:
    """Input and output tokens, each counted by itself."""
    from metering.meters import create_meter, read_meter

    for key, value in (("input", "usage.input"), ("output", "usage.output")):
        meter = {"key": key, "event_type": "llm.call", "aggregation": "sum", "value": value}
        create_meter(read_meter(meter), now=START)


def _world() -> dict[str, tuple[str, int]]:
    """Meters, a burn table, and a customer for each kind: its key and id by what is measured."""
    from pricing.burn_tables import create_table

    make_meters()
    rates = [
        {"id": "in", "match": {"token_kind": "input"}, "credits": "1", "per": "1000"},
        {"id": "out", "match": {"token_kind": "output"}, "credits": "5", "per": "1000"},
    ]
    create_table("standard", "Standard", rates, now=START, effective_at=START)
    return {
        "usage charges": ("usage", _customer("usage", USAGE)),
        "credit draws": ("credits", _customer("credits", OVERAGE, credit_grants=[{"amount": "20000"}])),
    }


def main(rounds: int = 5) -> bool:
    """Measure and print; whether every target was reached."""
    with running_installation():
        customers = _world()
        lines = {name: Line(f"{name}, one process") for name in customers}
        lines["usage charges"].target = Target("least", 20_000)
        both = Line("credit draws, two processes", target=Target("least", 20_000))
        for number in range(rounds):
            for name, (key, customer_id) in customers.items():
                _store(key, number)
                lines[name].values.append(EVENTS / _rate(customer_id))
            both.values.append(_rate_at_once(number))
        return print_table("stored events to visible balance", [*lines.values(), both])


def _rate(customer_id: int, at: datetime | None = None) -> float:
    """Seconds that it takes to rate what waits; with ``--profile`` where they go is printed as well."""
    from billing.rating import rate_pending

    profiler = cProfile.Profile()
    rate = partial(rate_pending, customer_id, now=at or NOW)
    started_at = time.perf_counter()
    rated = profiler.runcall(rate) if "--profile" in sys.argv else rate()
    seconds = time.perf_counter() - started_at
    assert rated == EVENTS, f"{rated} events were rated, {EVENTS} stored"
    if "--profile" in sys.argv:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
    return seconds


def rate_of_new_events(key: str) -> float:
    """Events a second where the customer gets as many new events, on top of those that it has."""
    from django.db import connection

    from core.clock import now
    from metering.events import store_events
    from metering.formats.native import read_event

    customer_id, at = customer_id_of(key), now()
    with connection.cursor() as cursor:  # what loads stored before was not for rating
        cursor.execute(
            "UPDATE billing_ratingposition p SET rated_seq = s.last_seq FROM metering_eventstream s"
            " WHERE s.customer_id = p.customer_id AND p.customer_id = %s",
            [customer_id],
        )
    first = first_number()
    for start in range(0, EVENTS, 1_000):
        store_events([read_event(event(first + start + n, key), now=at) for n in range(1_000)], now=at)
    return EVENTS / _rate(customer_id, at)


def _rate_at_once(number: int) -> float:
    """Events a second where two job processes draw credits of a customer each."""
    keys = [f"together-{number}-{one}" for one in "ab"]
    ids = [_customer(key, OVERAGE, credit_grants=[{"amount": "20000"}]) for key in keys]
    for key in keys:
        _store(key, number)
    processes = [
        subprocess.Popen([sys.executable, "-W", "ignore", "-c", WORKER, str(customer_id)], **PIPES)
        for customer_id in ids
    ]
    for process in processes:  # each says that it is up, then waits for its word to go
        assert process.stdout is not None and process.stdout.readline()
    started_at = time.perf_counter()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
    return EVENTS * len(ids) / (time.perf_counter() - started_at)


if __name__ == "__main__":
    main(1 if "--profile" in sys.argv else 5)
