"""Past usage from a file: what it would change is shown, then it counts, and can be taken back to the last digit."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.models import Invoice
from core.clock import now as present
from core.due_work import run_due
from core.failpoints import armed
from metering.models import Event, WithdrawnEvent
from tests.billing.backfills.world import act, create, csv_of, row, send, work
from tests.billing.test_path import breaches
from tests.billing.world import START, a_customer, a_meter, a_plan, call, subscribe, use

pytestmark = pytest.mark.django_db
PER_TOKEN = {"key": "tokens", "meter": "tokens", "model": "per_unit", "unit_price": "0.001"}
LATER = datetime(2026, 1, 20, tzinfo=UTC)


@pytest.fixture(autouse=True)
def in_january(time_machine: Any) -> None:
    time_machine.move_to(LATER, tick=False)


@pytest.fixture
def acme() -> Any:
    customer = a_customer()
    a_meter("tokens", "usage.input")
    subscribe(customer, a_plan([PER_TOKEN]))
    return customer


def owed(api: Any) -> int:
    return int(api.get("/v1/customers/acme/spend").json()["subtotal_minor"])


def test_a_file_is_seen_before_it_counts_and_then_counts(operator_api: Any, acme: Any) -> None:
    use(acme, call("e1", START + timedelta(days=1), usage={"input": 1000}))
    id = create(operator_api, customer="acme", note="a lost day", defaults={"source": "test"})
    body = send(
        operator_api,
        id,
        csv_of(
            row("e2", "2026-01-05T10:00:00Z"),
            row("e3", "2026-01-05T11:00:00Z", tokens=2000),
            row("e3", "2026-01-05T11:00:00Z", tokens=2000),
            row("e4", "2026-01-05T11:00:00Z", tokens="many"),
        ),
    )
    assert body["state"] == "ready", body
    assert {name: count for name, count in body["outcomes"].items() if count} == {
        "new": 2,
        "duplicate": 1,
        "rejected": 1,
    }
    assert body["total"]["charges"] == {"USD": {"open": 300}}
    assert owed(operator_api) == 100
    body = act(operator_api, id, "close")
    assert body["state"] == "closed", body
    assert owed(operator_api) == 400
    assert breaches() == []
    body = act(operator_api, id, "revert")
    assert body["state"] == "reverted", body
    assert owed(operator_api) == 100
    assert Event.objects.count() == 1
    assert WithdrawnEvent.objects.count() == 2
    assert breaches() == []


def finish(month_end: datetime) -> None:
    for _ in range(2):
        run_due(month_end + timedelta(hours=2))


@pytest.fixture
def january_invoiced(acme: Any, time_machine: Any) -> Any:
    use(acme, call("e1", START + timedelta(days=1), usage={"input": 1000}))
    finish(datetime(2026, 2, 1, tzinfo=UTC))
    time_machine.move_to(datetime(2026, 2, 10, tzinfo=UTC), tick=False)
    assert Invoice.objects.get(kind="period").total_minor == 100
    return acme


def file_of_january(api: Any) -> str:
    id = create(api, customer="acme")
    rows = [row("e2", "2026-01-05T10:00:00Z", tokens=3000), row("e3", "2026-02-05T10:00:00Z")]
    assert send(api, id, csv_of(*rows))["state"] == "ready"
    return id


class TestRowsOfInvoicedPeriods:
    def test_closing_is_refused_with_the_invoices_named(
        self, operator_api: Any, january_invoiced: Any
    ) -> None:
        id = file_of_january(operator_api)
        refused = operator_api.post(f"/v1/backfills/{id}/close", {})
        assert (refused.status_code, refused.json()["code"]) == (409, "periods_finalized")
        (period,) = refused.json()["finalized"]
        assert (period["customer"], period["invoice"], period["rows"]) == ("acme", "BL-000001", 1)
        assert '"correct"' in refused.json()["detail"]
        assert Event.objects.count() == 1

    def test_corrected_they_are_a_line_of_the_next_invoice(
        self, operator_api: Any, january_invoiced: Any
    ) -> None:
        act(operator_api, file_of_january(operator_api), "close", {"finalized": "correct"})
        finish(datetime(2026, 3, 1, tzinfo=UTC))
        lines = operator_api.get("/v1/invoices").json()["results"][0]["lines"]
        assert [(line["kind"], line["amount_minor"]) for line in lines if line["amount_minor"]] == [
            ("usage", 100),
            ("correction", 300),
        ]
        assert breaches() == []

    def test_skipped_they_do_not_count(self, operator_api: Any, january_invoiced: Any) -> None:
        body = act(operator_api, file_of_january(operator_api), "close", {"finalized": "skip"})
        assert (body["outcomes"]["stored"], body["outcomes"]["skipped"]) == (1, 1)
        assert sorted(Event.objects.values_list("event_id", flat=True)) == ["e1", "e3"]

    def test_taken_back_after_they_were_billed_the_next_invoice_gives_them_back(
        self, operator_api: Any, january_invoiced: Any, time_machine: Any
    ) -> None:
        id = file_of_january(operator_api)
        act(operator_api, id, "close", {"finalized": "correct"})
        finish(datetime(2026, 3, 1, tzinfo=UTC))
        time_machine.move_to(datetime(2026, 3, 5, tzinfo=UTC), tick=False)
        assert act(operator_api, id, "revert")["state"] == "reverted"
        assert breaches() == []
        finish(datetime(2026, 4, 1, tzinfo=UTC))
        totals = [i.subtotal_minor for i in Invoice.objects.filter(kind="period").order_by("period_start")]
        assert totals == [100, 400, -400]
        assert breaches() == []

    def test_a_period_that_is_invoiced_while_it_is_closed_is_left_out(
        self, operator_api: Any, acme: Any, time_machine: Any
    ) -> None:
        id = create(operator_api, customer="acme")
        send(operator_api, id, csv_of(row("e2", "2026-01-05T10:00:00Z")))
        assert operator_api.post(f"/v1/backfills/{id}/close", {}).json()["state"] == "closing"
        finish(datetime(2026, 2, 1, tzinfo=UTC))
        time_machine.move_to(datetime(2026, 2, 10, tzinfo=UTC), tick=False)
        body = operator_api.get(f"/v1/backfills/{id}").json()
        # Whichever of the two came first, no row lies unseen in an issued period.
        assert body["state"] == "closed"
        assert body["outcomes"]["stored"] + body["outcomes"]["skipped"] == 1
        assert breaches() == []


class TestWhoseAnEventIs:
    def test_one_that_its_client_sends_too_stays_when_the_file_is_taken_back(
        self, operator_api: Any, acme: Any
    ) -> None:
        id = create(operator_api, customer="acme")
        send(operator_api, id, csv_of(row("e2", "2026-01-05T10:00:00Z"), row("e3", "2026-01-05T10:00:00Z")))
        act(operator_api, id, "close")
        same = {
            "id": "e2",
            "customer": "acme",
            "type": "llm.call",
            "time": "2026-01-05T10:00:00Z",
            "provider": "acme-ai",
            "model": "m-1",
            "usage": {"input": 1000},
            "properties": {"feature": "chat"},
        }
        assert operator_api.post("/v1/events", same).json()["duplicates"] == 1
        body = act(operator_api, id, "revert")
        assert (body["outcomes"]["kept"], body["outcomes"]["withdrawn"]) == (1, 1)
        assert [event.event_id for event in Event.objects.all()] == ["e2"]
        assert owed(operator_api) == 100
        assert breaches() == []

    def test_one_that_a_later_file_brings_too_becomes_that_files(self, operator_api: Any, acme: Any) -> None:
        ids = []
        for _ in range(2):
            ids.append(create(operator_api, customer="acme"))
            send(operator_api, ids[-1], csv_of(row("e2", "2026-01-05T10:00:00Z")))
            act(operator_api, ids[-1], "close")
        assert act(operator_api, ids[0], "revert")["outcomes"]["kept"] == 1
        assert owed(operator_api) == 100
        assert act(operator_api, ids[1], "revert")["outcomes"]["withdrawn"] == 1
        assert owed(operator_api) == 0

    def test_taken_back_it_says_so_and_its_identity_is_free(self, operator_api: Any, acme: Any) -> None:
        id = create(operator_api, customer="acme")
        send(operator_api, id, csv_of(row("e2", "2026-01-05T10:00:00Z")))
        act(operator_api, id, "close")
        act(operator_api, id, "revert")
        receipt = operator_api.get("/v1/events/e2/receipt").json()
        assert (receipt["status"], receipt["withdrawn"]["backfill"]) == ("withdrawn", id)
        again = create(operator_api, customer="acme")
        assert send(operator_api, again, csv_of(row("e2", "2026-01-05T10:00:00Z", tokens=7)))["outcomes"][
            "new"
        ]
        act(operator_api, again, "close")
        assert operator_api.get("/v1/events/e2/receipt").json()["status"] == "unpriced"
        assert breaches() == []

    def test_a_file_checked_before_another_was_taken_back_brings_what_is_gone(
        self, operator_api: Any, acme: Any
    ) -> None:
        first, second = create(operator_api, customer="acme"), create(operator_api, customer="acme")
        send(operator_api, first, csv_of(row("e2", "2026-01-05T10:00:00Z")))
        act(operator_api, first, "close")
        assert send(operator_api, second, csv_of(row("e2", "2026-01-05T10:00:00Z")))["outcomes"]["duplicate"]
        act(operator_api, first, "revert")
        assert act(operator_api, second, "close")["outcomes"]["stored"] == 1
        assert owed(operator_api) == 100


RESPONSE = "chatcmpl-CqTPhRbEz7KwR5q"
OF_A_CALL = "id,customer,type,time,provider,model,input,output,response_id"


class TestACallThatItsOwnClientReportsToo:
    """Under ids of their own: what both know is the provider's id for the call."""

    @pytest.fixture
    def brought(self, operator_api: Any, acme: Any) -> str:
        id = create(operator_api, customer="acme")
        cells = f"b1,acme,llm.call,2026-01-05T10:00:00Z,acme-ai,m-1,1000,10,{RESPONSE}"
        send(operator_api, id, csv_of(cells, head=OF_A_CALL))
        return id

    def report(self, api: Any, **usage: int) -> Any:
        event = {"id": "live", "source": "app", "customer": "acme", "type": "llm.call", "usage": usage}
        told = {"provider": "acme-ai", "model": "m-1", "response_id": RESPONSE}
        return api.post("/v1/events", event | told | {"time": "2026-01-05T10:00:00Z"}).json()

    def places_taken(self, api: Any, time_machine: Any) -> None:
        time_machine.shift(600)
        run_due(present())

    def test_told_that_it_is_a_duplicate_it_is_not_lost_with_the_file(
        self, operator_api: Any, brought: str
    ) -> None:
        act(operator_api, brought, "close")
        assert self.report(operator_api, input=1000, output=10)["duplicates"] == 1
        act(operator_api, brought, "revert")
        assert owed(operator_api) == 100
        assert breaches() == []

    def test_accepted_as_a_richer_report_it_is_not_lost_with_the_file(
        self, operator_api: Any, brought: str, time_machine: Any
    ) -> None:
        act(operator_api, brought, "close")
        assert self.report(operator_api, input=400, cache_read=600, output=10)["accepted"] == 1
        act(operator_api, brought, "revert")
        self.places_taken(operator_api, time_machine)
        assert owed(operator_api) == 40
        assert [event.event_id for event in Event.objects.all()] == ["live"]
        assert breaches() == []

    @pytest.mark.parametrize("reverted", ["while it waits", "when it counts"])
    def test_told_first_it_stays_when_a_file_that_tells_more_is_taken_back(
        self, operator_api: Any, acme: Any, time_machine: Any, reverted: str
    ) -> None:
        self.report(operator_api, input=1000, output=10)
        id = create(operator_api, customer="acme")
        cells = f"b1,acme,llm.call,2026-01-05T10:00:00Z,acme-ai,m-1,400,600,10,{RESPONSE}"
        head = OF_A_CALL.replace("output", "cache_read,output")
        assert send(operator_api, id, csv_of(cells, head=head))["outcomes"]["new"] == 1
        act(operator_api, id, "close")
        if reverted == "when it counts":
            self.places_taken(operator_api, time_machine)
            assert owed(operator_api) == 40
        act(operator_api, id, "revert")
        self.places_taken(operator_api, time_machine)
        assert owed(operator_api) == (40 if reverted == "when it counts" else 100)
        assert breaches() == []


class TestTheWayOfAFile:
    def test_parts_are_put_together(self, operator_api: Any, acme: Any) -> None:
        id = create(operator_api, customer="acme")
        content = csv_of(row("e2", "2026-01-05T10:00:00Z"))
        for number, part in enumerate((content[:50], content[50:]), start=1):
            sent = operator_api.send("PUT", f"/v1/backfills/{id}/file/parts/{number}", part)
            assert sent.status_code == 200, sent.content
        assert operator_api.post(f"/v1/backfills/{id}/check", {}).json()["state"] == "checking"
        assert work(operator_api, id)["outcomes"]["new"] == 1

    def test_the_whole_file_takes_the_place_of_parts_that_came_before(
        self, operator_api: Any, acme: Any
    ) -> None:
        id, content = create(operator_api, customer="acme"), csv_of(row("e2", "2026-01-05T10:00:00Z"))
        operator_api.send("PUT", f"/v1/backfills/{id}/file/parts/7", b"x" * 5_000)
        whole = operator_api.send("PUT", f"/v1/backfills/{id}/file", content).json()
        assert whole["file"]["bytes"] == len(content)
        assert work(operator_api, id)["outcomes"]["new"] == 1

    def test_a_missing_part_is_named(self, operator_api: Any, acme: Any) -> None:
        id = create(operator_api, customer="acme")
        assert operator_api.post(f"/v1/backfills/{id}/check", {}).status_code == 409
        operator_api.send("PUT", f"/v1/backfills/{id}/file/parts/2", b"x")
        refused = operator_api.post(f"/v1/backfills/{id}/check", {})
        assert "Part 1 of 2" in refused.json()["detail"]

    def test_an_unreadable_file_says_why(self, operator_api: Any, acme: Any) -> None:
        id = create(operator_api, customer="acme")
        body = send(operator_api, id, b"id,time,type\n\xff\xfe,1,2\n")
        assert (body["state"], "UTF-8" in body["reason"]) == ("failed", True)

    def test_acting_twice_is_acting_once(self, operator_api: Any, acme: Any) -> None:
        id = create(operator_api, customer="acme")
        send(operator_api, id, csv_of(row("e2", "2026-01-05T10:00:00Z")))
        for verb, state in (("close", "closed"), ("revert", "reverted")):
            assert act(operator_api, id, verb)["state"] == state
            assert act(operator_api, id, verb)["state"] == state
        assert operator_api.post(f"/v1/backfills/{id}/discard", {}).status_code == 409
        assert operator_api.post(f"/v1/backfills/{id}/close", {}).status_code == 409

    def test_an_unknown_customer_is_a_rejected_row(self, operator_api: Any, acme: Any) -> None:
        id = create(operator_api)
        body = send(operator_api, id, csv_of(row("e2", "2026-01-05T10:00:00Z", customer="nobody")))
        assert body["outcomes"]["rejected"] == 1
        (told,) = operator_api.get(f"/v1/backfills/{id}/rows").json()["results"]
        assert (told["row"], told["column"]) == (1, "customer")
        assert "nobody" in told["reason"]

    def test_a_customers_own_key_sees_none_of_it(
        self, operator_api: Any, api_with_key: Any, acme: Any
    ) -> None:
        id = create(operator_api, customer="acme")
        theirs = api_with_key(customer=acme)
        assert theirs.get("/v1/backfills").status_code == 403
        assert theirs.get(f"/v1/backfills/{id}").status_code == 403
        assert theirs.send("PUT", f"/v1/backfills/{id}/file", b"id").status_code == 403


@pytest.mark.parametrize("place", ["metering.backfills.batch_read", "billing.backfills.read"])
def test_a_reader_that_dies_is_followed_by_one_that_goes_on(
    operator_api: Any, acme: Any, place: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr("core.limits.BACKFILL_BATCH_ROWS", 2)
    id = create(operator_api, customer="acme")
    rows = [row(f"e{n}", "2026-01-05T10:00:00Z") for n in range(7)]
    sent = operator_api.send("PUT", f"/v1/backfills/{id}/file", csv_of(*rows))
    assert sent.status_code == 200

    def die() -> None:
        raise RuntimeError("killed")

    with armed(place, die):
        work(operator_api, id)
    body = work(operator_api, id, LATER + timedelta(minutes=9))
    assert (body["state"], body["outcomes"]["new"]) == ("ready", 7)
