"""POST and GET /v1/events, as clients see them."""

import gzip
import json
from datetime import timedelta

import pytest
import time_machine

from core import limits
from core.clock import now
from customers.customers import create_customer
from metering.dry_run import hand_over_dry_run
from metering.models import Event, EventConflict, EventStream, UnmatchedEvent
from tests.metering.formats.otlp_exports import export, span
from tests.metering.formats.test_litellm import payload

pytestmark = pytest.mark.django_db


class TestOneEvent:
    def test_it_is_accepted_once_and_a_duplicate_ever_after(self, door, event) -> None:
        assert door.post(event()).json() == {"accepted": 1, "duplicates": 0, "rejected": []}
        assert door.post(event()).json() == {"accepted": 0, "duplicates": 1, "rejected": []}
        assert Event.objects.count() == 1

    def test_other_content_under_its_id_is_refused_and_both_hashes_are_kept(self, door, event) -> None:
        door.post(event())
        for _ in range(2):
            answer = door.post(event(usage={"input": 6}))
            assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
            assert answer["Content-Type"] == "application/problem+json"
        assert Event.objects.get().usage == {"input": "5"}
        conflict = EventConflict.objects.get()
        assert bytes(conflict.stored_hash) == bytes(Event.objects.get().content_hash)
        assert bytes(conflict.received_hash) != bytes(conflict.stored_hash)
        assert conflict.received["usage"] == {"input": "6"}

    def test_the_same_meaning_written_otherwise_is_a_duplicate(self, door, event) -> None:
        at = now().replace(microsecond=0)
        first = event(time=f"{at:%Y-%m-%dT%H:%M:%SZ}", quantity="2", properties={"a": 1, "b": "x", "c": 1.50})
        again = event(
            properties={"c": "1.5", "b": "x", "a": "1"},
            quantity=2.0,
            time=(at + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+02:00"),
            usage={"input": "5.0", "output": 0},
        )
        assert door.post(first).json()["accepted"] == 1
        assert door.post(again).json()["duplicates"] == 1

    def test_its_source_is_part_of_its_identity(self, door, event) -> None:
        door.post(event())
        assert door.post(event(source="other")).json()["accepted"] == 1

    def test_without_an_id_it_is_refused_with_the_reason(self, door, event) -> None:
        fields = event()
        del fields["id"]
        answer = door.post(fields)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "id"
        assert "counted twice" in answer.json()["detail"]

    @pytest.mark.parametrize(
        ("offset", "code"),
        [
            (timedelta(seconds=limits.EVENT_FUTURE_SECONDS_MAX), None),
            (timedelta(seconds=limits.EVENT_FUTURE_SECONDS_MAX + 1), "in_future"),
            (-timedelta(days=limits.EVENT_AGE_DAYS_MAX), None),
            (-timedelta(days=limits.EVENT_AGE_DAYS_MAX, seconds=1), "too_old"),
        ],
    )
    def test_its_time_lies_between_400_days_ago_and_five_minutes_ahead(
        self, door, event, offset, code
    ) -> None:
        with time_machine.travel(now(), tick=False):
            answer = door.post(event(time=(now() + offset).isoformat()))
        assert answer.status_code == (422 if code else 200)
        assert answer.json().get("code") == code

    def test_all_wrong_fields_are_named_at_once(self, door) -> None:
        answer = door.post({"id": "a b", "customer": "acme", "modell": "x", "run": {"step": -1}})
        assert {(error["field"], error["code"]) for error in answer.json()["errors"]} == {
            ("id", "id"),
            ("type", "required"),
            ("run.step", "integer"),
            ("run.id", "required"),
            ("modell", "unknown_field"),
        }

    def test_a_providers_response_is_made_disjoint_and_its_usage_kept(self, door, event) -> None:
        usage = {
            "prompt_tokens": 10,
            "completion_tokens": 4,
            "prompt_tokens_details": {"cached_tokens": 6},
        }
        fields = event(
            provider="openai", response={"model": "gpt-4o-2024-08-06", "usage": usage, "junk": 1.5e-7}
        )
        del fields["usage"]
        assert door.post(fields).json()["accepted"] == 1
        stored = Event.objects.get()
        assert stored.usage == {"input": "4", "cache_read": "6", "output": "4"}
        assert stored.model == "gpt-4o-2024-08-06"
        assert stored.raw["usage"] == usage

    def test_usage_and_response_together_are_refused(self, door, event) -> None:
        answer = door.post(event(provider="openai", response={}))
        assert answer.json()["errors"][0]["field"] == "response"


class TestABatch:
    def test_it_is_answered_event_by_event(self, door, event) -> None:
        door.post(event(id="known"))
        batch = [
            event(id="new"),
            event(id="known"),
            event(id="known", usage={"input": 6}),
            event(id="wrong", usage={"output": "-1"}),
            event(id="new"),
        ]
        body = door.post(batch).json()
        assert (body["accepted"], body["duplicates"]) == (1, 2)
        assert [(one["index"], one["id"], one["code"]) for one in body["rejected"]] == [
            (2, "known", "conflict"),
            (3, "wrong", "usage"),
        ]
        assert body["rejected"][1]["detail"].startswith("events[3].usage.output: ")

    def test_sent_again_whole_it_is_all_duplicates(self, door, event) -> None:
        batch = [event(id=f"e{n}") for n in range(100)] + [event(id="bad", quantity="-1")]
        assert door.post({"events": batch}).json()["accepted"] == 100
        body = door.post({"events": batch}).json()
        assert (body["accepted"], body["duplicates"], len(body["rejected"])) == (0, 100, 1)
        assert Event.objects.count() == EventStream.objects.get().last_seq == 100

    def test_lines_of_json_are_a_batch(self, door, event) -> None:
        lines = "\n".join(json.dumps(event(id=f"e{n}")) for n in range(3)) + "\n\n"
        assert door.post(lines, content_type="application/x-ndjson").json()["accepted"] == 3

    def test_with_nothing_good_it_is_422_and_every_error_is_named(self, door, event) -> None:
        answer = door.post([event(type=""), event(id="x", quantity="1e5")])
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [
            "events[0].type",
            "events[1].quantity",
        ]
        assert answer.json()["accepted"] == 0

    @pytest.mark.parametrize(("count", "status"), [(0, 422), (limits.BATCH_EVENTS_MAX + 1, 422)])
    def test_it_has_one_to_a_thousand_events(self, door, event, count, status) -> None:
        answer = door.post([event(id=f"e{n}") for n in range(count)])
        assert answer.status_code == status
        assert answer.json()["errors"][0]["field"] == "events"

    def test_a_thousand_events_fit(self, door, event) -> None:
        answer = door.post([event(id=f"e{n}") for n in range(limits.BATCH_EVENTS_MAX)])
        assert answer.json()["accepted"] == limits.BATCH_EVENTS_MAX

    def test_customers_may_be_mixed(self, door, event) -> None:
        bolt = create_customer(key="bolt", name="Bolt", now=now())
        batch = [event(id=f"e{n}", customer="bolt" if n % 2 else "acme") for n in range(10)]
        assert door.post(batch).json()["accepted"] == 10
        assert Event.objects.filter(customer_id=bolt.id).count() == 5

    def test_packed_by_gzip_it_is_read_and_a_bomb_is_stopped(self, door, event) -> None:
        packed = gzip.compress(json.dumps([event()]).encode())
        assert door.post(packed, **{"Content-Encoding": "gzip"}).json()["accepted"] == 1
        bomb = gzip.compress(b" " * (limits.BODY_BYTES_MAX + 1))
        assert door.post(bomb, **{"Content-Encoding": "gzip"}).status_code == 413


class TestAnUnknownCustomer:
    def test_its_events_wait_and_are_counted_apart(self, door, event) -> None:
        body = door.post([event(id="a", customer="later"), event(id="b")]).json()
        assert (body["accepted"], body["unmatched"]) == (2, 1)
        assert UnmatchedEvent.objects.get().customer_key == "later"

    def test_they_keep_their_identity_while_they_wait(self, door, event) -> None:
        door.post(event(customer="later"))
        assert door.post(event(customer="later")).json()["duplicates"] == 1
        assert door.post(event(customer="later", type="other")).status_code == 409
        assert UnmatchedEvent.objects.count() == 1


class TestACustomersKey:
    def test_names_the_customer_itself(self, acme_door, event, acme) -> None:
        fields = event()
        del fields["customer"]
        assert acme_door.post(fields).json()["accepted"] == 1
        assert Event.objects.get().customer_id == acme.id

    def test_may_not_name_another(self, acme_door, event) -> None:
        create_customer(key="bolt", name="Bolt", now=now())
        answer = acme_door.post(event(customer="bolt"))
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "customer"
        assert not Event.objects.exists()

    def test_lists_its_own_events_alone(self, door, acme_door, event) -> None:
        create_customer(key="bolt", name="Bolt", now=now())
        door.post([event(id="mine"), event(id="theirs", customer="bolt")])
        assert [row["id"] for row in acme_door.get().json()["results"]] == ["mine"]
        assert acme_door.get("?customer=bolt").status_code == 404


class TestADryRun:
    def test_it_answers_receipts_and_stores_nothing(self, door, event, monkeypatch) -> None:
        monkeypatch.setattr("metering.dry_run._dry_run", None)
        hand_over_dry_run(lambda events, operator: [{"id": one.id, "operator": operator} for one in events])
        body = door.post([event(), event(id="bad", quantity="x")], "?dry_run=true").json()
        assert body["receipts"] == [{"id": "e1", "operator": True}]
        assert body["rejected"][0]["index"] == 1
        assert not Event.objects.exists()

    @pytest.mark.parametrize("wish", ["dryrun=true", "dry_run=yes", "dry_run=true&dry_run=false"])
    def test_a_misspelled_wish_stores_nothing_either(self, door, event, wish) -> None:
        assert door.post(event(), f"?{wish}").status_code == 422
        assert not Event.objects.exists()

    @pytest.mark.parametrize(
        "address", ["/v1/litellm", "/v1/traces", "/api/v1/events", "/api/v1/events/batch"]
    )
    def test_a_door_that_knows_none_stores_nothing(self, door, address) -> None:
        sent = [payload()] if address == "/v1/litellm" else export(span())
        answer = door.client.post(
            f"{address}?dry_run=true",
            json.dumps(sent),
            content_type="application/json",
            headers={"Authorization": f"Bearer {door.key}"},
        )
        assert answer.status_code in (400, 422)
        assert b"Only /v1/events takes it" in answer.content
        assert not Event.objects.exists()


class TestTheList:
    def test_it_is_newest_first_and_walked_by_the_cursor(self, door, event) -> None:
        at = now()
        door.post([event(id=f"e{n}", time=(at - timedelta(minutes=n // 2)).isoformat()) for n in range(5)])
        seen, query = [], "?customer=acme&limit=2"
        while query:
            page = door.get(query).json()
            seen += [row["id"] for row in page["results"]]
            query = page["next"] and f"?customer=acme&limit=2&cursor={page['next']}"
        assert seen == ["e1", "e0", "e3", "e2", "e4"]

    @pytest.mark.parametrize(
        "query",
        [
            "type=b",
            "model=m",
            "provider=p",
            "run=r",
            "status=error",
            "property=team:x%3Ay",
            "status=unpriced",
        ],
    )
    def test_it_is_filtered(self, door, event, query) -> None:
        plain = event(id="plain", usage={})
        told = event(
            id="told",
            type="b",
            model="m",
            provider="p",
            run={"id": "r"},
            status="error",
            properties={"team": "x:y"},
        )
        door.post([plain, told])
        assert [row["id"] for row in door.get(f"?customer=acme&{query}").json()["results"]] == ["told"]

    def test_a_span_of_time_is_half_open(self, door, event) -> None:
        times = ["2026-11-20T00:00:00Z", "2026-11-20T01:00:00Z"]
        at = now()
        times = [f"{at - timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}" for hours in (2, 1)]
        door.post([event(id=f"e{n}", time=time) for n, time in enumerate(times)])
        rows = door.get(f"?customer=acme&since={times[0]}&until={times[1]}").json()["results"]
        assert [row["id"] for row in rows] == ["e0"]

    def test_it_shows_no_cost(self, door, event) -> None:
        door.post(event())
        assert not {"cost", "cost_rows", "unpriced"} & door.get("?customer=acme").json()["results"][0].keys()

    @pytest.mark.parametrize(
        "query", ["", "?customer=acme&tpye=x", "?customer=acme&cursor=zz", "?customer=acme&since=x"]
    )
    def test_a_wrong_query_is_named(self, door, query) -> None:
        answer = door.get(query)
        assert answer.status_code == 422
        assert answer.json()["errors"]


class TestWhoMaySend:
    def test_a_key_is_needed_and_the_scope_too(self, client, acme, event) -> None:
        from customers.api_keys import create_api_key

        body = json.dumps(event())
        assert client.post("/v1/events", body, content_type="application/json").status_code == 401
        reader = create_api_key(name="r", scopes=["read"], now=now())[1]
        answer = client.post(
            "/v1/events", body, content_type="application/json", headers={"Authorization": f"Bearer {reader}"}
        )
        assert answer.status_code == 403
        assert not Event.objects.exists()
