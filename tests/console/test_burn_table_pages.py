import json
from datetime import timedelta

import pytest
from django.test import Client

from core.clock import now as present
from pricing.models import BurnTable, BurnTableVersion
from tests.portal.world import Company, a_member

PATH = "/console/burn-tables/standard"
NEW = f"{PATH}/versions/new"
RATES = json.dumps([{"id": "out", "match": {"token_kind": "output"}, "credits": "3", "per": "1000"}])


def test_the_table_in_force_is_told_in_words(operator: Client) -> None:
    page = operator.get(PATH).content.decode()
    assert "In force: version 1" in page and "everything else" in page
    assert "Credits for calls" in operator.get("/console/burn-tables").content.decode()


def test_it_says_what_each_model_earns_and_what_lies_under_the_floor(operator: Client) -> None:
    page = operator.get(PATH, {"credit_price": "0.05", "floor": "0.3"}).content.decode()
    # Output costs $0.0001234567 and burns 2 / 1000 credits of $0.05: a margin of -23 %.
    assert "under the floor of" in page and "\N{MINUS SIGN}23" in page


@pytest.mark.parametrize("price", ["x", "0", "-1"])
def test_a_price_that_is_none_is_told(operator: Client, price: str) -> None:
    assert 'class="wrong"' in operator.get(PATH, {"credit_price": price}).content.decode()


class TestNextVersion:
    def test_it_is_checked_before_it_is_announced(self, operator: Client) -> None:
        page = operator.get(NEW).content.decode()
        assert "Announce the version" not in page and "&quot;token_kind&quot;" in page
        page = operator.post(NEW, {"do": "check", "rates": RATES, "credit_price": "0.01"}).content.decode()
        assert "Announce the version" in page
        assert BurnTableVersion.objects.count() == 1

    def test_it_is_announced_once(self, operator: Client) -> None:
        first = (present() + timedelta(days=30)).date().isoformat()
        asked = {"do": "announce", "rates": RATES, "first": first, "note": "Dearer output", "once": "m"}
        for _ in range(2):
            page = operator.post(NEW, asked, follow=True).content.decode()
            assert "Version 2 is announced" in page and "Dearer output" in page
        assert BurnTable.objects.get().versions.count() == 2

    def test_a_mistake_is_put_right_from_the_past_and_leads_to_rating_again(self, operator: Client) -> None:
        asked = {"do": "announce", "rates": RATES, "first": "2026-02-01", "note": "Typing error"}
        page = operator.post(NEW, asked).content.decode()
        assert "or say that it puts a mistake right" in page
        page = operator.post(NEW, asked | {"correction": "yes"}, follow=True).content.decode()
        assert "/console/re-ratings/new?first=2026-02-01" in page

    @pytest.mark.parametrize("rates", ["", "{", "[]", "[1]", '[{"id": "a", "credits": "x"}]', "1e999"])
    def test_rates_that_are_none_are_told(self, operator: Client, rates: str) -> None:
        answer = operator.post(NEW, {"do": "announce", "rates": rates})
        assert answer.status_code == 422 and "to put right" in answer.content.decode()

    def test_no_one_but_staff_announces(self, acme: Company, client: Client) -> None:
        client.force_login(a_member(acme, "ann@acme.example"))
        assert client.post(NEW, {"do": "announce", "rates": RATES}).status_code == 403


class TestFirstTable:
    WANTED = {"do": "announce", "rates": RATES, "key": "fast", "name": "Fast credits", "unlisted": "free"}

    def test_it_is_checked_then_published_once(self, operator: Client) -> None:
        path = "/console/new-burn-table"
        page = operator.get(path).content.decode()
        assert "&quot;tokens&quot;" in page and "Announce the version" not in page
        for _ in range(2):
            page = operator.post(path, self.WANTED | {"once": "m"}, follow=True).content.decode()
        assert "Fast credits is published" in page
        made = BurnTable.objects.get(key="fast")
        assert made.versions.get().unlisted == "free" and made.versions.get().effective_at <= present()

    @pytest.mark.parametrize(
        ("name", "value"), [("key", "standard"), ("key", ""), ("name", ""), ("rates", "[]")]
    )
    def test_what_is_wrong_is_told(self, operator: Client, name: str, value: str) -> None:
        answer = operator.post("/console/new-burn-table", self.WANTED | {name: value})
        assert answer.status_code == 422 and BurnTable.objects.count() == 1
