import csv
import io
from decimal import Decimal

import pytest
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from billing.models import CustomerDay, Invoice
from core.clock import now as present
from core.ids import public_id
from core.models import DueWork
from core.pages.spreadsheet import FORMULA_STARTS
from customers.customers import create_customer
from customers.models import ApiKey, Customer, User
from customers.portal_links import create_portal_link
from metering.models import Event
from pricing.models import PriceRow, PriceSnapshot
from pricing.price_imports import import_price_list
from pricing.price_sources.quotes import PriceList, Quote
from tests.portal.world import Company, a_member

PATHS = (
    "/console/",
    "/console/work",
    "/console/customers",
    "/console/plans",
    "/console/plans/pro",
    "/console/prices",
    "/console/prices/unpriced",
    "/console/prices/imports",
    "/console/invoices",
    "/console/events",
    "/console/arrivals",
    "/console/refused",
    "/console/unmatched",
    "/console/try",
    "/console/re-ratings",
    "/console/re-ratings/new",
    "/console/new-plan",
    "/console/plans/pro/versions/1",
    "/console/plans/pro/versions/new",
    "/console/plans/pro/versions/1/move",
    "/console/plan-moves",
    "/console/add-ons",
    "/console/burn-tables",
    "/console/burn-tables/standard",
    "/console/burn-tables/standard/versions/new",
)


def text_of(client: Client, path: str, **query: str) -> str:
    answer = client.get(path, query)
    assert answer.status_code == 200
    return answer.content.decode()


def rows_of(client: Client, path: str) -> list[list[str]]:
    answer = client.get(path)
    body = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    return list(csv.reader(io.StringIO(body)))


def paths_of(company: Company) -> list[str]:
    seq = Event.objects.filter(customer_id=company.customer.id).values_list("seq", flat=True)[0]
    invoice = f"/console/invoices/{company.customer.id}/{public_id('inv', company.invoice.id)}"
    customer = f"/console/customers/{company.customer.id}"
    return [*PATHS, customer, invoice, f"{invoice}/lines/1", f"/console/events/{company.customer.id}/{seq}"]


class TestWhoMayEnter:
    def test_strangers_are_sent_to_sign_in(self, acme: Company, client: Client) -> None:
        for path in paths_of(acme):
            assert client.get(path)["Location"].startswith("/accounts/login/")

    def test_a_customers_member_is_refused(self, acme: Company, client: Client) -> None:
        client.force_login(a_member(acme, "ann@acme.example"))
        for path in paths_of(acme):
            assert client.get(path).status_code == 403
        invoice = f"/console/invoices/{acme.customer.id}/{public_id('inv', acme.invoice.id)}"
        assert client.post(f"{invoice}/void").status_code == 403

    def test_somebody_no_longer_active_is_refused(self, operator: Client) -> None:
        User.objects.update(is_active=False)
        assert operator.get("/console/").status_code == 302


class TestEveryPage:
    def test_it_answers_the_operator(self, operator: Client, acme: Company) -> None:
        for path in paths_of(acme):
            assert operator.get(path).status_code == 200, path

    @pytest.mark.parametrize(
        "query", ["q=%00", "sort=;drop&page=-1", "page=99999999999", "status=x", "before=x"]
    )
    def test_odd_questions_are_no_error_of_ours(self, operator: Client, query: str) -> None:
        for path in PATHS:
            assert operator.get(f"{path}?{query}").status_code == 200, path

    def test_what_is_not_there_is_404(self, operator: Client, acme: Company) -> None:
        for path in (
            "/console/customers/999",
            "/console/plans/none",
            f"/console/invoices/{acme.customer.id}/inv_zz",
            f"/console/events/{acme.customer.id}/99999",
        ):
            assert operator.get(path).status_code == 404, path


class TestOverview:
    def test_it_says_what_was_earned_and_kept(self, operator: Client) -> None:
        page = text_of(operator, "/console/")
        assert "you earned <strong>$" in page and "and kept <strong>" in page

    def test_events_without_a_price_are_told(self, operator: Client) -> None:
        assert "no price yet" in text_of(operator, "/console/")
        assert "unheard-of-9b" in text_of(operator, "/console/prices/unpriced")

    def test_parked_work_is_told(self, operator: Client) -> None:
        DueWork.objects.create(
            customer_id=0,
            kind="stripe.invoice",
            key="x",
            due_at=present(),
            parked_at=present(),
            last_error="Refused.",
        )
        assert "waits for a person" in text_of(operator, "/console/")
        assert "Refused." in text_of(operator, "/console/work")

    def test_a_currency_without_costs_shows_no_margin(self, operator: Client) -> None:
        Customer.objects.update(currency="EUR")
        page = text_of(operator, "/console/?currency=EUR")
        assert "and kept" not in page

    def test_queries_do_not_grow_with_customers(
        self, operator: Client, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_max_num_queries(10):
            operator.get("/console/")


class TestCustomers:
    def test_searching_finds_by_name_and_key(self, operator: Client) -> None:
        page = text_of(operator, "/console/customers", q="glob")
        assert "Globex" in page and "Acme" not in page

    def test_a_percent_sign_is_not_a_wildcard(self, operator: Client) -> None:
        assert "No customer matches" in text_of(operator, "/console/customers", q="%")

    @pytest.mark.parametrize(
        "sort", ["name", "-name", "key", "created", "-events", "revenue", "-cost", "margin"]
    )
    def test_every_column_sorts(self, operator: Client, sort: str) -> None:
        page = text_of(operator, "/console/customers", sort=sort)
        assert 'aria-sort="' + ("descending" if sort.startswith("-") else "ascending") in page

    def test_a_name_that_looks_like_a_formula_is_harmless_in_csv(self, operator: Client) -> None:
        create_customer(key="evil", name='=HYPERLINK("http://x")', now=present())
        rows = rows_of(operator, "/console/customers?format=csv")
        cells = [cell for row in rows for cell in row if not cell.lstrip("-").replace(".", "").isdigit()]
        assert '\'=HYPERLINK("http://x")' in cells
        assert not [cell for cell in cells if cell.startswith(FORMULA_STARTS)]

    def test_the_list_takes_as_many_queries_for_many_as_for_few(
        self, operator: Client, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        for n in range(60):
            create_customer(key=f"c{n}", name=f"Customer {n}", now=present())
        with django_assert_max_num_queries(6):
            page = text_of(operator, "/console/customers")
        assert "1 – 50 of 62" in page

    def test_a_portal_link_is_made_and_works(self, operator: Client, acme: Company) -> None:
        page = operator.post(f"/console/customers/{acme.customer.id}/portal-link").content.decode()
        token = page.partition("/portal/enter/")[2].partition('"')[0]
        assert Client().get(f"/portal/enter/{token}")["Location"] == "/portal/"

    def test_links_are_cut_off(self, operator: Client, acme: Company) -> None:
        link = create_portal_link(acme.customer, now=acme.now, base_url="")
        assert Client().get(link.url).status_code == 302
        page = operator.post(f"/console/customers/{acme.customer.id}/portal-link/cut-off", follow=True)
        assert "No link opens the portal" in page.content.decode()
        assert Client().get(link.url).status_code == 404

    def test_a_key_made_here_sees_its_customer_alone(self, operator: Client, acme: Company) -> None:
        operator.post(f"/console/customers/{acme.customer.id}/api-keys", {"name": "Exports"})
        key = ApiKey.objects.get(name="Exports")
        assert key.customer_id == acme.customer.id

    def test_links_and_keys_are_not_made_by_reading(self, operator: Client, acme: Company) -> None:
        for end in ("portal-link", "portal-link/cut-off", "api-keys"):
            assert operator.get(f"/console/customers/{acme.customer.id}/{end}").status_code == 405


class TestPricesThatWait:
    @pytest.fixture
    def snapshot(self, operator: Client) -> PriceSnapshot:
        def quotes(price: str) -> PriceList:
            return PriceList("csv", price, [Quote("openai", "gpt-5", "input", Decimal(price))])

        first = import_price_list(quotes("0.000001"), now=present(), accept_single_source=True)
        assert not first.snapshot.diff["staged"]
        return import_price_list(quotes("0.000009"), now=present(), accept_single_source=True).snapshot

    def test_a_jump_waits_and_is_taken(self, operator: Client, snapshot: PriceSnapshot) -> None:
        page = text_of(operator, f"/console/prices/imports/{snapshot.id}")
        assert "more than doubled" in page
        mark = page.partition('name="item" value="')[2].partition('"')[0]
        path = f"/console/prices/imports/{snapshot.id}/decide"
        answer = operator.post(path, {"item": mark, "decision": "approve"}, follow=True).content.decode()
        assert "1 taken into the book" in answer
        assert PriceRow.objects.filter(snapshot=snapshot, price=Decimal("0.000009")).exists()

    def test_a_mark_that_no_longer_fits_decides_nothing(
        self, operator: Client, snapshot: PriceSnapshot
    ) -> None:
        path = f"/console/prices/imports/{snapshot.id}/decide"
        for mark in ("0", "0|openai|gpt-5|input|0.000008"):
            answer = operator.post(path, {"item": mark, "decision": "approve"}, follow=True).content.decode()
            assert "Nothing was decided" in answer
        assert not PriceRow.objects.filter(snapshot=snapshot).exists()


class TestInvoices:
    def test_a_draft_is_finalized_and_gets_a_number(self, operator: Client, globex: Company) -> None:
        path = f"/console/invoices/{globex.customer.id}/{public_id('inv', globex.invoice.id)}"
        page = operator.post(f"{path}/finalize", follow=True).content.decode()
        assert "Finalized as BL-" in page

    def test_an_open_invoice_is_voided(self, operator: Client, acme: Company) -> None:
        path = f"/console/invoices/{acme.customer.id}/{public_id('inv', acme.invoice.id)}"
        assert "Voided." in operator.post(f"{path}/void", follow=True).content.decode()
        assert Invoice.objects.get(customer_id=acme.customer.id, id=acme.invoice.id).status == "void"

    def test_a_paid_one_says_why_it_is_not_voided(self, operator: Client, acme: Company) -> None:
        Invoice.objects.filter(id=acme.invoice.id).update(status="paid")
        path = f"/console/invoices/{acme.customer.id}/{public_id('inv', acme.invoice.id)}"
        assert "Not voided" in operator.post(f"{path}/void", follow=True).content.decode()

    def test_an_invoice_is_not_found_under_another_customer(
        self, operator: Client, acme: Company, globex: Company
    ) -> None:
        path = f"/console/invoices/{globex.customer.id}/{public_id('inv', acme.invoice.id)}"
        assert operator.get(path).status_code == 404


class TestEvents:
    def test_a_customers_events_are_found_by_key(self, operator: Client) -> None:
        page = text_of(operator, "/console/events", customer="acme", q="acme-3")
        assert "acme-3" in page and "acme-4" not in page

    def test_an_unknown_customer_is_named(self, operator: Client) -> None:
        assert "No customer has the key" in text_of(operator, "/console/events", customer="nobody")

    def test_the_receipt_tells_cost_by_price_row(self, operator: Client, acme: Company) -> None:
        event = Event.objects.get(customer_id=acme.customer.id, event_id="acme-0")
        page = text_of(operator, f"/console/events/{acme.customer.id}/{event.seq}")
        assert "0.0001234567" in page and "Welcome" in page

    def test_csv_costs_add_up(self, operator: Client, acme: Company) -> None:
        rows = rows_of(operator, "/console/events?customer=acme&format=csv")
        total = sum(Decimal(row[-1]) for row in rows[1:])
        assert total == sum(Event.objects.filter(customer_id=acme.customer.id).values_list("cost", flat=True))


class TestFloors:
    def test_customers_below_their_floor_are_named_with_what_is_missing(
        self, operator: Client, acme: Company
    ) -> None:
        CustomerDay.objects.filter(customer_id=acme.customer.id).update(revenue=Decimal(6), cost=Decimal(6))
        days = CustomerDay.objects.filter(customer_id=acme.customer.id, day__lte=present().date())
        missing = min(days.count(), 30) * Decimal(4)  # a floor of 40 % asks for 10 on a cost of 6
        page = text_of(operator, "/console/")
        assert "1 customer runs below the floor" in page
        assert f"${missing:.2f} short" in page
