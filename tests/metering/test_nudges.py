"""Nudges reach the room above soon, together, and never at the cost of the next one."""

import queue
import threading

import pytest

from metering.nudges import Nudges


def test_customers_noted_in_one_interval_are_told_together() -> None:
    told: queue.Queue[frozenset[int]] = queue.Queue()
    noted = threading.Event()

    def tell(customers: frozenset[int]) -> None:
        told.put(customers)
        assert noted.wait(30)

    nudges = Nudges(interval_seconds=0.01)
    nudges.hand_over(tell)
    nudges.note(1)
    assert told.get(timeout=30) == {1}
    for customer in (2, 3, 2):
        nudges.note(customer)
    noted.set()
    assert told.get(timeout=30) == {2, 3}


def test_a_nudge_that_fails_does_not_stop_the_next() -> None:
    told: queue.Queue[frozenset[int]] = queue.Queue()

    def tell(customers: frozenset[int]) -> None:
        told.put(customers)
        if 1 in customers:
            raise ConnectionError("broker away")

    nudges = Nudges(interval_seconds=0.01, failure_interval_seconds=0.01)
    nudges.hand_over(tell)
    nudges.note(1)
    assert told.get(timeout=30) == {1}
    nudges.note(2)
    assert told.get(timeout=30) == {2}


@pytest.mark.django_db(transaction=True)
def test_a_customer_is_noted_only_after_the_commit(monkeypatch, django_capture_on_commit_callbacks) -> None:
    from django.db import transaction

    from customers.customers import create_customer
    from metering.events import store_events
    from tests.metering.test_events import NOW, new_event  # type: ignore[import-not-found]

    noted: list[int] = []
    monkeypatch.setattr("metering.events.nudge", noted.append)
    acme = create_customer(key="acme", name="Acme", now=NOW)
    with transaction.atomic():
        store_events([new_event("e1")], now=NOW)
        assert noted == []
    assert noted == [acme.id]
    store_events([new_event("e1")], now=NOW)
    assert noted == [acme.id], "a duplicate is nothing new"
