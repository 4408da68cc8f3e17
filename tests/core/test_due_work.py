"""Work that is due: done once, tried again later and later, parked for a person, and never run by two at once."""

from datetime import UTC, datetime, timedelta

import pytest

from core import due_work
from core.due_work import (
    ATTEMPTS_MAX,
    CLAIMED_AT_ONCE,
    LEASE,
    Park,
    Work,
    cancel,
    ensure,
    register,
    retry_delay,
    run_due,
    schedule,
)
from core.models import DueWork
from core.problems import Conflict

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def done(monkeypatch) -> list[Work]:
    """What the handler of kind ``test`` was given."""
    monkeypatch.setattr(due_work, "_handlers", {})
    seen: list[Work] = []

    def handle(work: Work, now: datetime) -> None:
        seen.append(work)

    register("test", handle)
    return seen


def failing(error: Exception) -> None:
    def handle(work: Work, now: datetime) -> None:
        raise error

    register("test", handle)


def test_what_is_due_is_done_once(done):
    schedule(1, "test", "a", NOW, {"x": 1})
    schedule(1, "test", "later", NOW + timedelta(seconds=1))

    assert run_due(NOW) == {"done": 1}
    assert run_due(NOW) == {}
    assert [(work.key, work.payload) for work in done] == [("a", {"x": 1})]


def test_asking_twice_is_asking_once(done):
    schedule(1, "test", "a", NOW)
    schedule(1, "test", "a", NOW)
    ensure(1, "test", "a", NOW + timedelta(days=1))

    run_due(NOW)

    assert len(done) == 1


def test_a_leased_row_is_left_alone_until_its_lease_is_over(done):
    schedule(1, "test", "a", NOW)
    DueWork.objects.update(lease_until=NOW + LEASE)

    assert run_due(NOW) == {}
    assert run_due(NOW + LEASE + timedelta(seconds=1)) == {"done": 1}


def test_a_failure_comes_back_later_and_is_parked_in_the_end(done):
    failing(RuntimeError("the network"))
    schedule(1, "test", "a", NOW)
    moment = NOW

    for _ in range(ATTEMPTS_MAX - 1):
        assert run_due(moment) == {"failed": 1}
        assert DueWork.objects.get().due_at > moment
        moment = DueWork.objects.get().due_at
    assert run_due(moment) == {"parked": 1}

    row = DueWork.objects.get()
    assert row.parked_at == moment
    assert "the network" in row.last_error
    assert run_due(moment + timedelta(days=9)) == {}


@pytest.mark.parametrize("refusal", [Park("a person must look"), Conflict("it was paid")])
def test_a_refusal_is_parked_at_once(done, refusal):
    failing(refusal)
    schedule(1, "test", "a", NOW)

    assert run_due(NOW) == {"parked": 1}


def test_scheduling_again_wakes_what_was_parked(done):
    schedule(1, "test", "a", NOW)
    DueWork.objects.update(parked_at=NOW)
    schedule(1, "test", "a", NOW)

    assert run_due(NOW) == {"done": 1}


def test_work_that_was_scheduled_anew_while_it_ran_stays(done):
    def handle(work: Work, now: datetime) -> None:
        schedule(1, "test", "a", NOW + timedelta(hours=1))

    register("test", handle)
    schedule(1, "test", "a", NOW)

    run_due(NOW)

    assert DueWork.objects.get().due_at == NOW + timedelta(hours=1)


def test_work_that_was_asked_for_while_it_ran_is_done_once_more(done):
    def handle(work: Work, now: datetime) -> None:
        done.append(work)
        ensure(1, "test", "a", now + timedelta(minutes=5))  # as another process may, once this one has looked

    register("test", handle)
    schedule(1, "test", "a", NOW)

    assert run_due(NOW) == {"done": 1}
    assert run_due(NOW + timedelta(minutes=4)) == {}
    assert run_due(NOW + timedelta(minutes=5)) == {"done": 1}


def test_what_waits_or_is_parked_stays_as_it_is_when_asked_for_again(done):
    schedule(1, "test", "waits", NOW)
    schedule(1, "test", "parked", NOW)
    DueWork.objects.filter(key="parked").update(parked_at=NOW)
    before = list(DueWork.objects.order_by("key").values())

    ensure(1, "test", "waits", NOW + timedelta(days=1))
    ensure(1, "test", "parked", NOW + timedelta(days=1))

    assert list(DueWork.objects.order_by("key").values()) == before


def test_one_customer_can_be_run_alone(done):
    schedule(1, "test", "a", NOW)
    schedule(2, "test", "a", NOW)

    run_due(NOW, customer_id=2)

    assert [work.customer_id for work in done] == [2]


def test_delays_grow_and_end():
    assert timedelta(seconds=5) <= retry_delay(1) <= timedelta(seconds=7.5)
    assert retry_delay(30) <= timedelta(hours=1.5)


def test_work_made_due_by_work_is_done_in_the_same_run(done):
    def handle(work: Work, now: datetime) -> None:
        done.append(work)
        if work.key == "a":
            schedule(2, "test", "b", now)

    register("test", handle)
    schedule(1, "test", "a", NOW)

    assert run_due(NOW) == {"done": 2}
    assert not DueWork.objects.exists()


def test_a_run_stops_at_its_limit(done):
    for customer_id in range(CLAIMED_AT_ONCE + 5):
        schedule(customer_id, "test", "a", NOW)

    assert run_due(NOW, limit=CLAIMED_AT_ONCE + 2) == {"done": CLAIMED_AT_ONCE + 2}
    assert list(DueWork.objects.values_list("lease_until", "attempt")) == [(None, 0)] * 3


def test_work_that_was_called_off_by_earlier_work_of_its_customer_is_not_begun(done):
    def handle(work: Work, now: datetime) -> None:
        done.append(work)
        if work.key == "a":
            cancel(1, "test", "b")
            schedule(1, "test", "c", now + timedelta(hours=1))

    register("test", handle)
    for key in ("a", "b", "c", "d"):
        schedule(1, "test", key, NOW)

    run_due(NOW)

    assert [work.key for work in done] == ["a", "d"]
    assert list(DueWork.objects.values_list("key", "due_at")) == [("c", NOW + timedelta(hours=1))]


def test_what_is_claimed_beside_slow_work_is_let_go(done, monkeypatch):
    monkeypatch.setattr(due_work, "HOLD_SECONDS", -1.0)
    waiting = []

    def handle(work: Work, now: datetime) -> None:
        waiting.append(DueWork.objects.filter(lease_until=None, attempt=0).count())

    register("test", handle)
    for customer_id in range(1, 4):
        schedule(customer_id, "test", "a", NOW)

    assert run_due(NOW) == {"done": 3}
    assert waiting == [0, 0, 0]
    for customer_id in range(1, 4):
        schedule(customer_id, "test", "a", NOW)
    claimed = due_work._claim(NOW, NOW + LEASE, ["test"], None, 3)
    assert due_work._run_claimed(claimed, NOW) == {"done": 1}
    assert list(DueWork.objects.values_list("lease_until", "attempt")) == [(None, 0)] * 2


def test_work_asked_for_anew_at_the_same_time_is_not_taken_for_done(done):
    def handle(work: Work, now: datetime) -> None:
        done.append(work)
        if len(done) == 1:
            schedule(1, "test", "a", NOW)

    register("test", handle)
    schedule(1, "test", "a", NOW)

    assert run_due(NOW) == {"done": 2}
    assert len(done) == 2


def test_a_process_that_dies_within_a_claim_leaves_all_of_it_for_later(done):
    def handle(work: Work, now: datetime) -> None:
        if work.customer_id == 2 and now == NOW:
            raise KeyboardInterrupt
        done.append(work)

    register("test", handle)
    for customer_id in range(1, 4):
        schedule(customer_id, "test", "a", NOW)

    with pytest.raises(KeyboardInterrupt):
        run_due(NOW)

    assert run_due(NOW) == {}
    assert run_due(NOW + LEASE + timedelta(seconds=1)) == {"done": 3}
    assert [work.customer_id for work in done] == [1, 1, 2, 3]
