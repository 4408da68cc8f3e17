"""Runs as trees: who started whom, what failed, what was tried again, and what each of it cost."""

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from billing.attribution.run_trees import run_tree
from core import limits
from core.problems import NotFound
from customers.models import Customer
from metering.events import NewEvent, store_events
from metering.models import Event
from pricing.price_imports import set_operator_prices
from pricing.price_sources.quotes import Quote
from tests.billing.world import START, a_customer, call, use

pytestmark = pytest.mark.django_db

SPAN = {"from": "2026-01-01", "to": "2026-02-01"}


@pytest.fixture
def acme(db: None) -> Customer:
    set_operator_prices(
        [Quote("anthropic", "opus", "output", Decimal("0.5"))], by="test", now=START - timedelta(days=1)
    )
    return a_customer("acme")


def step(
    run: str,
    number: int | None,
    *,
    attempt: int = 1,
    parent: str = "",
    status: str = "ok",
    at: int = 0,
    output: int = 2,
    type: str = "llm.call",
    customer: str = "acme",
) -> NewEvent:
    link: dict[str, Any] = {"attempt": attempt} | ({} if number is None else {"step": number})
    return call(
        f"{run}-{number}-{attempt}-{at}-{type}",
        START + timedelta(seconds=at),
        customer=customer,
        provider="anthropic",
        model="opus",
        usage={"output": output} if output else {},
        status=status,
        type=type,
        run_id=run,
        run=link | ({"parent": parent} if parent else {}),
    )


def listed(api: Any, **query: Any) -> list[Any]:
    answer = api.get("/v1/runs", **SPAN, **query)
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


def status_of(api: Any, customer: Customer, *events: NewEvent) -> str:
    use(customer, *events)
    return listed(api)[0]["status"]


class TestWhatMakesARunFailed:
    def test_a_last_step_that_went_well_does_not(self, acme: Customer, operator_api: Any) -> None:
        events = [step("r", 1, status="error"), step("r", 2, at=1)]
        assert status_of(operator_api, acme, *events) == "ok"

    def test_a_last_step_that_failed_does(self, acme: Customer, operator_api: Any) -> None:
        assert status_of(operator_api, acme, step("r", 1), step("r", 2, status="timeout", at=1)) == "failed"

    def test_the_last_attempt_of_the_last_step_counts(self, acme: Customer, operator_api: Any) -> None:
        # It was stored, and happened, before the try that failed: its number says that it came later.
        events = [
            step("r", 2, attempt=2, at=1),
            step("r", 2, attempt=1, status="error", at=5),
            step("r", 1, at=9),
        ]
        assert status_of(operator_api, acme, *events) == "ok"

    def test_an_event_that_tells_the_end_says_more_than_the_steps(
        self, acme: Customer, operator_api: Any
    ) -> None:
        ended = step("r", None, status="canceled", at=2, type="run.finished", output=0)
        assert status_of(operator_api, acme, ended, step("r", 7, at=3)) == "failed"


class TestList:
    def test_each_run_is_told_whole_even_where_the_span_cuts_it(
        self, acme: Customer, operator_api: Any
    ) -> None:
        use(
            acme,
            step("long", 1, at=-5, output=4),
            step("long", 2, at=5, output=6, status="error"),
            step("long", 2, attempt=2, at=9, output=8),
        )
        (run,) = listed(operator_api)
        assert run["cost"] == "9" and run["tokens"] == "18" and run["steps"] == 2
        assert run["failed"] == {"events": 1, "credits": "0", "cost": "3"}
        assert run["retries"] == {"events": 1, "credits": "0", "cost": "4"}
        assert run["seconds"] == "14"

    def test_it_is_filtered_by_outcome_and_cost(self, acme: Customer, operator_api: Any) -> None:
        use(
            acme,
            step("cheap", 1),
            step("dear", 1, output=100, at=1),
            step("lost", 1, output=100, status="error", at=2),
        )
        assert [run["id"] for run in listed(operator_api)] == ["lost", "dear", "cheap"]
        assert [run["id"] for run in listed(operator_api, status="failed")] == ["lost"]
        assert [run["id"] for run in listed(operator_api, min_cost="50", status="ok")] == ["dear"]

    def test_pages_walk_through_all_runs_once(self, acme: Customer, operator_api: Any) -> None:
        use(acme, *(step(f"run-{n}", 1, at=n // 3) for n in range(10)))
        seen, cursor = [], None
        while True:
            more = {"cursor": cursor} if cursor else {}
            body = operator_api.get("/v1/runs", limit=3, **SPAN, **more).json()
            seen += [run["id"] for run in body["results"]]
            cursor = body["next"]
            if not cursor:
                break
        assert len(seen) == len(set(seen)) == 10

    @pytest.mark.parametrize(
        "cursor", ["WyJ4Il0", "WyJ4IiwiMSIsIngiXQ", "WyIyMDI2LTAxLTAxVDAwOjAwOjAwWiIsIngiLCJ4Il0"]
    )
    def test_a_cursor_of_another_list_is_refused(
        self, acme: Customer, operator_api: Any, cursor: str
    ) -> None:
        assert operator_api.get("/v1/runs", cursor=cursor).status_code == 422


def tree_of(api: Any, run: str, **query: Any) -> Any:
    answer = api.get(f"/v1/runs/{run}", customer="acme", **query)
    assert answer.status_code == 200, answer.content
    return answer.json()


class TestTree:
    def test_children_stand_below_who_started_them_and_costs_add_up(
        self, acme: Customer, operator_api: Any
    ) -> None:
        use(
            acme,
            step("root", 1, output=2),
            step("root", 2, output=2, at=90),
            step("b", 1, parent="root", output=10, at=20, status="error"),
            step("a", 1, parent="root", output=4, at=10),
            step("a1", 1, parent="a", attempt=2, output=6, at=15),
            step("elsewhere", 1, output=1_000),
        )
        body = tree_of(operator_api, "root")
        assert [
            (node["id"], node["depth"], node["cost"], node["whole"]["cost"]) for node in body["tree"]
        ] == [
            ("root", 0, "2", "12"),
            ("a", 1, "2", "5"),
            ("a1", 2, "3", "3"),
            ("b", 1, "5", "5"),
        ]
        assert body["whole"]["retries"]["cost"] == "3"
        assert body["failed_runs"]["runs"] == 1 and body["failed_runs"]["cost"] == "5"
        assert body["complete"] is True

    @pytest.mark.parametrize("links", [{"a": "a"}, {"a": "b", "b": "a"}, {"a": "c", "b": "a", "c": "b"}])
    def test_links_in_a_circle_end_where_they_began(
        self, acme: Customer, operator_api: Any, links: dict[str, str]
    ) -> None:
        use(acme, *(step(run, 1, parent=parent, at=n) for n, (run, parent) in enumerate(links.items())))
        body = tree_of(operator_api, "a")
        assert sorted(node["id"] for node in body["tree"]) == sorted(links)
        assert body["whole"]["events"] == len(links)

    def test_a_run_that_names_two_parents_is_placed_below_the_first(
        self, acme: Customer, operator_api: Any
    ) -> None:
        use(acme, step("x", 1), step("y", 1, at=1))
        use(acme, step("child", 1, parent="x", at=2), step("child", 2, parent="y", at=3))
        assert [node["id"] for node in tree_of(operator_api, "x")["tree"]] == ["x", "child"]
        assert [node["id"] for node in tree_of(operator_api, "y")["tree"]] == ["y"]

    def test_steps_come_with_their_attempts_a_page_at_a_time(self, acme: Customer, operator_api: Any) -> None:
        use(
            acme,
            step("r", None),
            *(
                step("r", n, attempt=a, status="ok" if a == 2 else "error", at=n)
                for n in range(5)
                for a in (1, 2)
            ),
        )
        first = tree_of(operator_api, "r", limit=3)
        second = tree_of(operator_api, "r", limit=3, cursor=first["next"])
        assert [row["step"] for row in first["results"]] == [None, 0, 1]
        assert [row["step"] for row in second["results"]] == [2, 3, 4] and second["next"] is None
        assert [(a["attempt"], a["status"]) for a in second["results"][0]["attempts"]] == [
            (1, "error"),
            (2, "ok"),
        ]
        assert second["results"][0]["status"] == "ok"

    def test_a_run_of_ten_thousand_steps_is_told_in_pages(self, acme: Customer, operator_api: Any) -> None:
        store_events([step("huge", n, at=n) for n in range(10_000)], now=START + timedelta(days=1))
        body = tree_of(operator_api, "huge", limit=200)
        assert body["steps"] == 10_000 and body["events"] == 10_000 and len(body["results"]) == 200
        assert Fraction(body["cost"]) == sum(Fraction(event.cost) for event in Event.objects.only("cost"))

    def test_a_tree_of_fifty_levels_is_told_whole(self, acme: Customer, operator_api: Any) -> None:
        use(acme, *(step(f"d{n}", 1, parent=f"d{n - 1}" if n else "", at=n) for n in range(51)))
        body = tree_of(operator_api, "d0")
        assert [node["depth"] for node in body["tree"]] == list(range(51))
        assert body["whole"]["cost"] == "51"

    def test_a_tree_too_large_to_show_says_so(self, acme: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "RUN_TREE_RUNS_MAX", 5)
        use(acme, step("root", 1), *(step(f"c{n}", 1, parent="root", at=n) for n in range(9)))
        tree = run_tree(acme, "root")
        assert len(tree.nodes) == 5 and not tree.complete


class TestWhoMaySee:
    def test_a_customer_sees_its_own_runs_without_cost(
        self, acme: Customer, api_with_key: Callable[..., Any]
    ) -> None:
        beta = a_customer("beta")
        use(acme, step("mine", 1))
        use(beta, step("theirs", 1, customer="beta"), step("child", 1, parent="mine", customer="beta"))
        own = api_with_key(["read"], customer=acme)
        (run,) = listed(own)
        assert run["id"] == "mine" and "cost" not in json.dumps(run)
        tree = own.get("/v1/runs/mine").json()
        assert [node["id"] for node in tree["tree"]] == ["mine"] and "cost" not in json.dumps(tree)
        assert own.get("/v1/runs/theirs").status_code == 404
        assert own.get("/v1/runs/theirs", customer="beta").status_code == 404
        assert own.get("/v1/runs", min_cost="1").status_code == 422

    def test_an_operator_says_whose_run(self, acme: Customer, operator_api: Any) -> None:
        assert operator_api.get("/v1/runs/x").status_code == 422

    @pytest.mark.parametrize("run", ["none", "%00", "a b", "'; --", "x" * 300, "a/b"])
    def test_what_is_not_there_is_absent(self, acme: Customer, operator_api: Any, run: str) -> None:
        use(acme, call("without-run", START))
        assert operator_api.get(f"/v1/runs/{run}", customer="acme").status_code == 404

    def test_calls_without_a_run_are_none(self, acme: Customer) -> None:
        use(acme, call("without-run", START))
        with pytest.raises(NotFound):
            run_tree(acme, "")
