"""Explore, Runs and Value: what the address asks is what the page and its file tell."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from billing.models import ValueEvent
from core import limits
from core.pages.explorer import explorer_data
from metering.events import store_events
from tests.billing.world import call
from tests.portal.world import SECRET_COST, Company, a_member

PATHS = ("/console/explore", "/console/runs", "/console/value", "/console/value/new")


def text_of(client: Client, path: str, **query: str) -> str:
    answer = client.get(path, query)
    assert answer.status_code == 200, path
    return answer.content.decode()


def rows_of(client: Client, path: str, **query: str) -> list[list[str]]:
    answer: Any = client.get(path, query | {"format": "csv"})
    return list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode())))


@pytest.fixture
def tickets(acme: Company) -> ValueEvent:
    at = acme.now - timedelta(days=5)
    store_events(
        [
            call("w1", at, provider="openai", model="gpt-5", usage={"output": 100}, run_id="r"),
            call(
                "t1",
                at + timedelta(hours=1),
                type="ticket.resolved",
                run_id="r",
                properties={"feature": "desk"},
            ),
            call("w2", at, provider="openai", model="gpt-5", usage={"output": 300}, run_id="lost"),
        ],
        now=acme.now,
    )
    return ValueEvent.objects.create(
        key="tickets",
        name="Tickets resolved",
        event_type="ticket.resolved",
        links=["run.id"],
        window_days=7,
        created_at=acme.now,
    )


class TestWhoMayEnter:
    def test_strangers_are_sent_to_sign_in_and_members_refused(self, acme: Company, client: Client) -> None:
        paths = [*PATHS, f"/console/runs/{acme.customer.id}/run-1"]
        assert all(client.get(path).status_code == 302 for path in paths)
        client.force_login(a_member(acme, "ann@acme.example"))
        assert all(client.get(path).status_code == 403 for path in paths)


class TestExplore:
    def test_the_table_the_chart_and_the_file_tell_the_same(self, operator: Client, acme: Company) -> None:
        page = text_of(operator, "/console/explore", by="feature", measure="events", customer="acme")
        assert "Calls by day" in page and ">chat<" in page
        lines = rows_of(operator, "/console/explore", by="feature", measure="events", customer="acme")
        assert lines[0][:2] == ["feature", "events"]
        assert {line[0] for line in lines[1:]} == {"chat", "search"}

    def test_a_filter_is_part_of_the_address(self, operator: Client, acme: Company) -> None:
        lines = rows_of(
            operator,
            "/console/explore",
            by="model",
            path1="feature",
            rule1="not_in",
            value1="chat",
            customer="acme",
        )
        whole = rows_of(operator, "/console/explore", by="model", customer="acme")
        calls = [sum(int(line[2]) for line in told[1:]) for told in (whole, lines)]
        assert calls[0] > calls[1] > 0

    @pytest.mark.parametrize(
        "query",
        [
            {"by": "a b"},
            {"measure": "nope"},
            {"customer": "nobody"},
            {"from": "2026-05-01", "to": "2026-01-01"},
            {"path1": "usage.output", "value1": "1"},
            {"measure": "revenue", "by": "team"},
        ],
    )
    def test_what_cannot_be_answered_is_said_in_place(
        self, operator: Client, acme: Company, query: dict[str, str]
    ) -> None:
        answer = operator.get("/console/explore", query)
        assert answer.status_code == 422 and 'id="wrong"' in answer.content.decode()

    @pytest.mark.parametrize("text", ["'; --", "%00", "%s", "{}", "\x00", "9999-12-31"])
    def test_odd_words_are_no_error_of_ours(self, operator: Client, acme: Company, text: str) -> None:
        for name in ("by", "by2", "measure", "customer", "from", "to", "path1", "value1", "step"):
            query = {name: text} | ({"path1": "feature"} if name == "value1" else {})
            assert operator.get("/console/explore", query).status_code in (200, 422), name


class TestRuns:
    def test_a_run_leads_to_its_tree(self, operator: Client, acme: Company) -> None:
        page = text_of(
            operator,
            "/console/runs",
            customer="acme",
            **{"from": str((acme.now - timedelta(days=60)).date())},
        )
        assert f'href="/console/runs/{acme.customer.id}/run-1"' in page
        assert "This run" in text_of(operator, f"/console/runs/{acme.customer.id}/run-1")

    def test_the_file_holds_what_the_list_shows(self, operator: Client, tickets: ValueEvent) -> None:
        lines = rows_of(operator, "/console/runs", customer="acme")
        assert {line[0] for line in lines[1:]} == {"r", "lost"}

    def test_a_file_that_could_not_hold_all_is_refused(
        self, operator: Client, tickets: ValueEvent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "USAGE_ROWS_MAX", 1)
        answer = operator.get("/console/runs", {"customer": "acme", "format": "csv"})
        assert answer.status_code == 422 and "narrow the days" in answer.content.decode()

    def test_what_is_not_there_is_404(self, operator: Client, acme: Company) -> None:
        for path in (f"{acme.customer.id}/none", "999/run-1", f"{acme.customer.id}/%00"):
            assert operator.get(f"/console/runs/{path}").status_code == 404

    def test_an_odd_cursor_is_refused_in_place(self, operator: Client, acme: Company) -> None:
        assert operator.get("/console/runs", {"cursor": "x"}).status_code == 422
        assert operator.get("/console/runs", {"min_cost": "x"}).status_code == 422


class TestValue:
    def test_it_tells_the_cost_of_an_outcome_and_what_led_to_none(
        self, operator: Client, tickets: ValueEvent
    ) -> None:
        page = text_of(operator, "/console/value")
        assert "1 outcome took" in page and ">desk<" in page
        lines = rows_of(operator, "/console/value")
        by_name = {line[0]: line for line in lines[1:]}
        assert by_name["desk"][1] == "1" and by_name["desk"][2] == str((SECRET_COST * 100).normalize())

    def test_an_outcome_is_named_and_taken_off_by_forms(self, operator: Client, acme: Company) -> None:
        form = {
            "name": "Merged",
            "key": "merged",
            "event_type": "change.merged",
            "links": "run, task",
            "once": "m1",
        }
        for _ in range(2):
            assert operator.post("/console/value/new", form).status_code == 302
        made = ValueEvent.objects.get(key="merged")
        assert made.links == ["run.id", "properties.task"]
        assert operator.post("/console/value/merged/archive", {"once": "m2"}).status_code == 302
        made.refresh_from_db()
        assert made.archived_at is not None

    def test_a_wrong_form_says_so_beside_the_field(self, operator: Client, acme: Company) -> None:
        form = {"name": "X", "key": "x", "event_type": "t", "links": "customer", "window_days": "0"}
        answer = operator.post("/console/value/new", form)
        assert answer.status_code == 422 and "links too much together" in answer.content.decode()
        assert not ValueEvent.objects.exists()


def test_names_without_a_bar_are_added_up() -> None:
    from datetime import date
    from decimal import Decimal

    from core.pages import charts

    day = date(2026, 1, 1)
    names = {f"n{n}": {day: Decimal(n + 1)} for n in range(12)}
    columns = [("1", "1 Jan", {name: values[day] for name, values in names.items()})]
    chart = charts.stacked_bars(title="t", columns=columns, label=str)
    told: Any = explorer_data(chart, [day], names)
    by_name = {series["name"]: series["values"] for series in told["series"]}
    assert by_name["Other"] == ["10"] and by_name["n11"] == ["12"]


@pytest.mark.parametrize("measure", ["charges", "revenue", "margin"])
def test_what_calls_earn_is_not_taken_for_all_that_is_earned(operator: Client, measure: str) -> None:
    page = text_of(operator, "/console/explore", by="model", measure=measure, customer="acme")
    assert "of the calls" in page and "all that is earned is on <a" in page
    assert "all that is earned" not in text_of(operator, "/console/explore", by="model", measure="cost")
