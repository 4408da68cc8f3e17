"""The sweep goes on until nothing is due, calls others to help with much, and never piles up messages."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.cache import cache

from core import due_work, tasks
from core.due_work import Work, register, schedule
from core.models import DueWork
from core.tasks import ROUND, sweep

pytestmark = pytest.mark.django_db
PAST = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[list[dict[str, Any]]]:
    """What a sweep of an installation with three processes tells them."""
    settings.SWEEPS = 3
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(sweep, "apply_async", lambda kwargs, **options: told.append(kwargs | options))
    monkeypatch.setattr(due_work, "_handlers", {})
    register("test", lambda work, now: None)
    cache.delete_many([f"core.sweep.{place}" for place in range(3)])
    yield told
    cache.delete_many([f"core.sweep.{place}" for place in range(3)])


def make_due(count: int) -> None:
    for n in range(count):
        schedule(n, "test", "a", PAST)


def test_a_sweep_goes_on_until_nothing_is_due(sent: list[dict[str, Any]]) -> None:
    make_due(2 * ROUND + 7)
    sweep()
    assert not DueWork.objects.exists()


def test_much_work_calls_the_other_processes_once_and_little_calls_none(sent: list[dict[str, Any]]) -> None:
    make_due(3)
    sweep()
    assert sent == []
    make_due(2 * ROUND)
    sweep()
    assert [message["place"] for message in sent] == [1, 2]
    assert all(message["expires"] for message in sent)


def test_a_long_sweep_sends_itself_on_behind_what_waits(
    sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "SWEEP_SECONDS", 0.0)
    make_due(3 * ROUND)
    sweep(place=1)
    (on,) = sent
    assert (on["place"], DueWork.objects.count()) == (1, 2 * ROUND)
    sweep(place=1)  # another is told to take the same place, which is held: it does a round, and sends nobody
    assert (len(sent), DueWork.objects.count()) == (1, ROUND)
    sweep(place=on["place"], run=on["run"])
    assert (len(sent), DueWork.objects.count()) == (2, 0)


def test_what_work_makes_due_is_done_by_the_same_sweep(sent: list[dict[str, Any]]) -> None:
    seen = []

    def handle(work: Work, now: datetime) -> None:
        seen.append(work.key)
        if work.key == "a":
            schedule(work.customer_id, "test", "b", now, soon=True)

    register("test", handle)
    make_due(1)
    sweep()
    assert seen == ["a", "b"]


def test_a_place_is_free_again_when_its_sweep_is_over(sent: list[dict[str, Any]]) -> None:
    for _ in range(2):
        make_due(1)
        sweep()
        assert not DueWork.objects.exists()
