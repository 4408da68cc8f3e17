"""Rating: stored events into buckets, and into credit draws, in events a second, with the profile on request.

Run by ``make bench``; ``python -m benchmarks.rating --profile`` prints where the time goes.
"""

import cProfile
import pstats
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

from benchmarks.installation import running_installation

EVENTS = 20_000
START = datetime(2026, 1, 1, tzinfo=UTC)


def _customer(key: str, charges: list[dict[str, object]], **terms: object) -> int:
    from billing.recounting import start_and_count
    from billing.subscriptions import NewSubscription
    from customers.customers import create_customer
    from pricing.plan_terms import read_terms
    from pricing.plans import create_plan, publish_version

    customer = create_customer(key=key, name=key, now=START)
    body = {"key": key, "name": key, "fee": "0", "charges": charges, **terms}
    version = publish_version(create_plan(read_terms(body), now=START), now=START)
    start_and_count(NewSubscription(customer, version, key=key, starts_at=START), now=START)
    return customer.id


def _store(key: str) -> None:
    from metering.events import NewEvent, store_events

    models = ("claude-sonnet-4-5", "claude-haiku-4-5", "gpt-5")
    for first in range(0, EVENTS, 1_000):
        events = [
            NewEvent(
                id=f"{key}-{n}",
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
        store_events(events, now=START + timedelta(days=20))


def _world() -> dict[str, int]:
    from metering.meters import create_meter, read_meter
    from pricing.burn_tables import create_table

    for key, value in (("input", "usage.input"), ("output", "usage.output")):
        meter = {"key": key, "event_type": "llm.call", "aggregation": "sum", "value": value}
        create_meter(read_meter(meter), now=START)
    rates = [
        {"id": "in", "match": {"token_kind": "input"}, "credits": "1", "per": "1000"},
        {"id": "out", "match": {"token_kind": "output"}, "credits": "5", "per": "1000"},
    ]
    create_table("standard", "Standard", rates, now=START, effective_at=START)
    usage: list[dict[str, object]] = [
        {"key": "in", "meter": "input", "model": "per_unit", "unit_price": "0.000004"},
        {"key": "out", "meter": "output", "model": "per_unit", "unit_price": "0.00002"},
    ]
    overage: list[dict[str, object]] = [
        {"key": "over", "model": "credits", "burn_table": "standard", "unit_price": "0.01"}
    ]
    return {
        "usage charges": _customer("usage", usage),
        "credit draws": _customer("credits", overage, credit_grants=[{"amount": "20000"}]),
    }


def _timed(name: str, rate: Callable[[], int], profile: bool) -> None:
    profiler = cProfile.Profile()
    started = time.perf_counter()
    rated = profiler.runcall(rate) if profile else rate()
    seconds = time.perf_counter() - started
    print(f"  {name:<16} {rated:>7,} events  {rated / seconds:>9,.0f} events/s")
    if profile:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


def main() -> None:
    """Print the table."""
    profile = "--profile" in sys.argv
    with running_installation():
        from billing.rating import rate_pending

        customers = _world()
        print("rating stored events (one process)")
        for name, customer_id in customers.items():
            _store("usage" if name == "usage charges" else "credits")
            _timed(name, partial(rate_pending, customer_id, now=START + timedelta(days=20)), profile)


if __name__ == "__main__":
    main()
