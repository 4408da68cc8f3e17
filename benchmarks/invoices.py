"""An invoice run: periods that have ended, closed and invoiced by two job processes, after few events and after many.

Every invoice is a draft first and final after its grace, as in production. What is measured is the run of fewer customers than
the design's 10,000, told as what 10,000 would take at that rate.
"""

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from benchmarks.installation import running_installation
from benchmarks.rating import START, make_meters
from benchmarks.table import Line, Target, print_table

CUSTOMERS = 100
FEW, MANY = 20, 400
PROCESSES = 2
RUN_OF = 10_000
MONTHS = [datetime(2026, month, 1, tzinfo=UTC) for month in range(1, 8)]
CHARGES: list[dict[str, object]] = [
    {"key": "in", "meter": "input", "model": "per_unit", "unit_price": "0.000004", "included": "1000"},
    {
        "key": "out",
        "meter": "output",
        "model": "graduated",
        "tiers": [{"up_to": "10000", "unit_price": "0.00002"}, {"up_to": None, "unit_price": "0.00001"}],
    },
    {"key": "packs", "meter": "output", "model": "package", "package_size": "1000", "package_price": "0.01"},
    {"key": "least", "meter": "input", "model": "per_unit", "unit_price": "0.000001", "minimum": "2"},
    {"key": "seat", "model": "flat", "amount": "5"},
]
PIPES: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
WORKER = """
import sys, django
django.setup()
from datetime import datetime
from core.due_work import run_due
print("ready", flush=True)
for line in sys.stdin:
    while run_due(datetime.fromisoformat(line.strip())): pass
    print("done", flush=True)
"""


def main(rounds: int = 3) -> bool:
    """Measure and print; whether every target was reached."""
    few = Line(f"{RUN_OF:,} invoices, {FEW} events each", "s", target=Target("most", 60))
    many = Line(f"   the same, {MANY} events each", "s")
    with running_installation():
        keys = _customers()
        workers = [_worker() for _ in range(PROCESSES)]
        months = iter(zip(MONTHS, MONTHS[1:], strict=False))
        for _ in range(rounds):
            for line, events in ((few, FEW), (many, MANY)):
                start, end = next(months)
                _use(keys, events, start, end)
                line.values.append(_run(workers, end) * RUN_OF / CUSTOMERS)
            many.floors.append(few.values[-1])
        for worker in workers:
            worker.communicate()
        _check_invoices(2 * rounds)
    return print_table(f"an invoice run, by {CUSTOMERS} customers", [few, many])


def _customers() -> dict[str, int]:
    """Customers who have the same plan since its start: their ids by their keys."""
    from billing.recounts.recounting import start_and_count
    from billing.subscriptions.lifecycle import NewSubscription
    from customers.customers import create_customer
    from pricing.plan_terms import read_terms
    from pricing.plans import create_plan, publish_version

    make_meters()
    terms = {"key": "plan", "name": "Plan", "fee": "20", "charges": CHARGES}
    version = publish_version(create_plan(read_terms(terms), now=START), now=START)
    ids = {}
    for n in range(CUSTOMERS):
        customer = create_customer(key=f"c{n}", name=f"c{n}", now=START)
        start_and_count(NewSubscription(customer, version, key=customer.key, starts_at=START), now=START)
        ids[customer.key] = customer.id
    return ids


def _use(keys: dict[str, int], events: int, start: datetime, end: datetime) -> None:
    """So many events of each customer in that time, rated as they would be long before it ends."""
    from billing.rating import rate_pending
    from core.due_work import run_due
    from metering.events import NewEvent, store_events

    now = end - timedelta(hours=1)
    step = (now - start) / events
    for key, customer_id in keys.items():
        told = [
            NewEvent(
                id=f"{start:%m}-{n}",
                source="bench",
                customer=key,
                type="llm.call",
                occurred_at=start + n * step,
                provider="anthropic",
                model="claude-sonnet-4-5",
                usage={"input": Decimal(900 + n % 700), "output": Decimal(50 + n % 300)},
            )
            for n in range(events)
        ]
        store_events(told, now=now)
        rate_pending(customer_id, now=now)
    while run_due(now):
        pass


def _worker() -> "subprocess.Popen[bytes]":
    worker = subprocess.Popen([sys.executable, "-W", "ignore", "-c", WORKER], **PIPES)
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"ready\n"
    return worker


def _run(workers: "list[subprocess.Popen[bytes]]", end: datetime) -> float:
    """Seconds from the end of a period until its invoices are final, the hours of grace left out."""
    from django.conf import settings

    seconds = 0.0
    for at in (end, end + timedelta(hours=settings.INVOICE_GRACE_HOURS)):
        started_at = time.perf_counter()
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write(f"{(at + timedelta(seconds=1)).isoformat()}\n".encode())
            worker.stdin.flush()
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"done\n"
        seconds += time.perf_counter() - started_at
    return seconds


def _check_invoices(months: int) -> None:
    """A run that bills nobody measures nothing."""
    from billing.models import Invoice

    final = Invoice.objects.filter(status="finalized", total_minor__gt=0).count()
    assert final >= CUSTOMERS * months, f"{final} invoices are final of {CUSTOMERS * months}"


if __name__ == "__main__":
    main()
