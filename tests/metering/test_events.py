"""Storing events: identity and order under concurrency, and what becomes of failures. On committed data."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from core.failpoints import FailpointReached, armed
from customers.customers import create_customer
from metering import customer_lookup
from metering import events as storing
from metering.costing import EventCost
from metering.events import Outcome, store_events, take_in_all_unmatched, take_in_unmatched
from metering.formats.native import read_event
from metering.group_commit import store_event
from metering.models import Event, EventConflict, EventStream, UnmatchedEvent
from metering.new_event import NewEvent

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def new_event(id: str, **fields: Any) -> NewEvent:
    plain = {"id": id, "customer": "acme", "type": "t", "usage": {"input": 5}, "time": NOW.isoformat()}
    return read_event(plain | fields, now=NOW)


def at_once(count: int, act: Callable[[int], Any]) -> list[Any]:
    """Run ``act(0..count-1)``, each in a thread and on a connection of its own, all released together."""
    barrier = threading.Barrier(count)

    def run(number: int) -> Any:
        try:
            barrier.wait()
            return act(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(run, range(count)))


@pytest.fixture(autouse=True, params=[0, 20], ids=["by COPY", "by one statement"])
def way_in(request: Any, monkeypatch: Any) -> None:
    """How many events at most are stored by one statement: none at all, or a few."""
    monkeypatch.setattr(storing, "FEW_EVENTS", request.param)


@pytest.fixture
def committed_acme(transactional_db: None) -> Any:
    return create_customer(key="acme", name="Acme", now=NOW)


class TestTogether:
    def test_fifty_threads_with_one_id_leave_one_row(self, committed_acme) -> None:
        outcomes = at_once(50, lambda _: store_event(new_event("same"), now=NOW))
        assert Counter(outcomes) == {Outcome.ACCEPTED: 1, Outcome.DUPLICATE: 49}
        assert Event.objects.count() == EventStream.objects.get().last_seq == 1

    def test_batches_with_the_same_ids_store_each_once(self, committed_acme) -> None:
        batch = [new_event(f"e{n}") for n in range(200)]

        def store(number: int) -> Counter[Outcome]:
            turned = batch[number * 20 :] + batch[: number * 20]
            return Counter(store_events(turned, now=NOW))

        outcomes = sum(at_once(8, store), Counter())
        assert outcomes == {Outcome.ACCEPTED: 200, Outcome.DUPLICATE: 1400}
        assert Event.objects.count() == EventStream.objects.get().last_seq == 200

    def test_of_two_contents_under_one_id_one_is_stored_and_one_refused(self, committed_acme) -> None:
        outcomes = at_once(2, lambda n: store_events([new_event("same", quantity=n + 1)], now=NOW)[0])
        assert set(outcomes) == {Outcome.ACCEPTED, Outcome.CONFLICT}
        stored = Event.objects.get()
        assert stored.quantity == outcomes.index(Outcome.ACCEPTED) + 1
        assert bytes(EventConflict.objects.get().stored_hash) == bytes(stored.content_hash)

    def test_numbers_rise_without_gaps_in_the_order_of_commits(self, committed_acme) -> None:
        """Whoever reads up to a number has read all below it: a later commit never shows a lower number."""
        done = threading.Event()
        seen: list[int] = []
        gaps: list[tuple[int, int]] = []

        def store(number: int) -> None:
            for n in range(15):
                store_events([new_event(f"{number}-{n}-{part}") for part in range(3)], now=NOW)

        def watch() -> None:
            try:
                while not done.is_set():
                    count, highest = Event.objects.values_list("seq").count(), None
                    with connection.cursor() as cursor:
                        cursor.execute("SELECT count(*), coalesce(max(seq), 0) FROM metering_event")
                        count, highest = cursor.fetchone()
                    seen.append(highest)
                    if count != highest:
                        gaps.append((count, highest))
            finally:
                connection.close()

        watcher = threading.Thread(target=watch)
        watcher.start()
        at_once(6, store)
        done.set()
        watcher.join()
        assert not gaps
        assert seen == sorted(seen)
        assert sorted(Event.objects.values_list("seq", flat=True)) == list(range(1, 271))

    def test_a_lone_event_that_harms_the_database_harms_no_other(self, committed_acme, monkeypatch) -> None:
        gather = threading.Event()
        store = store_events

        def slow_then_wrong(events: Any, *, now: datetime) -> Any:
            gather.wait(5)
            if any(event.id == "bad" for event in events):
                raise ValueError("bad")
            return store(events, now=now)

        monkeypatch.setattr("metering.group_commit.store_events", slow_then_wrong)

        def send(number: int) -> Any:
            try:
                return store_event(new_event("bad" if number == 3 else f"e{number}"), now=NOW)
            except ValueError as error:
                return str(error)
            finally:
                gather.set()

        threading.Timer(0.2, gather.set).start()
        assert Counter(at_once(8, send)) == {Outcome.ACCEPTED: 7, "bad": 1}


class TestFaults:
    def test_a_batch_cut_off_after_the_commit_is_all_duplicates_when_resent(self, committed_acme) -> None:
        def fail() -> None:
            raise FailpointReached("after commit")

        batch = [new_event(f"e{n}") for n in range(10)]
        with armed("metering.after_commit", fail), pytest.raises(FailpointReached):
            store_events(batch, now=NOW)
        assert set(store_events(batch, now=NOW)) == {Outcome.DUPLICATE}
        assert Event.objects.count() == 10

    def test_a_batch_cut_off_before_the_commit_leaves_nothing(self, committed_acme) -> None:
        def fail() -> None:
            raise FailpointReached("before commit")

        batch = [new_event(f"e{n}") for n in range(10)]
        with armed("metering.before_commit", fail), pytest.raises(FailpointReached):
            store_events(batch, now=NOW)
        assert not Event.objects.exists()
        assert set(store_events(batch, now=NOW)) == {Outcome.ACCEPTED}
        assert EventStream.objects.get().last_seq == 10

    def test_a_lost_race_is_tried_again(self, committed_acme) -> None:
        class Deadlock(Exception):
            sqlstate = "40P01"

        left = [1]

        def fail_once() -> None:
            if left and left.pop():
                raise OperationalError("deadlock") from Deadlock()

        with armed("metering.before_commit", fail_once):
            assert store_events([new_event("e1")], now=NOW) == [Outcome.ACCEPTED]

    def test_a_key_taken_reported_as_an_internal_error_is_a_duplicate_too(
        self, committed_acme, monkeypatch
    ) -> None:
        from django.db import InternalError

        class FromAWorker(Exception):
            sqlstate = "XX000"

        store_events([new_event("e1")], now=NOW)
        tries: list[int] = []

        def first_fails(batch: Any, now: datetime) -> bool:
            tries.append(len(batch.lines))
            raise InternalError("duplicate key") from FromAWorker()

        monkeypatch.setattr(storing, "_write_whole", first_fails)
        outcomes = store_events([new_event("e1"), new_event("e2")], now=NOW)
        assert outcomes == [Outcome.DUPLICATE, Outcome.ACCEPTED]

    def test_an_event_replayed_after_forty_days_is_still_a_duplicate(self, committed_acme) -> None:
        store_events([new_event("e1")], now=NOW)
        assert store_events([new_event("e1")], now=NOW + timedelta(days=40)) == [Outcome.DUPLICATE]


@pytest.mark.django_db
class TestOutcomes:
    def test_repeats_inside_a_batch_count_once_and_contradictions_are_kept(self, acme) -> None:
        batch = [new_event("e1"), new_event("e2"), new_event("e1"), new_event("e1", quantity=2)]
        assert store_events(batch, now=NOW) == [
            Outcome.ACCEPTED,
            Outcome.ACCEPTED,
            Outcome.DUPLICATE,
            Outcome.CONFLICT,
        ]
        assert EventConflict.objects.count() == 1
        assert list(Event.objects.order_by("seq").values_list("event_id", "seq")) == [("e1", 1), ("e2", 2)]

    @settings(max_examples=25)
    @given(
        arrivals=st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), min_size=1, max_size=25),
        cuts=st.lists(st.integers(0, 25), max_size=4),
    )
    def test_the_first_content_of_an_id_stands_however_arrivals_are_cut_into_batches(
        self, acme, arrivals, cuts
    ) -> None:
        events = [new_event(name, quantity=2 if other else 1) for name, other in arrivals]
        first: dict[str, Decimal] = {}
        expected = []
        for event in events:
            stored = first.setdefault(event.id, event.quantity)
            expected.append(stored == event.quantity)
        edges = [0, *sorted(min(cut, len(events)) for cut in cuts), len(events)]
        with transaction.atomic():
            outcomes = [
                outcome
                for start, end in zip(edges, edges[1:], strict=False)
                for outcome in store_events(events[start:end], now=NOW)
            ]
            stored_now = dict(Event.objects.values_list("event_id", "quantity"))
            transaction.set_rollback(True)
        assert [outcome is not Outcome.CONFLICT for outcome in outcomes] == expected
        assert outcomes.count(Outcome.ACCEPTED) == len(first)
        assert stored_now == first

    @settings(max_examples=15)
    @given(order=st.permutations(range(12)))
    def test_the_same_events_are_stored_in_whatever_order_they_come(self, acme, order) -> None:
        month = [
            new_event(f"e{n}", time=(NOW - timedelta(days=n)).isoformat(), quantity=n) for n in range(12)
        ]
        with transaction.atomic():
            store_events([month[n] for n in order], now=NOW)
            stored = set(Event.objects.values_list("event_id", "occurred_at", "quantity"))
            transaction.set_rollback(True)
        assert stored == {(event.id, event.occurred_at, event.quantity) for event in month}

    def test_the_cost_is_stored_with_the_event(self, acme, monkeypatch) -> None:
        cost = EventCost(Decimal("0.0000125"), {"input": 7}, ("output",), 42)
        monkeypatch.setattr("metering.costing._cost_of", lambda event: cost)
        store_events([new_event("e1")], now=NOW)
        stored = Event.objects.get()
        assert (stored.cost, stored.cost_rows, stored.unpriced, stored.price_book) == (
            Decimal("0.0000125"),
            {"input": 7},
            True,
            42,
        )

    def test_every_column_comes_back_as_it_was_read(self, acme) -> None:
        event = new_event(
            "back\\slash",
            provider="anthropic",
            model="tab-free 'quoted' \\N",
            service_tier="batch",
            usage={"input": "1.0", "audio_seconds": "0.5"},
            quantity="0.000000000000000001",
            status="error",
            latency_ms=812,
            hold="hold_1",
            run={"id": "run-9", "step": 3, "attempt": 1, "parent": "run-8"},
            properties={
                "text": 'line\nbreak\ttab "quote" \\ back',
                "empty": "",
                "null": None,
                "wide": "日本",
            },
        )
        store_events([event], now=NOW)
        stored = Event.objects.get()
        for name in (
            "provider",
            "model",
            "context",
            "status",
            "latency_ms",
            "hold",
            "run_id",
            "run",
            "properties",
        ):
            assert getattr(stored, name) == getattr(event, name), name
        assert stored.event_id == "back\\slash"
        assert stored.usage == {"input": "1", "audio_seconds": "0.5"}
        assert stored.quantity == Decimal("0.000000000000000001")
        assert (stored.occurred_at, stored.recorded_at) == (NOW, NOW)


@pytest.mark.django_db
def test_both_ways_in_store_the_same_row(acme, monkeypatch) -> None:
    told: dict[str, Any] = {
        "source": "a\\b",
        "provider": "anthropic",
        "model": "claude \\t ü",
        "run": {"id": "r\\1", "step": 3},
        "latency_ms": 0,
        "properties": {"task": 'say "hi"\n\ttab \\ end', "n": 5, "none": None},
        "response": {"model": "claude-1", "usage": {"input_tokens": 5, "output_tokens": 2}},
        "usage": None,
    }
    for few in (0, 20):
        monkeypatch.setattr(storing, "FEW_EVENTS", few)
        store_events([new_event(f"full{few}", **told), new_event(f"bare{few}", usage={})], now=NOW)
    rows = [
        {name: value for name, value in row.items() if name not in ("event_id", "seq")}
        for row in Event.objects.order_by("seq").values()
    ]
    assert rows[:2] == rows[2:]
    assert rows[0]["properties"]["task"] == told["properties"]["task"]


@pytest.mark.django_db
class TestUnmatched:
    def test_what_waited_is_stored_when_the_customer_appears_and_stays_known(self) -> None:
        waiting = [new_event(f"e{n}", customer="later", properties={"n": 1.25}) for n in range(3)]
        assert set(store_events(waiting, now=NOW)) == {Outcome.UNMATCHED}
        later = create_customer(key="later", name="Later", now=NOW)
        take_in_unmatched("later", later.id, now=NOW)
        assert Event.objects.filter(customer_id=later.id).count() == 3
        assert not UnmatchedEvent.objects.filter(matched_at=None).exists()
        assert set(store_events(waiting, now=NOW)) == {Outcome.DUPLICATE}
        assert take_in_unmatched("later", later.id, now=NOW) == 0

    @pytest.mark.parametrize("is_there", [True, False])
    def test_a_customer_remembered_under_an_id_that_is_gone_is_looked_up_again(self, is_there: bool) -> None:
        customer_lookup._known["later"] = 999_999_999
        if is_there:
            later = create_customer(key="later", name="Later", now=NOW)
        assert store_events([new_event("e1", customer="later")], now=NOW) == [
            Outcome.ACCEPTED if is_there else Outcome.UNMATCHED
        ]
        assert not is_there or Event.objects.get().customer_id == later.id

    def test_the_sweep_finds_what_just_missed_its_customer(self) -> None:
        store_events([new_event("e1", customer="later"), new_event("e2", customer="never")], now=NOW)
        create_customer(key="later", name="Later", now=NOW)
        UnmatchedEvent.objects.update(matched_at=None)
        assert take_in_all_unmatched(now=NOW) == 1
        assert Event.objects.get().event_id == "e1"
        assert UnmatchedEvent.objects.get(matched_at=None).event_id == "e2"

    def test_a_waiting_event_that_contradicts_a_stored_one_is_kept_as_a_conflict(self) -> None:
        store_events([new_event("e1", customer="later")], now=NOW)
        later = create_customer(key="later", name="Later", now=NOW)
        Event.objects.all().delete()
        store_events([new_event("e1", customer="later", quantity=2)], now=NOW)
        UnmatchedEvent.objects.update(matched_at=None)
        take_in_unmatched("later", later.id, now=NOW)
        assert Event.objects.get().quantity == 2
        assert EventConflict.objects.count() == 1
