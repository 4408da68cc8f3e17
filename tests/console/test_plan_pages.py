import html
import re
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from core.clock import now as present
from pricing.models import PlanVersion
from pricing.plan_terms import read_terms
from pricing.plans import create_plan, publish_version, version_of
from tests.portal.world import Company, a_member

NEW = "/console/plans/pro/versions/new"
FORM = {
    "mode": "form",
    "name": "Pro",
    "currency": "USD",
    "fee": "59",
    "interval": "month",
    "charges[0].key": "tokens",
    "charges[0].model": "graduated",
    "charges[0].meter": "output_tokens",
    "charges[0].tiers[0].up_to": "1000",
    "charges[0].tiers[0].unit_price": "0",
    "charges[0].tiers[1].row": "1",
    "charges[0].tiers[1].unit_price": "0.02",
    "charges[0].prorate": "true",
    "margin_floor.rate": "",
    "margin_floor.on_breach": "bill",
}


def fields_of(page: str) -> dict[str, str]:
    """What the editor's form would send as it stands."""
    found = dict(re.findall(r'<input[^>]* name="([^"]+)"[^>]* value="([^"]*)"', page))
    for name, body in re.findall(r'<select[^>]* name="([^"]+)"[^>]*>(.*?)</select>', page, re.DOTALL):
        chosen = re.findall(r'<option value="([^"]*)"(?: selected)', body)
        found[name] = chosen[0] if chosen else re.findall(r'<option value="([^"]*)"', body)[0]
    return found


def draft(operator: Client, **changes: str) -> PlanVersion:
    operator.post(NEW, FORM | {"do": "save"} | changes)
    return PlanVersion.objects.get(number=2)


class TestEditor:
    def test_a_form_becomes_a_draft(self, operator: Client) -> None:
        terms = draft(operator).terms
        assert terms["fee"] == "59" and terms["margin_floor"] is None
        assert terms["charges"][0]["tiers"] == [
            {"up_to": "1000", "unit_price": "0", "flat": "0"},
            {"up_to": None, "unit_price": "0.02", "flat": "0"},
        ]

    def test_the_form_opened_and_saved_changes_nothing(self, operator: Client) -> None:
        page = operator.get(NEW).content.decode()
        operator.post(NEW, fields_of(page) | {"do": "save"})
        first, second = PlanVersion.objects.order_by("number").values_list("terms", flat=True)
        assert first == second

    def test_what_the_form_has_no_fields_for_goes_through_it(self, operator: Client) -> None:
        body = {
            "name": "Team",
            "key": "team",
            "charges": [
                {
                    "key": "tokens",
                    "meter": "output_tokens",
                    "model": "volume",
                    "tiers": [{"up_to": None, "unit_price": "1", "flat": "5"}],
                    "flat_at_zero": True,
                },
                {"key": "more", "meter": "output_tokens", "model": "per_unit", "unit_price": "1"},
            ],
            "allowances": [{"key": "pool", "amount": "100", "charges": ["more"]}],
        }
        create_plan(read_terms(body), now=present())
        path = "/console/plans/team/versions/1/edit"
        before = version_of("team", 1).terms
        page = operator.get(path).content.decode()
        assert "edited as JSON: allowances" in page
        fields = {name: html.unescape(text) for name, text in fields_of(page).items()}
        operator.post(path, fields | {"do": "save"})
        assert version_of("team", 1).terms == before

    def test_saving_twice_makes_one(self, operator: Client) -> None:
        for _ in range(2):
            operator.post(NEW, FORM | {"do": "save", "once": "m1"})
        assert PlanVersion.objects.count() == 2

    def test_what_is_wrong_stands_beside_its_field_and_the_rest_is_kept(self, operator: Client) -> None:
        answer = operator.post(NEW, FORM | {"do": "save", "fee": "cheap", "charges[0].tiers[1].up_to": "9"})
        page = answer.content.decode()
        assert answer.status_code == 422 and not PlanVersion.objects.filter(number=2).exists()
        assert 'value="cheap"' in page and "The last tier has no end" in page
        assert 'id="in-fee-wrong"' in page and 'id="in-charges-0--tiers-1--up-to-wrong"' in page

    @pytest.mark.parametrize(
        ("step", "expected"),
        [
            ("add charges", 'name="charges[1].key"'),
            ("add tiers 0", 'name="charges[0].tiers[2].up_to"'),
            ("add credit_grants", 'name="credit_grants[0].amount"'),
        ],
    )
    def test_rows_come(self, operator: Client, step: str, expected: str) -> None:
        assert expected in operator.post(NEW, FORM | {"do": step}).content.decode()
        assert not PlanVersion.objects.filter(number=2).exists()

    @pytest.mark.parametrize(
        "step", ["remove tiers 0 1", "remove charges 0", "remove tiers 0 9", "add x", "remove"]
    )
    def test_rows_go(self, operator: Client, step: str) -> None:
        page = operator.post(NEW, FORM | {"do": step}).content.decode()
        gone = {"remove tiers 0 1": "charges[0].tiers[1].up_to", "remove charges 0": "charges[0].key"}.get(
            step
        )
        assert (gone is None) or f'name="{gone}"' not in page

    def test_another_model_drops_the_fields_of_the_one_before(self, operator: Client) -> None:
        page = operator.post(NEW, FORM | {"charges[0].model": "package", "do": "again"}).content.decode()
        assert 'name="charges[0].package_size"' in page and "tiers[0]" not in page

    @pytest.mark.parametrize(
        ("charge", "quantity", "together"),
        [
            ({"model": "per_unit", "unit_price": "0.25"}, "100", "84.00"),
            ({"model": "package", "package_size": "10", "package_price": "1"}, "11", "61.00"),
            ({"model": "cost_plus", "markup": "0.5"}, "10", "74.00"),
            ({"model": "dynamic"}, "7", "66.00"),
            ({"model": "flat", "amount": "5"}, "", "64.00"),
            ({"model": "percentage", "rate": "0.1"}, "50", "64.00"),
        ],
    )
    def test_the_price_is_told_while_it_is_written(
        self, operator: Client, charge: dict[str, str], quantity: str, together: str
    ) -> None:
        form = {
            "mode": "form",
            "name": "x",
            "fee": "59",
            "currency": "USD",
            "quantity[0]": quantity,
            "do": "again",
        }
        form |= {f"charges[0].{name}": value for name, value in charge.items()}
        page = operator.post(NEW, form).content.decode()
        assert f">{together} <span" in page.partition('class="sum"')[2]

    def test_a_matrix_is_written_by_its_dimensions(self, operator: Client) -> None:
        form = {name: text for name, text in FORM.items() if "tiers" not in name} | {
            "charges[0].model": "matrix",
            "charges[0].dimensions": "model, token_kind",
            "charges[0].cells[0].match": "opus, output",
            "charges[0].cells[0].unit_price": "0.5",
            "charges[0].cells[1].match": ", input",
            "charges[0].cells[1].unit_price": "0.1",
        }
        tiers = {f"charges[0].tiers[{n}].{name}": "" for n in (0, 1) for name in ("up_to", "unit_price")}
        terms = draft(operator, **form, **tiers).terms
        matches = [cell["match"] for cell in terms["charges"][0]["cells"]]
        assert matches == [{"model": "opus", "token_kind": "output"}, {"token_kind": "input"}]

    def test_the_same_terms_go_as_json_and_back(self, operator: Client) -> None:
        page = operator.post(NEW, FORM | {"do": "json"}).content.decode()
        assert 'name="json"' in page and "&quot;fee&quot;: &quot;59&quot;" in page
        body: dict[str, Any] = {"mode": "json", "do": "form", "json": '{"name": "P", "fee": 7.5}'}
        assert 'value="7.5"' in operator.post(NEW, body).content.decode()

    @pytest.mark.parametrize(
        "text", ["{", "[]", '{"name": "P", "oops": 1}', '{"charges": {"a": 1}}', '{"charges": [1]}']
    )
    def test_json_that_is_not_terms_is_told(self, operator: Client, text: str) -> None:
        answer = operator.post(NEW, {"mode": "json", "do": "save", "json": text})
        assert answer.status_code == 422 and "to put right" in answer.content.decode()

    @pytest.mark.parametrize("step", ["json", "form", "again", "add charges"])
    @pytest.mark.parametrize(
        "text",
        [
            "{",
            '{"charges": {"a": 1}}',
            '{"charges": [1], "currency": "xx", "fee": []}',
            '{"charges": 5, "credit_grants": 5, "margin_floor": 5, "commitment": []}',
            '{"charges": [{"model": "matrix", "dimensions": 5, "cells": [{"match": "x"}, 7]}]}',
            '{"charges": [{"model": [], "key": {}, "meter": 7, "tiers": {"a": 1}}]}',
        ],
    )
    def test_odd_terms_are_no_error_of_ours(self, operator: Client, text: str, step: str) -> None:
        answer = operator.post(NEW, {"mode": "json", "do": step, "json": text})
        assert answer.status_code in (200, 422)

    @pytest.mark.parametrize("place", ["rest", "charges[0].rest"])
    @pytest.mark.parametrize(
        "rest",
        ["[" * 100_000, "NaN", '{"margin_floor": 5, "charges": 5}', '{"cells": 7, "dimensions": 7}', "5"],
    )
    def test_what_goes_through_unseen_is_read_as_strictly(
        self, operator: Client, place: str, rest: str
    ) -> None:
        form = {name: text for name, text in FORM.items() if "floor" not in name}
        answer = operator.post(NEW, form | {"do": "again", place: rest})
        assert answer.status_code in (200, 422)

    def test_a_plan_is_copied_under_another_key(self, operator: Client) -> None:
        page = operator.get("/console/new-plan", {"copy": "pro"}).content.decode()
        operator.post("/console/new-plan", fields_of(page) | {"do": "save", "key": "max", "name": "Max"})
        assert version_of("max", 1).terms["charges"] == version_of("pro", 1).terms["charges"]

    def test_a_draft_is_rewritten_and_a_published_one_is_not(self, operator: Client) -> None:
        version = draft(operator)
        path = "/console/plans/pro/versions/2/edit"
        operator.post(path, FORM | {"do": "save", "fee": "61"})
        assert version_of("pro", 2).terms["fee"] == "61"
        publish_version(version, now=version.created_at)
        page = operator.post(path, FORM | {"do": "save", "fee": "62"}).content.decode()
        assert "fixed for ever" in page and version_of("pro", 2).terms["fee"] == "61"


class TestVersions:
    def test_what_it_changes_is_told_in_words(self, operator: Client) -> None:
        draft(operator)
        page = operator.get("/console/plans/pro/versions/2").content.decode()
        assert "What it changes against version 1" in page
        assert "$0.01 for each token." in page and "above 1,000: $0.02." in page and "Charge overage" in page

    def test_it_is_published_and_retired(self, operator: Client) -> None:
        draft(operator)
        path = "/console/plans/pro/versions/2"
        assert "is on sale" in operator.post(f"{path}/publish", follow=True).content.decode()
        assert "sold no more" in operator.post(f"{path}/retire", follow=True).content.decode()
        assert version_of("pro", 2).status == "retired"

    def test_a_meter_that_is_not_there_keeps_it_a_draft(self, operator: Client) -> None:
        draft(operator, **{"charges[0].meter": "nothing"})
        page = operator.post("/console/plans/pro/versions/2/publish", follow=True).content.decode()
        assert "Not published" in page and "no meter" in page

    def test_no_one_but_staff_publishes(self, operator: Client, acme: Company, client: Client) -> None:
        draft(operator)
        client.force_login(a_member(acme, "ann@acme.example"))
        for path in ("publish", "retire", "edit", "move"):
            assert client.post(f"/console/plans/pro/versions/2/{path}").status_code == 403
        assert client.post(NEW, FORM | {"do": "save"}).status_code == 403
        assert version_of("pro", 2).status == "draft"


class TestMoves:
    MOVE = "/console/plans/pro/versions/2/move"

    @pytest.fixture
    def published(self, operator: Client) -> PlanVersion:
        version = draft(operator)
        return publish_version(version, now=version.created_at)

    def test_each_sees_what_its_last_period_would_have_cost(
        self, operator: Client, published: PlanVersion
    ) -> None:
        page = operator.get(self.MOVE).content.decode()
        assert "<strong>2 subscriptions have</strong>" in page and "By the new" in page
        assert page.count('+<span class="money"') == 2 and "not compared" not in page

    def test_all_are_moved_once_and_taken_back(self, operator: Client, published: PlanVersion) -> None:
        answers = [operator.post(self.MOVE, {"who": "all", "once": "m"}) for _ in range(2)]
        assert answers[0]["Location"] == answers[1]["Location"]
        page = operator.get(answers[0]["Location"]).content.decode()
        assert "2 planned" in page
        page = operator.post(f"{answers[0]['Location']}/cancel", follow=True).content.decode()
        assert "2 cancelled" in page and "Cancel the move" not in page

    def test_some_are_chosen_by_mark_and_by_key(self, operator: Client, published: PlanVersion) -> None:
        asked = {"who": "chosen", "customer": ["acme"], "keys": "globex\n"}
        page = operator.post(self.MOVE, asked, follow=True).content.decode()
        assert "2 planned" in page
        rows = operator.get("/console/plan-moves").content.decode()
        assert "2 customers" in rows and "next period of each" in rows

    @pytest.mark.parametrize(
        ("asked", "told"),
        [
            ({"who": "chosen"}, "Mark whom to move"),
            ({"who": "chosen", "keys": "nobody"}, "no customer"),
            ({"who": "all", "day": "2020-01-01"}, "must not be over"),
            ({"who": "all", "day": "x"}, "Write a day"),
        ],
    )
    def test_what_is_wrong_is_told(
        self, operator: Client, published: PlanVersion, asked: dict[str, str], told: str
    ) -> None:
        answer = operator.post(self.MOVE, asked)
        assert answer.status_code == 422 and told in answer.content.decode()

    def test_new_ones_only_moves_nobody(self, operator: Client, published: PlanVersion) -> None:
        page = operator.post(self.MOVE, {"who": "new_only"}, follow=True).content.decode()
        assert "It moves nobody." in page

    def test_the_file_holds_every_step(self, operator: Client, published: PlanVersion) -> None:
        to = operator.post(self.MOVE, {"who": "all"})["Location"]
        body = b"".join(operator.get(to, {"format": "csv"}).streaming_content).decode()  # type: ignore[attr-defined]
        assert body.count("planned") == 2

    def test_a_draft_takes_no_subscribers(self, operator: Client) -> None:
        draft(operator)
        assert operator.get(self.MOVE).status_code == 409


def test_prices_stay_exact(operator: Client) -> None:
    tiny = "0.000000000000000001"
    assert Decimal(
        draft(operator, **{"charges[0].tiers[1].unit_price": tiny}).terms["charges"][0]["tiers"][1][
            "unit_price"
        ]
    ) == Decimal(tiny)


class TestCorrections:
    def test_a_version_sold_by_mistake_is_put_right_and_carried(
        self, operator: Client, acme: Company
    ) -> None:
        assert "put it right" in operator.get("/console/plans/pro/versions/1").content.decode()
        path = f"{NEW}?corrects=1"
        page = operator.get(path).content.decode()
        fields = {name: html.unescape(text) for name, text in fields_of(page).items()}
        answer = operator.post(path, fields | {"do": "save", "fee": "39"})
        assert answer.status_code == 422 and 'id="in-note-wrong"' in answer.content.decode()
        operator.post(path, fields | {"do": "save", "fee": "39", "note": "The fee was 10 too high"})
        assert version_of("pro", 2).corrects == version_of("pro", 1)
        operator.post("/console/plans/pro/versions/2/publish")
        page = operator.get("/console/plans/pro/versions/2").content.decode()
        assert "Puts version 1 right" in page and "Carry it to those who had version 1" in page
        page = operator.post("/console/plans/pro/versions/2/carry", follow=True).content.decode()
        assert "The fee was 10 too high" in page and "to those who had version 1" in page

    def test_what_corrects_nothing_is_not_carried(self, operator: Client) -> None:
        page = operator.post("/console/plans/pro/versions/1/carry", follow=True).content.decode()
        assert "Not looked at" in page
