"""The job worker dies while it rates; the next one, or the sweep, finishes, and the invoice is the same."""

import random
from contextlib import suppress
from datetime import timedelta

import psutil
import pytest
from kombu import Connection

from billing import tasks
from billing.models import Invoice, RatingPosition
from core.sandbox import set_clock
from metering.models import EventStream
from tests.billing.world import START
from tests.faults.books import breaches, lines_of, numbers
from tests.faults.installation import Running, eventually
from tests.faults.month import CLOSED, EVENTS, a_subscriber, expected_lines, output_of, run_what_is_due

TIMES = 30


def send(installation, api_key: str, customer: str, time: int) -> None:
    """One month's usage, as JSON through the door; ``time`` tells several of them apart."""
    events = [
        {
            "id": f"{time}-{n}",
            "customer": customer,
            "type": "llm.call",
            "time": (START + timedelta(hours=3 * n, minutes=time % 60)).isoformat(),
            "usage": {"output": output_of(n)},
        }
        for n in range(EVENTS)
    ]
    status, answer = installation.post(events, api_key)
    assert (status, answer.get("accepted")) == (200, EVENTS)


def sweep_by_a_worker(installation) -> None:
    """What the beat sends each half minute."""
    with Connection(installation.places.celery_broker_url) as broker:
        tasks.sweep_rating.apply_async(connection=broker)


def kill_one_of(worker: Running) -> None:
    """Any of the worker's processes; it starts another in its place."""
    eventually(lambda: len(worker.children()) >= 2, "the worker has its processes")
    with suppress(psutil.NoSuchProcess, IndexError):
        random.choice(worker.children()).kill()


def rated_so_far(customer) -> int:
    return RatingPosition.objects.get(customer_id=customer.id).rated_seq


def rated(customer) -> bool:
    stream = EventStream.objects.get(customer_id=customer.id)
    return rated_so_far(customer) == stream.last_seq > 0


def assert_invoiced(installation, customer, times: int) -> None:
    run_what_is_due(CLOSED)
    assert lines_of(Invoice.objects.get(customer=customer)) == expected_lines(times)
    assert len(numbers()) == Invoice.objects.count()
    assert breaches() == []


@pytest.mark.parametrize("moment", ["before_commit", "after_commit"])
def test_killed_while_rating_the_next_worker_finishes(installation, api_key, moment):
    acme = a_subscriber("acme")
    set_clock(START + timedelta(days=20))
    installation.web()
    worker = installation.worker(failpoint=f"billing.rating.{moment}:kill")
    send(installation, api_key, "acme", 0)
    eventually(lambda: "signal 9 (SIGKILL)" in worker.said(), "the worker's process dies where it is told to")
    assert rated(acme) == (moment == "after_commit")

    installation.worker()
    sweep_by_a_worker(installation)

    eventually(lambda: rated(acme), "the events are rated")
    installation.kill("worker")
    assert_invoiced(installation, acme, 1)
    told = installation.manage("verify_books")
    assert told.returncode == 0, told.stdout


def test_killed_at_any_moment_under_load_it_ends_like_a_run_without_a_death(installation, api_key):
    acme, calm = a_subscriber("acme"), a_subscriber("calm")
    set_clock(START + timedelta(days=20))
    installation.web()
    worker = installation.worker()
    for time in range(TIMES):
        send(installation, api_key, "acme", time)
        if time % 10 == 5:
            eventually(lambda: rated_so_far(acme) > 0, "the worker rates")
            kill_one_of(worker)
    worker.kill()
    for time in range(TIMES):
        send(installation, api_key, "calm", time)
    tasks.rate_customers(customer_ids=[calm.id])

    installation.worker()
    sweep_by_a_worker(installation)

    eventually(lambda: rated(acme), "the events are rated")
    installation.kill("worker")
    assert_invoiced(installation, acme, TIMES)
    assert lines_of(Invoice.objects.get(customer=calm)) == lines_of(Invoice.objects.get(customer=acme))
