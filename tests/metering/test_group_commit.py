"""Lone events share commits, and the queue before them has an end."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import OperationalError, connection

from core import limits
from core.problems import Unavailable
from metering.formats.native import read_event
from metering.group_commit import GroupCommit, store_event
from metering.outcomes import Outcome

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def event(number: int, customer: str = "acme") -> Any:
    return read_event({"id": f"e{number}", "customer": customer, "type": "t"}, now=NOW)


class Database:
    """Stands in for the database: holds every write until it is let go, and counts them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entered = threading.Semaphore(0)
        self.let_go = threading.Event()
        self.groups: list[int] = []
        self.error: Exception | None = None
        monkeypatch.setattr("metering.group_commit.store_events", self.store)

    def store(self, events: Any, *, now: datetime) -> list[Outcome]:
        self.groups.append(len(events))
        self.entered.release()
        assert self.let_go.wait(30)
        if self.error:
            raise self.error
        return [Outcome.ACCEPTED] * len(events)


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    return Database(monkeypatch)


class Watched(GroupCommit):
    """Tells when events have joined the queue."""

    def __init__(self) -> None:
        super().__init__()
        self._joined = threading.Semaphore(0)

    def _keep_writing(self) -> None:
        super()._keep_writing()
        self._joined.release()

    def wait_for_events(self, count: int) -> None:
        for _ in range(count):
            assert self._joined.acquire(timeout=30)


def test_events_that_wait_share_the_next_commit(database) -> None:
    commit = Watched()
    with ThreadPoolExecutor(20) as threads:
        first = threads.submit(commit.store, event(0), now=NOW)
        assert database.entered.acquire(timeout=30)
        others = [threads.submit(commit.store, event(n), now=NOW) for n in range(1, 20)]
        commit.wait_for_events(20)
        database.let_go.set()
        assert {one.result() for one in [first, *others]} == {Outcome.ACCEPTED}
    assert database.groups == [1, 19]


def test_one_customers_slow_commit_keeps_no_other_customer_waiting(database) -> None:
    commit = Watched()
    with ThreadPoolExecutor(2) as threads:
        slow = threads.submit(commit.store, event(0), now=NOW)
        assert database.entered.acquire(timeout=30)
        other = threads.submit(commit.store, event(1, "bolt"), now=NOW)
        assert database.entered.acquire(timeout=30), "the second commit began while the first was under way"
        database.let_go.set()
        assert slow.result() is other.result() is Outcome.ACCEPTED
    assert database.groups == [1, 1]


def test_a_full_queue_is_refused_before_it_grows(database, monkeypatch) -> None:
    monkeypatch.setattr(limits, "WAITING_EVENTS_MAX", 3)
    commit = Watched()
    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(commit.store, event(0), now=NOW)]
        assert database.entered.acquire(timeout=30)
        waiting += [threads.submit(commit.store, event(n), now=NOW) for n in range(1, 4)]
        commit.wait_for_events(4)
        with pytest.raises(Unavailable):
            commit.store(event(4), now=NOW)
        database.let_go.set()
        assert {one.result() for one in waiting} == {Outcome.ACCEPTED}


@pytest.mark.django_db(transaction=True)
def test_who_waits_keeps_no_connection_from_the_writer(monkeypatch) -> None:
    held: list[bool] = []

    def store(event: Any, *, now: datetime) -> Outcome:
        held.append(connection.connection is not None)
        return Outcome.ACCEPTED

    monkeypatch.setattr("metering.group_commit._group_commit.store", store)
    connection.ensure_connection()
    store_event(event(0), now=NOW)
    assert held == [False]


def test_a_database_that_is_away_is_told_to_all_who_wait_and_the_writer_lives_on(database) -> None:
    commit = GroupCommit()
    database.let_go.set()
    database.error = OperationalError("away")
    with pytest.raises(OperationalError):
        commit.store(event(0), now=NOW)
    database.error = None
    assert commit.store(event(0), now=NOW) is Outcome.ACCEPTED


@pytest.mark.django_db
def test_at_the_door_that_is_503_with_retry_after(door, monkeypatch) -> None:
    def away(*given: Any, **named: Any) -> None:
        raise OperationalError("away")

    monkeypatch.setattr("metering.intake.store_event", away)
    answer = door.post({"id": "e1", "customer": "acme", "type": "t"})
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
