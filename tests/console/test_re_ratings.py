import csv
import io
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client

from billing.models import ReRating, ReRatingStep
from billing.recounts.rerating import LOOK_DUE
from core.clock import now as present
from core.due_work import run_due
from core.ids import public_id
from core.models import DueWork
from metering.models import Event
from pricing.models import PriceRow
from pricing.price_imports import set_operator_prices
from pricing.price_sources.quotes import Quote
from tests.portal.world import SECRET_COST, Company, a_member


def asked(**changes: str) -> dict[str, str]:
    first = (present() - timedelta(days=60)).date().isoformat()
    return {"first": first, "reason": "the provider cut its price"} | changes


def path_of(row: ReRating) -> str:
    return f"/console/re-ratings/{public_id('rerate', row.id)}"


def cut(price: Decimal = SECRET_COST / 2) -> None:
    then = present() - timedelta(days=60)
    quote = Quote(provider="openai", model="gpt-5", unit="output", price=price, starts=then)
    set_operator_prices([quote], by="test", now=present())


@pytest.fixture
def dry_run(operator: Client, acme: Company) -> ReRating:
    """A price that was half of what the book said, looked at for Acme alone."""
    cut()
    operator.post("/console/re-ratings/new", asked(customer="acme"))
    return ReRating.objects.get()


class TestNew:
    def test_a_days_span_is_asked_for_and_looked_at(self, operator: Client, dry_run: ReRating) -> None:
        page = operator.get(path_of(dry_run)).content.decode()
        assert "This would change <strong>" in page and "your cost falls from" in page
        assert dry_run.created_by == "ops@example.com"

    def test_every_wrong_field_is_named_beside_it(self, operator: Client) -> None:
        answer = operator.post("/console/re-ratings/new", {"first": "soon", "customer": "nobody"})
        page = answer.content.decode()
        assert answer.status_code == 422
        assert "Write a day" in page and "No customer has the key" in page and "It is required." in page
        assert not ReRating.objects.exists()

    def test_a_span_that_is_still_to_come_is_refused(self, operator: Client) -> None:
        tomorrow = (present() + timedelta(days=2)).date().isoformat()
        page = operator.post("/console/re-ratings/new", asked(first=tomorrow)).content.decode()
        assert "It is still to come." in page

    def test_a_button_pressed_twice_asks_once(self, operator: Client) -> None:
        form = operator.get("/console/re-ratings/new").content.decode()
        mark = form.partition('name="once" value="')[2].partition('"')[0]
        sent = asked(once=mark)
        answers = [operator.post("/console/re-ratings/new", sent) for _ in range(2)]
        assert answers[0]["Location"] == answers[1]["Location"]
        assert ReRating.objects.count() == 1

    def test_the_form_sent_again_with_other_words_is_another(self, operator: Client) -> None:
        for reason in ("one", "other"):
            operator.post("/console/re-ratings/new", asked(once="m1", reason=reason))
        assert ReRating.objects.count() == 2


class TestProgress:
    def test_while_it_counts_the_page_asks_again_by_itself(self, operator: Client) -> None:
        operator.post("/console/re-ratings/new", asked())
        row = ReRating.objects.get()
        page = operator.get(path_of(row)).content.decode()
        assert 'hx-trigger="every 2s"' in page and "0 of 2 customers" in page
        run_due(present())
        page = operator.get(path_of(row)).content.decode()
        assert "every 2s" not in page and "Nothing would change" in page

    def test_customers_that_wait_for_a_person_are_told(self, operator: Client, dry_run: ReRating) -> None:
        ReRating.objects.update(state="counting")
        DueWork.objects.update_or_create(
            customer_id=1,
            kind=LOOK_DUE,
            key=dry_run.id.hex,
            defaults={"due_at": present(), "parked_at": present()},
        )
        assert "1 customer waits for a person" in operator.get(path_of(dry_run)).content.decode()


class TestApply:
    def test_it_says_first_what_will_happen_and_then_does_it(
        self, operator: Client, dry_run: ReRating, acme: Company
    ) -> None:
        before = Event.objects.get(customer_id=acme.customer.id, event_id="acme-1").cost
        page = operator.get(path_of(dry_run)).content.decode()
        assert "There is no way back" in page
        answer = operator.post(f"{path_of(dry_run)}/apply", follow=True).content.decode()
        assert "being applied" in answer
        run_due(present())
        assert Event.objects.get(customer_id=acme.customer.id, event_id="acme-1").cost == before / 2
        assert "This changed <strong>" in operator.get(path_of(dry_run)).content.decode()

    def test_a_stale_one_is_told_refused_and_looked_at_again(
        self, operator: Client, dry_run: ReRating
    ) -> None:
        cut(SECRET_COST / 4)
        page = operator.get(path_of(dry_run)).content.decode()
        assert "out of date" in page and "Apply the correction" not in page
        answer = operator.post(f"{path_of(dry_run)}/apply", follow=True).content.decode()
        assert "Not applied" in answer and not ReRatingStep.objects.filter(state="applied").exists()
        operator.post(f"{path_of(dry_run)}/again")
        fresh = ReRating.objects.exclude(id=dry_run.id).get()
        assert (fresh.span_start, fresh.customer_id) == (dry_run.span_start, dry_run.customer_id)

    def test_no_one_but_staff_applies(self, dry_run: ReRating, acme: Company, client: Client) -> None:
        path = f"{path_of(dry_run)}/apply"
        assert client.post(path)["Location"].startswith("/accounts/login/")
        client.force_login(a_member(acme, "ann@acme.example"))
        assert client.post(path).status_code == 403
        assert ReRating.objects.get().state == "ready"

    def test_reading_applies_nothing(self, operator: Client, dry_run: ReRating) -> None:
        assert operator.get(f"{path_of(dry_run)}/apply").status_code == 405


class TestCustomers:
    def test_those_without_a_change_are_shown_on_demand(self, operator: Client, acme: Company) -> None:
        operator.post("/console/re-ratings/new", asked(customer="acme"))
        row = ReRating.objects.get()
        assert "Period by period" not in operator.get(path_of(row)).content.decode()
        assert "Period by period" in operator.get(path_of(row), {"show": "all"}).content.decode()

    def test_the_file_holds_the_figures_of_the_page(self, operator: Client, dry_run: ReRating) -> None:
        answer = operator.get(path_of(dry_run), {"format": "csv"})
        text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
        ((key, _, events, before, after, *_),) = list(csv.reader(io.StringIO(text)))[1:]
        found = dry_run.steps.get().found
        assert (key, int(events)) == ("acme", found["events"])
        assert (Decimal(before), Decimal(after)) == tuple(
            Decimal(found["cost"][name]) for name in ("before", "after")
        )

    @pytest.mark.parametrize("sort", ["name", "-events", "cost", "credits", "-charges", "margin", "x"])
    def test_every_column_sorts(self, operator: Client, dry_run: ReRating, sort: str) -> None:
        assert operator.get(path_of(dry_run), {"sort": sort, "q": "ac%"}).status_code == 200


class TestOwnPrices:
    PATH = "/console/prices/own?provider=openai&model=gpt-5"

    def test_a_percentage_fills_in_the_new_prices_and_writes_nothing(self, operator: Client) -> None:
        count = PriceRow.objects.count()
        page = operator.post(self.PATH, {"do": "percent", "percent": "-30"}).content.decode()
        assert 'value="86.41969"' in page  # 123.4567 a million, less 30 %
        assert PriceRow.objects.count() == count

    def test_a_price_from_the_past_leads_to_the_dry_run(self, operator: Client) -> None:
        asked = {"do": "write", "first": "2026-01-01", "output|standard||0": "50", "once": "m"}
        answers = [operator.post(self.PATH, asked) for _ in range(2)]
        assert all(answer["Location"].startswith("/console/re-ratings/new?first=") for answer in answers)
        assert PriceRow.objects.filter(price=Decimal("0.00005")).count() == 1

    def test_what_is_wrong_stands_beside_its_field(self, operator: Client) -> None:
        answer = operator.post(self.PATH, {"do": "write", "output|standard||0": "cheap"})
        page = answer.content.decode()
        assert answer.status_code == 422
        assert "Write the day from which" in page and re.search(r'class="wrong">[^<]*number', page)

    def test_the_first_price_of_a_model_is_written_where_its_events_wait(
        self, operator: Client, acme: Company
    ) -> None:
        waiting = operator.get("/console/prices/unpriced").content.decode()
        path = "/console/prices/own?provider=anthropic&model=unheard-of-9b"
        assert path.replace("&", "&amp;") in waiting
        page = operator.get(path).content.decode()
        assert "events wait for a price" in page and 'value="20' in page, "from the first of them on"
        asked = {"do": "write", "first": "2026-01-01", "output|standard||0": "3", "once": "first"}
        answer = operator.post(path, asked)
        assert answer["Location"] == "/console/prices?q=unheard-of-9b"
        assert PriceRow.objects.get(model="unheard-of-9b").price == Decimal("0.000003")

    def test_a_model_without_prices_is_not_there(self, operator: Client) -> None:
        assert operator.get("/console/prices/own?provider=x&model=y").status_code == 404


class TestWhatIsSaidAfterwards:
    @pytest.fixture
    def applied(self, operator: Client, dry_run: ReRating) -> None:
        customer = f"/console/customers/{dry_run.customer_id}"
        for path in (customer, "/console/"):
            assert "Corrected " not in operator.get(path).content.decode()
        operator.post(f"{path_of(dry_run)}/apply")
        run_due(present())

    def test_overview_and_customer_say_that_their_figures_were_corrected(
        self, operator: Client, applied: None, acme: Company, globex: Company
    ) -> None:
        for path in ("/console/", f"/console/customers/{acme.customer.id}"):
            page = operator.get(path).content.decode()
            assert "<strong>Corrected " in page and "the provider cut its price" in page
        assert "Corrected " not in operator.get(f"/console/customers/{globex.customer.id}").content.decode()

    def test_an_invoice_that_was_sent_says_what_goes_on_the_next_one(
        self, operator: Client, dry_run: ReRating, acme: Company
    ) -> None:
        path = f"/console/invoices/{acme.customer.id}/{public_id('inv', acme.invoice.id)}"
        assert "after it was sent" not in operator.get(path).content.decode()
        step = dry_run.steps.get()
        assert step.found is not None
        step.applied, step.state, step.applied_at = dict(step.found), "applied", present()
        for period in step.applied["periods"]:
            if period["invoice"] == acme.invoice.number:
                period["subtotal_after_minor"] = period["subtotal_before_minor"] - 314
        step.save()
        page = operator.get(path).content.decode()
        assert (
            "after it was sent" in page and "\N{MINUS SIGN}$3.14 before tax goes on the next invoice" in page
        )
