"""Outcomes and what they took, against the rule applied to one call after another."""

import random
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest

from billing.attribution.span import days
from billing.attribution.value import ValueQuestion, ValueReport, value_report
from billing.attribution.value_events import create_value_event, read_value_event
from billing.models import ValueEvent
from billing.recounts.richer_reports import REPLACING_DUE
from core.due_work import run_due
from customers.models import Customer
from metering.event_columns import whole_path
from metering.events import NewEvent, store_events
from metering.models import Event
from pricing.price_imports import set_operator_prices
from pricing.price_sources.quotes import Quote
from tests.billing.world import START, a_customer, call

pytestmark = pytest.mark.django_db

TICKETS = {
    "key": "tickets",
    "event_type": "ticket.resolved",
    "links": ["run", "session"],
    "window_days": 2,
    "reversed_by": "ticket.reopened",
    "reversal_days": 3,
}


@pytest.fixture
def acme(db: None) -> Customer:
    quotes = [Quote("anthropic", "opus", "output", Decimal("1"))]
    set_operator_prices(quotes, by="test", now=START - timedelta(days=90))
    return a_customer("acme")


def tickets(**terms: Any) -> ValueEvent:
    return create_value_event(read_value_event(TICKETS | terms), now=START)


def work(
    name: str, hours: int | float, output: int, *, run: str = "", customer: str = "acme", **tags: Any
) -> NewEvent:
    return call(
        name,
        START + timedelta(hours=hours),
        customer=customer,
        provider="anthropic",
        model="opus",
        usage={"output": output},
        run_id=run,
        properties=tags,
    )


def resolved(
    name: str, hours: int | float, *, run: str = "", customer: str = "acme", **tags: Any
) -> NewEvent:
    at = START + timedelta(hours=hours)
    return call(name, at, customer=customer, type="ticket.resolved", run_id=run, properties=tags)


def reopened(name: str, hours: int | float, of: str) -> NewEvent:
    return call(name, START + timedelta(hours=hours), type="ticket.reopened", properties={"reverses": of})


def report(
    rule: ValueEvent,
    *group_by: str,
    customer: Customer | None = None,
    first: date = date(2026, 1, 1),
    end: date = date(2026, 1, 31),
) -> ValueReport:
    paths = tuple(whole_path(name) for name in group_by)
    return value_report(ValueQuestion(rule, customer, days(first, end, ("UTC",)), paths))


class TestTheRule:
    def test_work_belongs_to_the_first_outcome_after_it_in_its_run(self, acme: Customer) -> None:
        store_events(
            [
                work("a", 1, 10, run="r"),
                resolved("t1", 2, run="r"),
                work("b", 3, 5, run="r"),
                resolved("t2", 4, run="r"),
                work("c", 5, 7, run="r"),
            ],
            now=START + timedelta(days=1),
        )
        told = report(tickets())
        assert (told.total.outcomes, told.total.cost, told.total.calls) == (2, 15, 2)
        assert told.total.cost_each == Decimal("7.5")
        assert (told.total.unattributed, told.total.unattributed_calls) == (7, 1)
        assert told.spent == 22

    def test_the_session_links_where_the_run_does_not(self, acme: Customer) -> None:
        store_events(
            [
                work("own run", 1, 10, run="r", session="s"),
                work("no run", 1, 20, session="s"),
                resolved("t", 2, session="s"),
                work("other", 1, 40, session="z"),
            ],
            now=START + timedelta(days=1),
        )
        told = report(tickets())
        assert (told.total.cost, told.total.unattributed) == (30, 40)

    def test_the_strongest_link_wins_over_the_nearer_outcome(self, acme: Customer) -> None:
        store_events(
            [
                work("a", 1, 10, run="r", session="s", feature="x"),
                resolved("near", 2, session="s", feature="near"),
                resolved("own", 3, run="r", feature="own"),
            ],
            now=START + timedelta(days=1),
        )
        told = report(tickets(), "feature")
        assert {row.names[0]: row.cost for row in told.rows} == {"near": 0, "own": 10}

    def test_an_outcome_beyond_the_window_is_none(self, acme: Customer) -> None:
        store_events(
            [
                work("at the edge", 0, 10, run="r"),
                work("before it", -0.1, 20, run="r"),
                resolved("t", 48, run="r"),
            ],
            now=START + timedelta(days=3),
        )
        told = report(tickets())
        assert (told.total.cost, told.earlier) == (10, 0)

    def test_what_an_outcome_itself_cost_is_its_own(self, acme: Customer) -> None:
        store_events([work("done", 1, 9, resolved=True)], now=START + timedelta(days=1))
        rule = tickets(event_type="llm.call", filter={"resolved": ["true"]}, reversed_by="", reversal_days=0)
        told = report(rule)
        assert (told.total.outcomes, told.total.cost, told.total.calls) == (1, 9, 0)

    def test_a_failed_event_is_no_outcome(self, acme: Customer) -> None:
        failed = call("t", START, type="ticket.resolved", status="error", run_id="r")
        store_events([failed], now=START + timedelta(days=1))
        assert report(tickets()).total.outcomes == 0


class TestReversals:
    def test_an_outcome_that_was_taken_back_is_no_value_and_its_cost_is_shown(self, acme: Customer) -> None:
        store_events(
            [
                work("a", 1, 10, run="r"),
                resolved("t1", 2, run="r"),
                work("b", 3, 4, run="q"),
                resolved("t2", 4, run="q"),
            ],
            now=START + timedelta(days=1),
        )
        store_events([reopened("back", 30, "t1"), reopened("again", 31, "t1")], now=START + timedelta(days=2))
        told = report(tickets())
        assert (told.total.outcomes, told.total.cost) == (1, 4)
        assert (told.total.reversed, told.total.reversed_cost) == (1, 10)
        assert told.total.cost_each == 4 and told.total.all_in_each == 14

    @pytest.mark.parametrize("hours", [1, 2 + 72 + 1])
    def test_one_that_comes_before_or_too_late_takes_nothing_back(self, acme: Customer, hours: int) -> None:
        store_events([resolved("t1", 2, run="r")], now=START + timedelta(days=1))
        store_events([reopened("back", hours, "t1")], now=START + timedelta(days=9))
        assert report(tickets()).total.outcomes == 1

    def test_the_name_of_a_poorer_report_takes_back_the_richer_one_that_counts(self, acme: Customer) -> None:
        def told_by(source: str, name: str, usage: dict[str, int]) -> NewEvent:
            event = call(
                name,
                START + timedelta(hours=2),
                type="ticket.resolved",
                provider="anthropic",
                model="opus",
                usage=usage,
                response_id="msg_000000001",
            )
            return msgspec.structs.replace(event, source=source)

        store_events([told_by("test", "t1", {"output": 10})], now=START + timedelta(days=1))
        store_events([told_by("app", "t9", {"output": 4, "reasoning": 6})], now=START + timedelta(days=1))
        run_due(START + timedelta(days=1, minutes=10), kinds=[REPLACING_DUE])
        assert Event.objects.get().event_id == "t9"
        rule = tickets()
        assert report(rule).total.outcomes == 1
        store_events([reopened("back", 30, "t1")], now=START + timedelta(days=2))
        told = report(rule).total
        assert (told.outcomes, told.reversed) == (0, 1)


class TestSpans:
    def test_what_was_spent_before_and_what_leads_to_later_outcomes_is_told(self, acme: Customer) -> None:
        store_events(
            [
                work("before", -5, 3, run="r"),
                work("in", 1, 10, run="r"),
                resolved("t", 2, run="r"),
                work("ahead", 23, 6, run="q"),
                resolved("later", 30, run="q"),
                work("lost", 5, 1),
            ],
            now=START + timedelta(days=2),
        )
        told = report(tickets(), end=date(2026, 1, 2))
        total = told.total
        assert (total.cost, told.earlier, told.later, total.unattributed) == (13, 3, 6, 1)
        assert told.spent == total.cost + total.reversed_cost - told.earlier + told.later + total.unattributed

    def test_it_is_told_over_time(self, acme: Customer) -> None:
        store_events(
            [work("a", 1, 10, run="r"), resolved("t", 25, run="r"), work("b", 49, 2)],
            now=START + timedelta(days=4),
        )
        told = report(tickets(), "day")
        assert [(row.names[0], row.outcomes, row.cost, row.unattributed) for row in told.rows] == [
            ("2026-01-02", 1, 10, 0),
            ("2026-01-03", 0, 0, 2),
        ]


def test_the_worked_example_of_the_docs_comes_out_as_written(acme: Customer) -> None:
    def at(clock: str) -> float:
        hour, minute = clock.split(":")
        return int(hour) + int(minute) / 60

    store_events(
        [
            work("a", at("9:00"), 10, run="r1"),
            work("b", at("9:05"), 4, run="r1"),
            resolved("T1", at("9:10"), run="r1"),
            work("c", at("9:20"), 20, run="r2", session="s"),
            resolved("T2", at("9:30"), session="s"),
            work("d", at("9:40"), 30, run="r3"),
        ],
        now=START + timedelta(days=1),
    )
    store_events([reopened("back", at("15:00"), "T2")], now=START + timedelta(days=1))
    told = report(tickets(window_days=7, reversal_days=14))
    total = told.total
    # In the docs a unit is a cent.
    assert (total.outcomes, total.cost, total.reversed, total.reversed_cost) == (1, 14, 1, 20)
    assert (total.unattributed, told.spent, total.all_in_each) == (30, 64, 64)


def by_hand(rule: ValueEvent) -> dict[str, Fraction]:
    """The whole time's total, one call after another."""
    events = list(Event.objects.order_by("occurred_at", "seq"))
    outcomes = [event for event in events if event.type == rule.event_type and event.status == "ok"]
    back = {
        outcome.event_id
        for outcome in outcomes
        for event in events
        if event.type == rule.reversed_by
        and event.customer_id == outcome.customer_id
        and event.properties.get("reverses") == outcome.event_id
        and outcome.occurred_at
        <= event.occurred_at
        <= outcome.occurred_at + timedelta(days=rule.reversal_days)
        and event.seq > outcome.seq
    }
    told = {"cost": Fraction(0), "reversed_cost": Fraction(0), "unattributed": Fraction(0)}
    for event in events:
        found = None
        for link in (lambda e: e.run_id, lambda e: e.properties.get("session", "")):
            near = [
                outcome
                for outcome in outcomes
                if outcome.customer_id == event.customer_id
                and link(event)
                and link(outcome) == link(event)
                and event.occurred_at
                <= outcome.occurred_at
                <= event.occurred_at + timedelta(days=rule.window_days)
            ]
            found = found or (near[0] if near else None)
        name = "unattributed" if found is None else "reversed_cost" if found.event_id in back else "cost"
        told[name] += Fraction(event.cost)
    return told


@pytest.mark.parametrize("seed", range(4))
def test_any_history_is_told_as_the_rule_says(acme: Customer, seed: int) -> None:
    rng = random.Random(seed)
    a_customer("beta")
    events: list[NewEvent] = []
    for n in range(150):
        hours = rng.randrange(300) / 2
        key = rng.choice(["acme", "beta"])
        run, tags = rng.choice(["", "r1", "r2", "r3"]), {"session": rng.choice(["", "s1", "s2"])}
        kind = rng.random()
        if kind < 0.6:
            events.append(work(f"w{n}", hours, rng.randrange(1, 50), run=run, customer=key, **tags))
        elif kind < 0.9:
            events.append(resolved(f"t{n}", hours, run=run, customer=key, **tags))
        else:
            events.append(reopened(f"b{n}", hours, rng.choice([f"t{m}" for m in range(150)])))
    rng.shuffle(events)
    for start in range(0, len(events), 40):
        store_events(events[start : start + 40], now=START + timedelta(days=30))
    rule = tickets()
    told = report(rule)
    expected = by_hand(rule)
    assert {name: Fraction(getattr(told.total, name)) for name in expected} == expected
    assert Fraction(told.spent) == sum(expected.values()) and told.earlier == told.later == 0
    by_customer = report(rule, "customer", "day")
    assert sum(row.cost for row in by_customer.rows) == told.total.cost


class TestApi:
    def test_it_is_made_read_asked_and_archived(self, acme: Customer, operator_api: Any) -> None:
        store_events(
            [work("a", 1, 10, run="r", feature="desk"), resolved("t", 2, run="r", feature="desk")],
            now=START + timedelta(days=1),
        )
        made = operator_api.post("/v1/value-events", TICKETS, idempotency_key="k")
        assert made.status_code == 201 and made.json()["links"] == ["run.id", "properties.session"]
        assert operator_api.post("/v1/value-events", TICKETS, idempotency_key="k").json() == made.json()
        assert operator_api.post("/v1/value-events", TICKETS).status_code == 409
        span = {"from": "2026-01-01", "to": "2026-01-08"}
        body = operator_api.get("/v1/value-events/tickets/report", group_by="feature", **span).json()
        assert body["results"][0]["group"] == {"feature": "desk"}
        assert body["results"][0]["cost_each"] == "10" and body["total"]["spent"] == "10"
        assert operator_api.post("/v1/value-events/tickets/archive").json()["archived_at"]
        assert [row["key"] for row in operator_api.get("/v1/value-events").json()["results"]] == ["tickets"]

    @pytest.mark.parametrize(
        ("field", "wrong"),
        [
            ("links", {"links": ["customer"]}),
            ("links", {"links": []}),
            ("links", {"links": ["run", "run.id"]}),
            ("links", {"links": [1]}),
            ("filter", {"filter": {"day": ["x"]}}),
            ("filter", {"filter": "["}),
            ("window_days", {"window_days": 0}),
            ("reversed_by", {"reversed_by": "ticket.resolved"}),
            ("event_type", {"event_type": ""}),
            ("other", {"other": 1}),
        ],
    )
    def test_each_refusal_names_its_field(self, operator_api: Any, field: str, wrong: dict[str, Any]) -> None:
        answer = operator_api.post("/v1/value-events", TICKETS | wrong)
        assert answer.status_code == 422
        assert field in {error["field"].partition(".")[0] for error in answer.json()["errors"]}

    def test_a_customers_key_is_refused(self, acme: Customer, api_with_key: Callable[..., Any]) -> None:
        tickets()
        own = api_with_key(customer=acme)
        for path in ("/v1/value-events", "/v1/value-events/tickets", "/v1/value-events/tickets/report"):
            assert own.get(path).status_code == 403
        assert own.post("/v1/value-events", TICKETS | {"key": "x"}).status_code == 403
