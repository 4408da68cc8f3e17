"""Valkey is emptied or away, Postgres is killed: what was acknowledged stays, and work goes on where it stood."""

import os
import signal
from datetime import timedelta

import pytest
import redis

from billing import tasks
from billing.models import Invoice
from config.processes import StartFailure
from core.sandbox import set_clock
from metering.models import Event
from tests.billing.world import START
from tests.faults.books import breaches, lines_of
from tests.faults.client import Client
from tests.faults.installation import eventually
from tests.faults.month import CLOSED, a_subscriber, expected_lines, run_what_is_due
from tests.faults.test_worker_killed import rated, send, sweep_by_a_worker

FLOWING = 300


@pytest.fixture
def acme(installation):
    customer = a_subscriber("acme")
    set_clock(START + timedelta(days=20))
    installation.web()
    return customer


def assert_invoiced(customer, times: int) -> None:
    run_what_is_due(CLOSED)
    assert lines_of(Invoice.objects.get(customer=customer)) == expected_lines(times)
    assert breaches() == []


def test_an_emptied_valkey_loses_a_nudge_and_nothing_else(installation, acme, api_key):
    send(installation, api_key, "acme", 0)
    with redis.Redis(unix_socket_path=str(installation.places.valkey_socket)) as valkey:
        valkey.flushall()
    send(installation, api_key, "acme", 1)
    assert rated(acme) is False

    tasks.sweep_rating()

    assert rated(acme)
    assert_invoiced(acme, 2)


def test_without_valkey_events_are_taken_and_rated_and_the_worker_comes_back_with_it(
    installation, acme, api_key
):
    worker = installation.worker()
    send(installation, api_key, "acme", 0)
    eventually(lambda: rated(acme), "the worker rates")
    os.kill(installation.servers.valkey.pid, signal.SIGKILL)
    eventually(lambda: not installation.servers.valkey.alive(), "Valkey is dead")
    try:
        for time in range(1, 6):
            send(installation, api_key, "acme", time)
        assert not rated(acme)
        tasks.sweep_rating()
        assert rated(acme)
        send(installation, api_key, "acme", 6)
    finally:
        installation.servers.valkey.start()
    sweep_by_a_worker(installation)

    eventually(lambda: rated(acme), "the worker has found Valkey again")
    assert worker.alive()
    installation.kill("worker")
    assert_invoiced(acme, 7)


def test_a_killed_postgres_keeps_what_was_acknowledged(installation, acme, api_key):
    postgres = installation.servers.postgres
    with Client(installation, api_key) as client:
        eventually(lambda: len(client.acknowledged) > FLOWING, "events flow")
        os.kill(postgres.pid, signal.SIGKILL)
        eventually(lambda: not postgres.alive(), "Postgres is dead")
        before = len(client.acknowledged)
        eventually(lambda: started_again(postgres), "Postgres runs again")
        eventually(lambda: len(client.acknowledged) > before + FLOWING, "events flow again")

    kept = list(Event.objects.values_list("event_id", flat=True))
    assert len(kept) == len(set(kept))
    assert client.acknowledged <= set(kept)
    assert set(client.statuses) <= {200, 503}
    tasks.sweep_rating()
    assert breaches() == []


def started_again(postgres) -> bool:
    """What ``make up`` does when Postgres has died: another try until its last processes have let go of the data."""
    from django.db import connection

    connection.close()
    try:
        postgres.start()
    except StartFailure:
        return False
    return True
