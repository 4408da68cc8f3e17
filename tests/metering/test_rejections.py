"""What the doors refuse is kept, within bounds, without the texts that people wrote, and can be sent again."""

import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection

from core import limits
from core.clock import now
from core.http.credentials import Credential
from core.problems import Conflict, FieldError, Invalid
from customers.customers import create_customer
from metering import arrivals, rejections
from metering.deliveries import Delivery
from metering.models import ArrivalCount, Event, EventConflict, RejectedEvent, UnmatchedEvent
from metering.reading import Refusal
from metering.rejections import Allowance, forget_old_rejections, note_refusals
from metering.replays import discard, replay, replay_all

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_counted_before() -> None:
    arrivals.take_arrivals()


def post(door: Any, path: str, body: Any) -> Any:
    return door.client.post(
        path, json.dumps(body), "application/json", headers={"Authorization": f"Bearer {door.key}"}
    )


class TestKeeping:
    def test_a_refused_event_is_kept_with_its_reason(self, door, event) -> None:
        assert door.post(event(quantity="many")).status_code == 422
        row = RejectedEvent.objects.get()
        assert (row.event_id, row.customer_key, row.door) == ("e1", "acme", "native")
        assert (row.code, row.field) == ("number", "quantity")
        assert row.customer_id == create_or_find("acme")
        assert row.received == event(quantity="many")

    def test_the_same_mistake_is_one_row_however_often_it_is_sent(self, door, event) -> None:
        for _ in range(3):
            door.post(event(quantity="many"))
        door.post([event(quantity="many"), event(id="good")])
        assert RejectedEvent.objects.get().times_seen == 4

    def test_in_a_batch_the_refused_are_kept_and_the_others_stored(self, door, event) -> None:
        body = [event(), event(id="e2", latency_ms="x"), event(id="e3", modell="y")]
        assert door.post(body).json()["accepted"] == 1
        told = RejectedEvent.objects.order_by("event_id").values_list("event_id", "field")
        assert list(told) == [("e2", "latency_ms"), ("e3", "modell")]

    def test_a_body_that_cannot_be_read_is_told_and_not_kept(self, door) -> None:
        assert door.post(b'{"id": "e1", "secret": "my prompt').status_code == 400
        row = RejectedEvent.objects.get()
        assert (row.code, row.received) == ("malformed", None)
        assert "whole body was refused, 33 bytes" in row.detail and "my prompt" not in str(row.errors)

    def test_strangers_and_wrong_scopes_leave_nothing(self, door, api_with_key, event) -> None:
        door.client.post("/v1/events", b"{", "application/json", headers={"Authorization": "Bearer bl_no"})
        api_with_key(["read"]).post("/v1/events", event(quantity="many"))
        assert not RejectedEvent.objects.exists()

    def test_a_dry_run_leaves_nothing(self, door, event) -> None:
        assert door.post(event(quantity="many"), "?dry_run=true").status_code == 422
        assert door.post(b"{", "?dry_run=true").status_code == 400
        assert not RejectedEvent.objects.exists() and not arrivals.take_arrivals()

    def test_a_conflict_is_kept_once_where_conflicts_are(self, door, event) -> None:
        door.post(event())
        assert door.post(event(usage={"input": 6})).status_code == 409
        assert EventConflict.objects.count() == 1 and not RejectedEvent.objects.exists()

    def test_a_conflict_among_unmatched_events_is_kept_too(self, door, event) -> None:
        door.post(event(customer="nobody"))
        for _ in range(2):
            assert door.post(event(customer="nobody", usage={"input": 6})).status_code == 409
        door.post(event(customer="somebody"))
        door.post(event(customer="somebody", usage={"input": 6}))
        kept = EventConflict.objects.order_by("recorded_at").values_list("customer_id", "received__customer")
        assert list(kept) == [(0, "nobody"), (0, "somebody")]

    def test_a_customers_own_key_decides_whose_it_is(self, acme_door, event) -> None:
        acme_door.post(event(customer="globex"))
        row = RejectedEvent.objects.get()
        assert row.own_key and row.customer_id == create_or_find("acme") and row.customer_key == "globex"

    def test_an_unknown_customer_is_customer_0(self, door, event) -> None:
        door.post(event(customer="nobody", quantity="many"))
        assert RejectedEvent.objects.get().customer_id == 0

    @pytest.mark.parametrize(
        ("path", "body", "told"),
        [
            (
                "/api/v1/events",
                {"specversion": "1.0", "id": "o1", "source": "s", "subject": "acme"},
                ("openmeter", "o1", "acme", "required"),
            ),
            (
                "/api/v1/events",
                {"event": {"transaction_id": "l1", "external_subscription_id": "acme"}},
                ("lago", "l1", "acme", "required"),
            ),
            ("/api/v1/events", {"event": 5}, ("lago", "", "", "object")),
            ("/api/v1/events", {"odd": 5}, ("compatible", "", "", "shape")),
            (
                "/v1/litellm",
                {"litellm_call_id": "c1", "end_user": "acme", "startTime": "soon"},
                ("litellm", "c1", "acme", "time"),
            ),
        ],
    )
    def test_every_door_keeps_what_it_refuses(self, door, path, body, told) -> None:
        assert post(door, path, body).status_code in (400, 422)
        row = RejectedEvent.objects.get()
        assert (row.door, row.event_id, row.customer_key, row.code) == told

    def test_a_refused_span_is_kept_and_can_be_sent_again(self, door) -> None:
        assert post(door, "/v1/traces", a_trace()).status_code == 200
        row = RejectedEvent.objects.get()
        assert (row.door, row.event_id, row.code) == ("otlp", "resp_1", "required")
        mended = a_trace(customer="acme")
        assert replay(row, by="ops", now=now(), body=json.dumps(mended).encode()).outcome == "accepted"
        assert Event.objects.get().usage == {"input": "5", "output": "2"}


class TestWhatIsNotKept:
    def test_no_text_of_a_response_or_of_an_unknown_field_is_kept(self, door, event) -> None:
        response = {
            "model": "gpt-5",
            "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
            "choices": [{"message": {"role": "assistant", "content": "SECRET"}}],
        }
        sent = event(
            response=response, provider="openai", api="chat.completions", prompt="SECRET", quantity="x"
        )
        del sent["usage"]
        assert door.post(sent).status_code == 422
        row = RejectedEvent.objects.get()
        assert "SECRET" not in json.dumps(row.received, default=str)
        assert row.received["prompt"] == "[text of 6 characters, not kept]"
        mended = {**row.received, "quantity": "1"}
        del mended["prompt"]
        assert replay(row, by="ops", now=now(), body=json.dumps(mended).encode()).outcome == "accepted"
        assert Event.objects.get().usage == {"input": "5", "output": "2"}

    def test_nothing_of_litellms_messages_is_kept(self, door) -> None:
        payload = {
            "litellm_call_id": "c1",
            "end_user": "",
            "messages": [{"content": "SECRET"}],
            "response": "SECRET",
        }
        assert post(door, "/v1/litellm", payload).status_code == 422
        assert "SECRET" not in json.dumps(RejectedEvent.objects.get().received)

    def test_the_key_is_named_by_its_number_alone(self, door, event) -> None:
        door.post(event(quantity="many"))
        with connection.cursor() as cursor:
            cursor.execute("SELECT r::text FROM metering_rejectedevent r")
            assert door.key not in cursor.fetchone()[0]

    def test_odd_characters_and_numbers_are_kept_readable(self, door, event) -> None:
        body = json.dumps(event(id="a\u0000b", quantity=12345678901234567890123)).encode()
        assert door.post(body).status_code == 422
        row = RejectedEvent.objects.get()
        assert row.event_id == "" and row.received["id"] == "[text with a control character, not kept]"
        assert row.received["quantity"] == "[12345678901234567890123, not a number that is read]"

    def test_what_is_too_long_is_told_without_its_content(self, door, event) -> None:
        properties = {f"p{n}": "x" * 255 for n in range(99)}
        assert door.post(event(properties=properties)).status_code == 422
        row = RejectedEvent.objects.get()
        assert row.received is None and row.code == "too_many"


class TestBounds:
    def test_a_storm_is_cut_off_and_counted(self, door, event, monkeypatch) -> None:
        monkeypatch.setattr(limits, "REJECTED_KEPT_PER_MINUTE_OF_A_KEY_MAX", 3)
        batch = [event(id=f"e{n}", quantity="many") for n in range(5)]
        with time_machine.travel(now(), tick=False):  # within one minute
            for _ in range(2):
                assert door.post(batch).status_code == 422
        arrivals.write_arrivals()
        assert RejectedEvent.objects.count() == 3
        assert counts() == {"rejected": 10, "lost": 7}

    def test_one_sender_cannot_use_up_the_room_of_others(self) -> None:
        allowance, at = Allowance(), now()
        assert allowance.take(10**6, key_id=1, now=at) == limits.REJECTED_KEPT_PER_MINUTE_OF_A_KEY_MAX
        assert allowance.take(1, key_id=1, now=at) == 0
        assert allowance.take(1, key_id=2, now=at) == 1
        later = at.replace(minute=30) + timedelta(hours=1)
        assert allowance.take(1, key_id=1, now=later) == 1

    def test_an_hour_has_its_own_bound(self) -> None:
        allowance, start = Allowance(), now().replace(minute=0)
        taken = sum(
            allowance.take(10**6, key_id=key, now=start + timedelta(minutes=minute))
            for minute in range(60)
            for key in range(3)
        )
        assert taken == limits.REJECTED_KEPT_PER_HOUR_MAX

    def test_a_database_that_cannot_keep_it_changes_no_answer(self, door, event, monkeypatch) -> None:
        monkeypatch.setattr(rejections, "_KEEP", "SELECT * FROM no_such_table")
        assert door.post(event(quantity="many")).status_code == 422
        assert door.post([event(), event(id="e2", quantity="many")]).json()["accepted"] == 1
        arrivals.write_arrivals()
        assert counts() == {"accepted": 1, "rejected": 2, "lost": 2}

    def test_nothing_is_written_where_nothing_is_refused(
        self, door, event, django_assert_num_queries
    ) -> None:
        delivery = Delivery("native", Credential(1, None, frozenset()), now())
        with django_assert_num_queries(0):
            note_refusals(delivery, [])

    def test_a_batch_is_kept_in_one_statement(self, django_assert_num_queries) -> None:
        refused = [
            Refusal(n, f"e{n}", (FieldError("x", "text", "Wrong."),), {"id": f"e{n}", "customer": f"c{n}"})
            for n in range(200)
        ]
        delivery = Delivery("native", Credential(1, None, frozenset()), now())
        # Beside it the savepoint, its release, and one look for the customers' names.
        with django_assert_num_queries(4):
            note_refusals(delivery, refused)
        assert RejectedEvent.objects.count() == 200

    def test_old_ones_and_those_beyond_the_most_are_forgotten(self, door, event, monkeypatch) -> None:
        for n in range(4):
            door.post(event(id=f"e{n}", quantity="many"))
            RejectedEvent.objects.filter(event_id=f"e{n}").update(latest_at=now() - timedelta(days=n))
        monkeypatch.setattr(limits, "REJECTED_ROWS_MAX", 2)
        assert forget_old_rejections(now=now(), days=2) == 2
        assert set(RejectedEvent.objects.values_list("event_id", flat=True)) == {"e0", "e1"}
        monkeypatch.setattr(limits, "REJECTED_ROWS_MAX", 1)
        assert forget_old_rejections(now=now(), days=400) == 1


class TestReplay:
    def test_as_it_came_it_is_refused_again_and_stays_open(self, door, event) -> None:
        door.post(event(quantity="many"))
        done = replay(RejectedEvent.objects.get(), by="ops", now=now())
        assert (done.outcome, done.settled) == ("rejected", False)
        assert RejectedEvent.objects.get().closed_at is None

    def test_mended_it_is_stored_once_and_settled(self, door, event) -> None:
        door.post(event(quantity="many"))
        row = RejectedEvent.objects.get()
        mended = json.dumps({**row.received, "quantity": "3"}).encode()
        assert replay(row, by="ops@example.com", now=now(), body=mended).outcome == "accepted"
        row.refresh_from_db()
        assert (row.outcome, row.closed_by) == ("accepted", "ops@example.com")
        stored = Event.objects.get()
        assert stored.quantity == 3 and stored.occurred_at == row.recorded_at
        with pytest.raises(Conflict):
            replay(row, by="ops", now=now(), body=mended)
        assert door.post(event(quantity="3")).json()["duplicates"] == 1

    def test_what_has_been_stored_meanwhile_is_a_duplicate(self, door, event) -> None:
        door.post(event(quantity="many"))
        door.post(event(quantity="3"))
        row = RejectedEvent.objects.get()
        mended = json.dumps({**row.received, "quantity": "3"}).encode()
        assert replay(row, by="ops", now=now(), body=mended).outcome == "duplicate"
        assert Event.objects.count() == 1

    def test_other_content_under_a_stored_id_is_a_conflict_and_stays_open(self, door, event) -> None:
        door.post(event(quantity="many"))
        door.post(event(quantity="3"))
        row = RejectedEvent.objects.get()
        mended = json.dumps({**row.received, "quantity": "4"}).encode()
        done = replay(row, by="ops", now=now(), body=mended)
        assert (done.outcome, done.settled) == ("conflict", False)

    def test_for_an_unknown_customer_it_waits_as_unmatched(self, door, event) -> None:
        door.post(event(customer="nobody", quantity="many"))
        row = RejectedEvent.objects.get()
        mended = json.dumps({**row.received, "quantity": "3"}).encode()
        assert replay(row, by="ops", now=now(), body=mended).outcome == "unmatched"
        assert UnmatchedEvent.objects.get().customer_key == "nobody"

    def test_what_one_customers_key_brought_stays_with_that_customer(self, acme_door, event) -> None:
        create_customer(key="globex", name="Globex", now=now())
        acme_door.post(event(customer="globex"))
        row = RejectedEvent.objects.get()
        assert replay(row, by="ops", now=now()).outcome == "rejected"
        del row.received["customer"]
        done = replay(row, by="ops", now=now(), body=json.dumps(row.received).encode())
        assert done.outcome == "accepted" and Event.objects.get().customer_id == row.customer_id

    def test_what_lay_in_the_future_can_be_taken_in_later(self, door, event) -> None:
        ahead = now() + timedelta(hours=1)
        door.post(event(time=ahead.isoformat()))
        row = RejectedEvent.objects.get()
        assert replay(row, by="ops", now=ahead).outcome == "accepted"

    def test_many_are_sent_together_each_to_its_own_end(self, door, event) -> None:
        ahead = now() + timedelta(hours=1)
        door.post([event(id=f"e{n}", time=ahead.isoformat()) for n in range(3)])
        door.post(event(id="e3", quantity="many"))
        door.post(b"{")
        door.post(event(id="e0", time=now().isoformat()))
        rows = list(RejectedEvent.objects.all())
        ends = replay_all(rows, by="ops", now=ahead)
        assert ends == {"accepted": 2, "conflict": 1, "rejected": 1, "skipped": 1}

    def test_what_could_not_be_read_cannot_be_sent_again(self, door) -> None:
        door.post(b"{")
        with pytest.raises(Invalid):
            replay(RejectedEvent.objects.get(), by="ops", now=now())

    def test_a_discarded_one_stays_listed_and_closed(self, door, event) -> None:
        door.post(event(quantity="many"))
        row = RejectedEvent.objects.get()
        assert discard([row], by="ops", now=now()) == 1
        assert discard([row], by="ops", now=now()) == 0
        door.post(event(quantity="many"))
        row.refresh_from_db()
        assert (row.outcome, row.closed_by, row.times_seen) == ("discarded", "ops", 2)


class TestCounting:
    def test_arrivals_are_counted_by_minute_door_and_end(self, door, event) -> None:
        door.post(event())
        door.post([event(), event(id="e2", customer="nobody"), event(id="e3", quantity="many")])
        arrivals.write_arrivals()
        assert counts() == {"accepted": 1, "duplicate": 1, "unmatched": 1, "rejected": 1}
        door.post(event(id="e4"))
        arrivals.write_arrivals()
        assert counts()["accepted"] == 2

    def test_what_cannot_be_written_waits(self, door, event, monkeypatch) -> None:
        door.post(event())
        with monkeypatch.context() as broken:
            broken.setattr(arrivals, "_add_to_table", lambda counts: 1 / 0)
            arrivals.write_arrivals()
        assert not ArrivalCount.objects.exists()
        arrivals.write_arrivals()
        assert counts() == {"accepted": 1}

    def test_counts_that_wait_have_a_bound(self, monkeypatch) -> None:
        start = now()
        for minute in range(arrivals.WAITING_COUNTS_MAX + 10):
            arrivals.count_arrivals(start + timedelta(minutes=minute), "native", {"accepted": 1})
        assert len(arrivals.take_arrivals()) == arrivals.WAITING_COUNTS_MAX

    def test_old_counts_are_forgotten(self) -> None:
        old = now() - timedelta(days=limits.ARRIVALS_DAYS_KEPT, minutes=2)
        arrivals.count_arrivals(old, "native", {"accepted": 1})
        arrivals.count_arrivals(now(), "native", {"accepted": 1})
        arrivals.write_arrivals()
        assert arrivals.forget_old_counts(now=now()) == 1


def counts() -> dict[str, int]:
    found: dict[str, int] = {}
    for outcome, count in ArrivalCount.objects.values_list("outcome", "count"):
        found[outcome] = found.get(outcome, 0) + count
    return found


def create_or_find(key: str) -> int:
    from customers.models import Customer

    return Customer.objects.get(key=key).id


def a_trace(**resource: str) -> dict[str, Any]:
    told = {
        "gen_ai.operation.name": {"stringValue": "chat"},
        "gen_ai.provider.name": {"stringValue": "openai"},
        "gen_ai.response.model": {"stringValue": "gpt-5"},
        "gen_ai.response.id": {"stringValue": "resp_1"},
        "gen_ai.usage.input_tokens": {"intValue": "5"},
        "gen_ai.usage.output_tokens": {"intValue": "2"},
        "gen_ai.input.messages": {"stringValue": "SECRET"},
    }
    at = f"{int(now().timestamp())}000000000"
    span = {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "name": "chat",
        "startTimeUnixNano": at,
        "endTimeUnixNano": at,
        "attributes": [{"key": key, "value": value} for key, value in told.items()],
    }
    attributes = [{"key": f"{name}.id", "value": {"stringValue": value}} for name, value in resource.items()]
    return {"resourceSpans": [{"resource": {"attributes": attributes}, "scopeSpans": [{"spans": [span]}]}]}
