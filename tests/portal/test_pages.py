import csv
import io
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from billing.credits.grants import NewGrant, expire_grant, grant_credits
from billing.documents import invoice_text
from billing.models import CreditGrant
from core.ids import public_id
from metering.models import Event
from portal.queries.credits import credits_of
from tests.billing.world import call, use
from tests.portal.world import Company


def text_of(client: Client, path: str, **query: str) -> str:
    answer = client.get(path, query)
    assert answer.status_code == 200
    return answer.content.decode()


def rows_of(client: Client, path: str) -> list[list[str]]:
    answer = client.get(path)
    assert answer["Content-Type"].startswith("text/csv")
    body = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    return list(csv.reader(io.StringIO(body)))


class TestThisPeriod:
    def test_it_says_what_you_will_pay_as_a_sentence(self, visitor: Client) -> None:
        page = text_of(visitor, "/portal/")
        assert "You will pay about <strong>$" in page
        assert "of your credits are left" in page

    def test_it_names_zone_and_freshness(self, visitor: Client) -> None:
        page = text_of(visitor, "/portal/")
        assert "Europe/Berlin" in page and "As of" in page and "Starts anew" in page

    def test_an_allowance_used_up_is_told(self, visitor: Client) -> None:
        assert "of what is included is used" in text_of(visitor, "/portal/")

    def test_it_reads_a_bounded_number_of_times(
        self, visitor: Client, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_max_num_queries(35):
            visitor.get("/portal/")

    def test_each_quantity_says_what_it_counts(self, visitor: Client) -> None:
        page = text_of(visitor, "/portal/")
        assert ' <span class="unit">tokens</span>' in page
        assert "of 100 tokens included" in page


class TestUsage:
    def test_the_table_holds_the_charts_numbers(self, visitor: Client, acme: Company) -> None:
        page = text_of(visitor, "/portal/usage", days="90")
        assert "The same numbers as a table" in page
        for model in ("claude-opus-4-5", "gpt-5", "unheard-of-9b"):
            assert model in page

    def test_a_filter_keeps_what_it_names(self, visitor: Client) -> None:
        rows = rows_of(visitor, "/portal/usage?days=90&only_model=gpt-5&format=csv")
        assert {row[1] for row in rows[1:]} == {"gpt-5"}

    def test_the_csv_adds_up_to_all_calls(self, visitor: Client, acme: Company) -> None:
        rows = rows_of(visitor, "/portal/usage?days=90&format=csv")
        assert (
            sum(int(row[2]) for row in rows[1:]) == Event.objects.filter(customer_id=acme.customer.id).count()
        )

    @pytest.mark.parametrize(
        "query", ["from=2026-13-99", "from=9999-12-31&to=0001-01-01", "by=cost&unit=x&days=-1"]
    )
    def test_odd_questions_get_the_usual_page(self, visitor: Client, query: str) -> None:
        assert visitor.get(f"/portal/usage?{query}").status_code == 200

    def test_a_year_is_shown_by_weeks_that_add_up_to_the_days(self, visitor: Client, acme: Company) -> None:
        page = text_of(visitor, "/portal/usage", days="365", unit="calls")
        calls = Event.objects.filter(customer_id=acme.customer.id).count()
        assert "by week and model" in page and "week from" in page
        assert f">{calls}</td>" in page.partition("<tfoot>")[2]

    def test_nothing_used_teaches_what_to_do(self, visitor: Client) -> None:
        page = text_of(visitor, "/portal/usage", **{"from": "2020-01-01", "to": "2020-01-02"})
        assert "No calls in these days" in page

    def test_a_bounded_number_of_queries_whatever_the_calls(
        self, visitor: Client, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_max_num_queries(12):
            visitor.get("/portal/usage?days=365")


class TestCalls:
    def test_a_call_is_found_by_its_id(self, visitor: Client) -> None:
        answer = visitor.get("/portal/calls", {"q": "acme-4"}, follow=True)
        assert "acme-4" in answer.content.decode()
        assert "What it counts for" in answer.content.decode()

    def test_a_run_lists_its_calls(self, visitor: Client) -> None:
        page = text_of(visitor, "/portal/calls", q="run-1")
        assert all(f"acme-{n}<" in page for n in range(3))
        assert "acme-4<" not in page

    def test_the_receipt_names_the_grant_that_paid(self, visitor: Client, acme: Company) -> None:
        event = Event.objects.filter(customer_id=acme.customer.id).first()
        assert event is not None
        assert "Welcome" in text_of(visitor, f"/portal/calls/{event.seq}")


class TestInvoices:
    def test_an_invoice_explains_its_lines(self, visitor: Client, acme: Company) -> None:
        page = text_of(visitor, f"/portal/invoices/{public_id('inv', acme.invoice.id)}")
        assert acme.invoice.number in page and "How this came about" in page and "VAT" in page

    def test_the_pdf_is_one(self, visitor: Client, acme: Company) -> None:
        answer = visitor.get(f"/portal/invoices/{public_id('inv', acme.invoice.id)}/pdf")
        assert answer["Content-Type"] == "application/pdf" and answer.content.startswith(b"%PDF")

    def test_a_line_goes_down_to_days_and_calls(self, visitor: Client, acme: Company) -> None:
        page = text_of(visitor, f"/portal/invoices/{public_id('inv', acme.invoice.id)}/lines/1")
        assert "By day" in page and "/portal/calls/" in page

    def test_the_csv_has_every_line(self, visitor: Client, acme: Company) -> None:
        rows = rows_of(visitor, f"/portal/invoices/{public_id('inv', acme.invoice.id)}?format=csv")
        assert rows[0][:2] == ["line", "description"] and len(rows) > 1

    def test_each_line_says_what_it_counts_on_the_page_in_the_file_and_in_the_document(
        self, visitor: Client, acme: Company
    ) -> None:
        address = f"/portal/invoices/{public_id('inv', acme.invoice.id)}"
        assert ' <span class="unit">tokens</span>' in text_of(visitor, address)
        line = text_of(visitor, f"{address}/lines/1")
        assert " tokens.</h1>" in line and ">Tokens</th>" in line
        head, *rows = rows_of(visitor, f"{address}?format=csv")
        units = {row[head.index("charge")]: row[head.index("unit")] for row in rows}
        assert (units["tokens"], units[""]) == ("token", "")
        counted = [row[head.index("quantity")] for row in rows if row[head.index("charge")] == "tokens"]
        lines = invoice_text(acme.invoice)["lines"]
        assert f"{Decimal(counted[0]):,.0f} tokens" in [line["quantity"] for line in lines]


class TestCredits:
    def test_grants_stand_in_burn_order_with_their_end(self, visitor: Client) -> None:
        page = text_of(visitor, "/portal/credits")
        assert "Welcome" in page and "Burn order" in page

    def test_the_burn_table_is_published(self, visitor: Client) -> None:
        page = text_of(visitor, "/portal/burn-table")
        assert "Credits for calls" in page and "output" in page and "1,000" in page

    def test_the_rates_of_a_model_stand_together_and_an_example_has_a_price(self, visitor: Client) -> None:
        page = text_of(visitor, "/portal/burn-table")
        assert "What a typical call burns" in page and "Beyond your credits, USD" in page
        # 1,000 tokens out burn 2 credits, 8,000 in 8,000; a credit beyond the grant costs 0.02.
        assert ">any model<" in page and ">0.0400<" in page

    def test_every_movement_is_in_the_file_and_pages_lead_through_them(
        self, visitor: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rows = rows_of(visitor, "/portal/credits?format=csv")
        assert rows[0] == ["occurred_at", "what", "change", "balance"] and len(rows) > 2
        monkeypatch.setattr("portal.views.credits.HISTORY_SHOWN", 1)
        monkeypatch.setattr("portal.queries.credits.HISTORY_SHOWN", 1)
        told, path = [], "/portal/credits"
        while path:
            page = text_of(visitor, path)
            told.append(page.partition("What happened")[2].partition('<th scope="row">')[2].partition("<")[0])
            path = page.partition('rel="next" href="')[2].partition('"')[0]
        assert told == [row[1] for row in rows[1:]]
        assert rows == rows_of(visitor, "/portal/credits?format=csv"), "also where a page holds one"

    @pytest.mark.parametrize("cursor", ["x", "WyJ4Il0", "W10"])
    def test_an_odd_place_in_the_history_is_refused(self, visitor: Client, cursor: str) -> None:
        assert visitor.get("/portal/credits", {"cursor": cursor}).status_code in (200, 422)

    def test_a_grant_used_to_the_end_is_not_called_expired(self, acme: Company) -> None:
        now = acme.now
        for key, amount in (("small", "1"), ("large", "900")):
            new = NewGrant(
                key=key,
                amount=Decimal(amount),
                priority=1,
                starts_at=now - timedelta(minutes=2),
                expires_at=now + timedelta(minutes=2),
                name=key,
            )
            grant_credits(acme.customer.id, new, now=now - timedelta(minutes=2))
        use(acme.customer, call("burns", now, model="gpt-5", usage={"output": 10_000}), now=now)
        later = now + timedelta(minutes=3)
        for grant in CreditGrant.objects.filter(customer_id=acme.customer.id, key__in=("small", "large")):
            expire_grant(acme.customer.id, grant.id, now=later)
        states = {row.grant.key: row.state for row in credits_of(acme.customer.id, later).ended}
        assert states["small"] == "used up" and states["large"] == "expired"
