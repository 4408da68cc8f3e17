"""A run as its customer sees it: how many calls it made, what it burnt and cost, what failed and was tried again."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from billing.receipts.own_prices import Prices, prices_of_calls, prices_of_runs
from billing.receipts.receipt import receipt_of
from core import limits
from metering.models import Event
from tests.billing.world import call, use
from tests.portal.conftest import visitor_of
from tests.portal.test_pages import rows_of, text_of
from tests.portal.world import SECRET_COST, Company

# Who started whom, and each call: run, step, attempt, outcome, output tokens. A token is 0.01 and burns 0.002 credits.
PARENTS = {"r/2": "r/1"}
CALLS = [
    ("r/1", 1, 1, "ok", 100),
    ("r/1", 2, 1, "failed", 50),
    ("r/1", 2, 2, "ok", 60),
    ("r/2", 1, 1, "failed", 40),
]


@pytest.fixture
def agent(acme: Company) -> Company:
    at = acme.now - timedelta(hours=2)
    events = [
        call(
            f"agent-{n}",
            at + timedelta(minutes=n),
            provider="openai",
            model="gpt-5",
            usage={"output": tokens},
            status=status,
            run_id=run,
            run={"step": step, "attempt": attempt} | ({"parent": PARENTS[run]} if run in PARENTS else {}),
            properties={"team": "blue"},
        )
        for n, (run, step, attempt, status, tokens) in enumerate(CALLS)
    ]
    use(acme.customer, *events, now=acme.now)
    return acme


class TestList:
    def test_each_run_says_what_it_took_and_what_was_lost(self, visitor: Client, agent: Company) -> None:
        rows = rows_of(visitor, "/portal/runs?format=csv")
        by_id = {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[1:]}
        first, second = by_id["r/1"], by_id["r/2"]
        assert (first["calls"], first["tokens"], first["price"], first["currency"]) == (
            "3",
            "210",
            "1.6",
            "USD",
        )
        assert (first["failed_calls"], first["failed_price"]) == ("1", "0")
        assert (first["retries"], first["retry_price"]) == ("1", "0.6")
        assert Decimal(first["credits"]) > 0
        assert (second["parent"], second["status"], second["price"]) == ("r/1", "failed", "0")

    def test_it_narrows_by_outcome_by_id_and_by_days(self, visitor: Client, agent: Company) -> None:
        assert [row[0] for row in rows_of(visitor, "/portal/runs?state=failed&format=csv")[1:]] == ["r/2"]
        assert [row[0] for row in rows_of(visitor, "/portal/runs?q=r/1&format=csv")[1:]] == ["r/1"]
        old = rows_of(visitor, "/portal/runs?from=2020-01-01&to=2020-01-02&format=csv")
        assert old[1:] == []

    def test_no_run_teaches_how_runs_come(self, visitor: Client) -> None:
        page = text_of(visitor, "/portal/runs", **{"from": "2020-01-01", "to": "2020-01-02"})
        assert "No run in these days" in page and "&quot;run&quot;" in page or '"run"' in page

    def test_it_is_paged_by_its_last_line(
        self, visitor: Client, agent: Company, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("portal.views.runs.PAGE", 1)
        page = text_of(visitor, "/portal/runs")
        assert "r/2" in page and "Older" in page
        older = page.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
        assert 'href="/portal/runs/r/1"' in text_of(visitor, older)

    @pytest.mark.parametrize(
        "query", ["cursor=x", "from=x&to=9999-12-31", "state=nope", "q=%00", "from=2199-01-01"]
    )
    def test_odd_addresses_are_no_error_of_ours(self, visitor: Client, query: str) -> None:
        assert visitor.get(f"/portal/runs?{query}").status_code in (200, 422)

    def test_a_file_that_could_not_hold_all_is_refused(
        self, visitor: Client, agent: Company, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "RUNS_FILE_ROWS_MAX", 1)
        answer = visitor.get("/portal/runs?format=csv")
        assert answer.status_code == 422 and "Choose fewer days" in answer.content.decode()


class TestOne:
    def test_it_tells_the_whole_tree_and_each_call(self, visitor: Client, agent: Company) -> None:
        page = text_of(visitor, "/portal/runs/r/1")
        assert "<strong>went well</strong>" in page and "1 run</" not in page
        assert "$1.60" in page and "4 calls" in page and "1 run that failed" in page
        assert 'href="/portal/runs/r/2"' in page and "try 2" in page
        seqs = Event.objects.filter(customer_id=agent.customer.id, run_id="r/1").values_list("seq", flat=True)
        assert all(f'href="/portal/calls/{seq}"' in page for seq in seqs)

    def test_the_run_below_names_the_one_that_started_it(self, visitor: Client, agent: Company) -> None:
        page = text_of(visitor, "/portal/runs/r/2")
        assert 'href="/portal/runs/r/1"' in page and "failed</strong>" in page

    def test_its_file_has_every_call_with_its_own_price(self, visitor: Client, agent: Company) -> None:
        rows = rows_of(visitor, "/portal/runs/r/1?format=csv")
        told = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
        assert [(row["step"], row["attempt"], row["price"]) for row in told] == [
            ("1", "1", "1"),
            ("2", "1", ""),
            ("2", "2", "0.6"),
        ]

    def test_receipts_and_calls_lead_to_the_run(self, visitor: Client, agent: Company) -> None:
        event = Event.objects.get(customer_id=agent.customer.id, event_id="agent-2")
        receipt = text_of(visitor, f"/portal/calls/{event.seq}")
        assert 'href="/portal/runs/r/1"' in receipt and "cost you <strong>$0.60" in receipt
        assert 'href="/portal/runs/r/1"' in text_of(visitor, "/portal/calls")

    def test_what_is_not_there_is_404_and_so_is_anothers(
        self, visitor: Client, agent: Company, globex: Company
    ) -> None:
        assert visitor.get("/portal/runs/none").status_code == 404
        assert visitor.get("/portal/runs/%00").status_code == 404
        assert visitor_of(globex).get("/portal/runs/r/1").status_code == 404
        assert visitor_of(globex).get("/portal/runs/r/1?format=csv").status_code == 404

    def test_two_customers_runs_of_one_name_stay_apart(self, visitor: Client, globex: Company) -> None:
        for client, own, other in ((visitor, "acme-", "globex-"), (visitor_of(globex), "globex-", "acme-")):
            page = text_of(client, "/portal/runs/run-1")
            assert own in page and other not in page

    def test_no_page_and_no_file_tells_what_calls_cost_the_seller(
        self, visitor: Client, agent: Company
    ) -> None:
        costs = {
            format((SECRET_COST * tokens).normalize(), "f")[:7] for tokens in (40, 50, 60, 100, 210, 250)
        }
        for path in ("/portal/runs", "/portal/runs/r/1", "/portal/calls"):
            answers: Any = [
                visitor.get(path).content,
                b"".join(visitor.get(f"{path}?format=csv").streaming_content),
            ]  # type: ignore[attr-defined]
            for body in answers:
                assert not [cost for cost in costs if cost in body.decode()], path


class TestOwnPrices:
    def test_a_runs_price_is_the_sum_of_its_receipts(self, agent: Company) -> None:
        events = Event.objects.filter(customer_id=agent.customer.id, run_id="r/1")
        receipts = [receipt_of(agent.customer, event.event_id) for event in events]
        parts = [part.price for receipt in receipts if receipt for part in receipt.charges if part.price]
        found = prices_of_runs(agent.customer.id, ["r/1", "r/2"])
        assert found == {"r/1": Prices(sum(parts, Decimal(0)), Decimal(0), Decimal("0.6")), "r/2": Prices()}
        assert found["r/1"].total == Decimal("1.6")

    def test_a_call_that_no_charge_prices_has_no_price(self, agent: Company) -> None:
        failed = Event.objects.get(customer_id=agent.customer.id, event_id="agent-1")
        assert prices_of_calls(agent.customer.id, [failed.seq]) == {failed.seq: None}

    def test_too_many_calls_are_not_priced_while_somebody_waits(
        self, visitor: Client, agent: Company, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "RUNS_PRICED_CALLS_MAX", 2)
        assert prices_of_runs(agent.customer.id, ["r/1"]) is None
        assert "too many calls to add up their prices" in text_of(visitor, "/portal/runs/r/1")
        assert text_of(visitor, "/portal/runs")
