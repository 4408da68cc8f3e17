"""Finding an event wherever it ended, mending what was refused, and taking in what had no customer."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from console.queries import events as event_queries
from console.queries import refused as refused_queries
from core.clock import now
from customers.models import Customer
from metering import arrivals
from metering.models import ArrivalCount, Event, RejectedEvent, UnmatchedEvent
from tests.console.test_pages import rows_of, text_of
from tests.portal.world import Company

PLAIN = {"id": "e1", "customer": "acme", "type": "llm.call", "usage": {"output": 5}}


@pytest.fixture(autouse=True)
def nothing_counted_before() -> None:
    arrivals.take_arrivals()


@pytest.fixture
def send(operator_api: Any) -> Any:
    def post(**fields: Any) -> Any:
        return operator_api.post("/v1/events", PLAIN | fields)

    return post


def page_after(client: Client, path: str, **given: str) -> str:
    return client.post(path, given, follow=True).content.decode()


class TestFinding:
    def test_a_stored_event_is_found_by_its_id_or_its_beginning(
        self, operator: Client, acme: Company
    ) -> None:
        for words in ("acme-3", "acme-", "run-1"):
            page = text_of(operator, "/console/events", q=words)
            assert '<h2 class="first">Stored</h2>' in page and ">acme-" in page

    def test_where_texts_are_not_sorted_by_bytes_ids_are_compared_whole(
        self, operator: Client, acme: Company, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(event_queries, "prefixes_are_indexed", lambda: False)
        assert ">acme-3<" in text_of(operator, "/console/events", q="acme-3")
        assert "has arrived" in text_of(operator, "/console/events", q="acme-")

    def test_a_refused_one_is_found_by_the_same_search(self, operator: Client, send: Any) -> None:
        send(id="lost-1", quantity="many")
        page = text_of(operator, "/console/events", q="lost-1")
        assert "quantity" in page and "<h2>Refused</h2>" in page

    def test_an_unmatched_one_and_a_contradiction_too(
        self, operator: Client, acme: Company, send: Any
    ) -> None:
        send(id="early-1", customer="nobody")
        assert "Waiting for their customer" in text_of(operator, "/console/events", q="early-1")
        send(id="twice")
        send(id="twice", usage={"output": 6})
        page = text_of(operator, "/console/events", q="twice")
        assert "stored with other content" in page and '<h2 class="first">Stored</h2>' in page

    def test_what_never_came_is_said_to_have_never_come(self, operator: Client, acme: Company) -> None:
        page = text_of(operator, "/console/events", q="nothing-like-it")
        assert "has arrived" in page and "401, 403 and 503" in page
        assert "Look among all customers" in text_of(operator, "/console/events", customer="acme", q="none")

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"type": "llm.call"}, True),
            ({"type": "other"}, False),
            ({"door": "native", "model": "gpt-5"}, True),
            ({"door": "otlp"}, False),
            ({"source": "no-such"}, False),
            ({"since": "2001-01-01"}, True),
            ({"until": "2001-01-01"}, False),
            ({"since": "2001-01-01", "until": "2199-01-01", "model": "gpt-5"}, True),
        ],
    )
    def test_filters_narrow_a_customers_events(
        self, operator: Client, acme: Company, query: dict[str, str], found: bool
    ) -> None:
        page = text_of(operator, "/console/events", customer="acme", **query)
        assert (">acme-" in page) is found

    def test_a_rare_filter_looks_at_a_bounded_part_and_goes_on_from_there(
        self, operator: Client, acme: Company, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(event_queries, "SIFTED_MAX", 4)
        page = text_of(operator, "/console/events", customer="acme", type="other")
        assert "Older" in page and "before=9" in page
        assert "Older" not in text_of(operator, "/console/events", customer="acme", type="other", before="4")

    def test_searching_takes_as_many_queries_for_many_customers_as_for_two(
        self, operator: Client, acme: Company, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_max_num_queries(16):
            operator.get("/console/events", {"q": "acme-"})


class TestContradiction:
    def test_both_contents_stand_side_by_side(self, operator: Client, acme: Company, send: Any) -> None:
        send(properties={"feature": "chat"})
        send(properties={"feature": "search"})
        page = text_of(operator, "/console/events", q="e1")
        link = next(part for part in page.split('"') if "/conflicts/" in part)
        told = text_of(operator, link)
        assert "properties.feature" in told and "<strong>search</strong>" in told
        assert told.count("differs</span>") == 1

    def test_also_where_the_first_still_waits(self, operator: Client, send: Any) -> None:
        send(customer="nobody")
        send(customer="nobody", usage={"output": 6})
        page = text_of(operator, "/console/events", q="e1")
        link = next(part for part in page.split('"') if "/conflicts/" in part)
        assert "waits for its customer" in text_of(operator, link)


class TestRefused:
    def test_it_is_listed_with_its_reason_and_narrowed_by_door_code_and_words(
        self, operator: Client, send: Any
    ) -> None:
        send(id="r1", quantity="many")
        send(id="r2", modell="x")
        assert "r1" in text_of(operator, "/console/refused")
        for query in ({"q": "r1"}, {"code": "number"}, {"door": "native", "q": "r1"}):
            page = text_of(operator, "/console/refused", **query)
            assert ">r1<" in page and ">r2<" not in page
        assert "passes these filters" in text_of(operator, "/console/refused", door="otlp")
        assert {row[1] for row in rows_of(operator, "/console/refused?format=csv")[1:]} == {"r1", "r2"}

    def test_mended_on_the_page_it_is_stored(self, operator: Client, acme: Company, send: Any) -> None:
        send(id="r1", quantity="many")
        row = RejectedEvent.objects.get()
        assert "&quot;many&quot;" in text_of(operator, f"/console/refused/{row.id}")
        page = page_after(
            operator, f"/console/refused/{row.id}/replay", body=json.dumps(PLAIN | {"id": "r1"})
        )
        assert "Stored." in page and Event.objects.filter(event_id="r1").exists()
        row.refresh_from_db()
        assert row.closed_by == "ops@example.com"
        assert "Sent again by" in text_of(operator, f"/console/refused/{row.id}")

    def test_still_wrong_it_stays_with_the_new_reason_and_what_was_written(
        self, operator: Client, acme: Company, send: Any
    ) -> None:
        send(id="r1", quantity="many")
        row = RejectedEvent.objects.get()
        page = page_after(
            operator, f"/console/refused/{row.id}/replay", body=json.dumps(PLAIN | {"latency_ms": "soon"})
        )
        assert "refused again" in page and "latency_ms" in page and "soon" in page
        for body in ("{", "[1]", json.dumps([PLAIN, PLAIN]), ""):
            assert "Not s" in page_after(operator, f"/console/refused/{row.id}/replay", body=body)
        assert RejectedEvent.objects.get().closed_at is None

    def test_all_that_pass_the_filter_are_settled_together(
        self, operator: Client, acme: Company, send: Any
    ) -> None:
        for n in range(3):
            send(id=f"late-{n}", time=(now() + timedelta(minutes=6)).isoformat())
        send(id="r1", quantity="many")
        RejectedEvent.objects.filter(code="in_future").update(received=PLAIN | {"id": "late"})
        page = page_after(operator, "/console/refused/all", act="replay", code="in_future")
        assert "1 stored" in page and "2 stored already" in page
        assert "1 given up." in page_after(operator, "/console/refused/all", act="discard")
        assert not RejectedEvent.objects.filter(closed_at=None).exists()

    def test_one_is_given_up(self, operator: Client, send: Any) -> None:
        send(quantity="many")
        row = RejectedEvent.objects.get()
        assert "Given up" in page_after(operator, f"/console/refused/{row.id}/discard")
        assert "settled already" in page_after(operator, f"/console/refused/{row.id}/discard")

    def test_what_could_not_be_kept_is_told(self, operator: Client) -> None:
        ArrivalCount.objects.create(minute=now(), door="native", outcome="lost", count=7)
        assert "7 refused events were" in text_of(operator, "/console/refused")


class TestUnmatched:
    def test_keys_are_listed_with_what_waits_under_them(self, operator: Client, send: Any) -> None:
        for n in range(3):
            send(id=f"u{n}", customer="new-co")
        page = text_of(operator, "/console/unmatched")
        assert "new-co" in page
        assert rows_of(operator, "/console/unmatched?format=csv")[1][:2] == ["new-co", "3"]
        assert "3 events wait" in text_of(operator, "/console/unmatched/key", key="new-co")

    def test_a_key_is_found_however_many_begin_like_it(
        self, operator: Client, send: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(refused_queries, "KEYS_MAX", 1)
        send(id="u1", customer="new")
        for n in range(2):
            send(id=f"v{n}", customer="new-co")
        assert "1 event waits" in text_of(operator, "/console/unmatched/key", key="new")

    def test_making_the_customer_takes_them_in(self, operator: Client, send: Any) -> None:
        send(customer="new-co")
        page = page_after(
            operator,
            "/console/unmatched/create",
            key="new-co",
            name="New Co",
            currency="eur",
            timezone="Europe/Berlin",
        )
        made = Customer.objects.get(key="new-co")
        assert "New Co is made, and 1 waiting event was taken in." in page and made.currency == "EUR"
        assert Event.objects.filter(customer_id=made.id, event_id="e1").exists()

    @pytest.mark.parametrize(
        ("currency", "zone"), [("XXX!", "UTC"), ("USD", "Mars/Olympus"), ("", "UTC"), ("USD", "")]
    )
    def test_a_wrong_currency_or_zone_makes_nobody(
        self, operator: Client, send: Any, currency: str, zone: str
    ) -> None:
        send(customer="new-co")
        page = page_after(
            operator, "/console/unmatched/create", key="new-co", currency=currency, timezone=zone
        )
        assert "No customer was made" in page and not Customer.objects.filter(key="new-co").exists()

    def test_they_are_taken_in_for_another_customer_and_say_so(
        self, operator: Client, acme: Company, send: Any
    ) -> None:
        send(customer="acme-typo")
        page = page_after(operator, "/console/unmatched/assign", key="acme-typo", customer="acme")
        assert "1 taken in for" in page
        stored = Event.objects.get(customer_id=acme.customer.id, event_id="e1")
        told = text_of(operator, f"/console/events/{acme.customer.id}/{stored.seq}")
        assert "It named “acme-typo”" in told and "ops@example.com took it in" in told
        assert send(customer="acme").json()["duplicates"] == 1
        send(id="e2", customer="acme-typo")
        assert UnmatchedEvent.objects.get(matched_at=None).event_id == "e2"

    def test_nobody_unknown_can_be_given_them(self, operator: Client, send: Any) -> None:
        send(customer="acme-typo")
        page = page_after(operator, "/console/unmatched/assign", key="acme-typo", customer="ghost")
        assert "no customer has the key" in page and UnmatchedEvent.objects.get().matched_at is None

    def test_given_up_they_are_not_taken_in_when_the_customer_comes(
        self, operator: Client, send: Any
    ) -> None:
        send(customer="new-co")
        assert "1 event was of “new-co” given up" in page_after(
            operator, "/console/unmatched/discard", key="new-co"
        )
        Customer.objects.create(key="new-co", name="New", created_at=now())
        from metering.events import take_in_all_unmatched

        assert take_in_all_unmatched(now=now()) == 0
        assert not Event.objects.filter(event_id="e1").exists()
        assert "given up by ops@example.com" in text_of(operator, "/console/events", q="e1")

    def test_a_key_under_which_nothing_waits_is_404(self, operator: Client) -> None:
        assert operator.get("/console/unmatched/key", {"key": "none"}).status_code == 404


class TestTakingInForAnother:
    def test_what_a_dead_process_left_the_sweep_takes_in(self, acme: Company, send: Any) -> None:
        from metering.events import take_in_all_unmatched, take_in_for

        for n in range(3):
            send(id=f"u{n}", customer="typo")
        take_in_for("typo", acme.customer, by="ops", now=now(), most=0)
        UnmatchedEvent.objects.filter(event_id="u2").update(matched_at=None)
        assert take_in_all_unmatched(now=now()) == 1
        assert Event.objects.filter(customer_id=acme.customer.id, event_id__startswith="u").count() == 3
        assert not UnmatchedEvent.objects.filter(matched_at=None).exists()


class TestArrivals:
    def test_it_shows_counts_by_minute_and_door(self, operator: Client, acme: Company, send: Any) -> None:
        send()
        send()
        send(id="r1", quantity="many")
        arrivals.write_arrivals()
        page = text_of(operator, "/console/arrivals")
        assert "<strong>3 events</strong> came in" in page and "Stored already" in page
        assert "native" in page and "data-refreshes" in page
        for query in ({"window": "day"}, {"window": "week"}, {"window": "odd"}, {"door": "otlp"}):
            text_of(operator, "/console/arrivals", **query)

    def test_it_says_how_far_rating_is_behind(self, operator: Client, acme: Company, send: Any) -> None:
        assert "all that is stored is rated" in text_of(operator, "/console/arrivals")
        send()
        assert "<strong>1 waits</strong> to be rated" in text_of(operator, "/console/arrivals")

    def test_an_empty_one_teaches(self, operator: Client) -> None:
        assert "Nothing came in this time" in text_of(operator, "/console/arrivals")

    def test_it_reads_no_events(
        self, operator: Client, acme: Company, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_max_num_queries(12):
            operator.get("/console/arrivals")


class TestTrying:
    def test_receipts_are_shown_and_nothing_is_stored(self, operator: Client, acme: Company) -> None:
        before = Event.objects.count()
        body = json.dumps(PLAIN | {"id": "try-1", "provider": "openai", "model": "gpt-5"})
        page = operator.post("/console/try", {"door": "native", "body": body}).content.decode()
        assert "would be rated" in page and "0.0006172835" in page
        assert Event.objects.count() == before and "for real" in page

    def test_errors_name_their_fields(self, operator: Client, acme: Company) -> None:
        for body in (json.dumps(PLAIN | {"quantity": "many"}), "{", "[]"):
            page = operator.post("/console/try", {"door": "native", "body": body}).content.decode()
            assert "would be refused" in page
        assert not RejectedEvent.objects.exists()

    @pytest.mark.parametrize(
        ("door", "body"),
        [
            ("native", PLAIN | {"customer": "acme"}),
            ("cloudevents", {"specversion": "1.0", "id": "c", "source": "s", "type": "t", "subject": "acme"}),
            ("openmeter", [{"specversion": "1.0", "id": "c", "source": "s", "type": "t", "subject": "acme"}]),
            ("lago", {"transaction_id": "t", "external_subscription_id": "acme", "code": "x"}),
            ("lago", {"events": [{"transaction_id": "t", "external_subscription_id": "acme", "code": "x"}]}),
            (
                "litellm",
                {"litellm_call_id": "c", "end_user": "acme", "prompt_tokens": 3, "completion_tokens": 1},
            ),
        ],
    )
    def test_every_doors_shape_is_read(self, operator: Client, acme: Company, door: str, body: Any) -> None:
        page = operator.post("/console/try", {"door": door, "body": json.dumps(body)}).content.decode()
        assert "It would cost" in page

    def test_lines_of_events_are_read(self, operator: Client, acme: Company) -> None:
        lines = "\n".join(json.dumps(PLAIN | {"id": f"n{n}"}) for n in range(2))
        page = operator.post("/console/try", {"door": "native", "body": lines}).content.decode()
        assert page.count("It would cost") == 2

    def test_sending_needs_the_customer_and_its_key_once_more(self, operator: Client, acme: Company) -> None:
        given = {"door": "native", "body": json.dumps(PLAIN | {"id": "real"}), "customer": "acme"}
        assert "Send 1 event for real" in operator.post("/console/try", given).content.decode()
        assert "Nothing was sent" in page_after(operator, "/console/try/send", **given, sure="acm")
        assert "1 stored." in page_after(operator, "/console/try/send", **given, sure="acme")
        assert "1 stored already" in page_after(operator, "/console/try/send", **given, sure="acme")
        other = given | {"body": json.dumps(PLAIN | {"id": "other", "customer": "globex"})}
        assert "refused" in page_after(operator, "/console/try/send", **other, sure="acme")
        assert Event.objects.filter(event_id__in=["real", "other"]).count() == 1


class TestStory:
    def test_it_tells_the_way_from_the_report_to_the_meters(
        self, operator: Client, acme: Company, operator_api: Any
    ) -> None:
        sent = {
            **{"id": "whole", "customer": "acme", "type": "llm.call", "provider": "openai", "model": "gpt-5"},
            "api": "chat.completions",
            "response": {
                "usage": {
                    "prompt_tokens": 12,
                    "completion_tokens": 3,
                    "total_tokens": 15,
                    "prompt_tokens_details": {"cached_tokens": 8},
                }
            },
        }
        assert operator_api.post("/v1/events", sent).status_code == 200
        seq = Event.objects.get(event_id="whole").seq
        page = text_of(operator, f"/console/events/{acme.customer.id}/{seq}")
        assert '− <span class="fixed">prompt_tokens_details.cached_tokens</span>' in page
        assert "Every total that the provider told agrees." in page
        assert "output_tokens" in page and "counts</span>" in page

    def test_a_meter_that_does_not_count_says_why(
        self, operator: Client, acme: Company, operator_api: Any
    ) -> None:
        meter = {
            **{"key": "opus", "event_type": "llm.call", "aggregation": "count"},
            "filter": {"model": ["claude-opus-4-5"]},
        }
        assert operator_api.post("/v1/meters", meter).status_code == 201
        row = Event.objects.filter(customer_id=acme.customer.id, model="gpt-5")[0]
        page = text_of(operator, f"/console/events/{acme.customer.id}/{row.seq}")
        assert "model is gpt-5; counted: claude-opus-4-5" in page

    def test_price_rows_stand_with_their_dates(self, operator: Client, acme: Company) -> None:
        row = Event.objects.filter(customer_id=acme.customer.id, model="gpt-5")[0]
        page = text_of(operator, f"/console/events/{acme.customer.id}/{row.seq}")
        assert "The price rows in full" in page and "a newer row" in page
