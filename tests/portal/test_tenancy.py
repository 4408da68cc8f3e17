"""A customer's pages show that customer alone, and never what anything cost the operator."""

import re

import pytest
from django.test import Client

from core.ids import public_id
from core.money import plain
from metering.models import Event
from tests.portal.conftest import visitor_of
from tests.portal.world import SECRET_COST, Company

PATHS = (
    "/portal/",
    "/portal/usage",
    "/portal/credits",
    "/portal/burn-table",
    "/portal/invoices",
    "/portal/calls",
    "/portal/runs",
    "/portal/runs/run-1",
    "/portal/usage?by=user&only_feature=chat",
)


def pages_of(company: Company) -> list[str]:
    invoice = public_id("inv", company.invoice.id)
    seqs = Event.objects.filter(customer_id=company.customer.id).values_list("seq", flat=True)[:3]
    own = [f"/portal/invoices/{invoice}", f"/portal/invoices/{invoice}/lines/1"]
    return [*PATHS, *own, *(f"/portal/calls/{seq}" for seq in seqs)]


def test_every_page_answers(visitor: Client, acme: Company) -> None:
    for path in pages_of(acme):
        assert visitor.get(path).status_code == 200, path


def test_no_page_names_another_customer_or_its_calls(visitor: Client, acme: Company) -> None:
    for path in pages_of(acme):
        text = visitor.get(path).content.decode().lower()
        assert "globex" not in text, path


def test_no_page_tells_cost_or_margin(visitor: Client, acme: Company) -> None:
    costs = [plain(SECRET_COST), "0.0123", "margin", "provider cost", "below the floor"]
    for path in pages_of(acme):
        text = visitor.get(path).content.decode()
        visible = re.sub(r"<(script|style|head)\b.*?</\1>", "", text, flags=re.DOTALL).lower()
        assert not [word for word in costs if word in visible], path


def test_another_customers_invoice_is_not_there(visitor: Client, globex: Company) -> None:
    path = f"/portal/invoices/{public_id('inv', globex.invoice.id)}"
    for end in ("", "/pdf", "/lines/1", "?format=csv"):
        assert visitor.get(path + end).status_code == 404


def test_another_customers_call_is_not_found_by_its_id(visitor: Client) -> None:
    page = visitor.get("/portal/calls", {"q": "globex-1"})
    assert page.status_code == 200
    assert "No call has this id" in page.content.decode()


def test_a_call_beyond_the_own_ones_is_not_there(visitor: Client) -> None:
    assert visitor.get("/portal/calls/999999").status_code == 404


def test_a_draft_is_the_sellers_own_paper(globex: Company) -> None:
    assert globex.invoice.status == "draft"
    visitor = visitor_of(globex)
    assert visitor.get(f"/portal/invoices/{public_id('inv', globex.invoice.id)}").status_code == 404
    assert "No invoices yet" in visitor.get("/portal/invoices").content.decode()


@pytest.mark.parametrize(
    "path",
    [
        "/portal/invoices/inv_zzz",
        "/portal/invoices/%00",
        "/portal/calls?q=%00&day=x",
        "/portal/usage?only_model=%00",
    ],
)
def test_odd_addresses_are_no_error_of_ours(visitor: Client, path: str) -> None:
    assert visitor.get(path).status_code in (200, 404)
