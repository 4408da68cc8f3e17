"""``/v1/usage`` as clients see it: shapes, refusals, whose rows, and nothing that breaks it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import limits
from customers.models import Customer
from metering.models import Event
from pricing.price_imports import set_operator_prices
from pricing.price_sources.quotes import Quote
from tests.billing.world import START, a_customer, call, use

pytestmark = pytest.mark.django_db

SPAN = {"from": "2026-01-01", "to": "2026-02-01"}
NASTY = (
    "'; DROP TABLE metering_event; --",
    '"',
    "%s",
    "%(x)s",
    "$1",
    "{}",
    "\\",
    "properties.'",
    "a\x00b",
    "properties.%",
    "😀",
    "properties." + "x" * 900,
    "e.cost",
    "../..",
)


@pytest.fixture
def acme(db: None) -> Customer:
    set_operator_prices([Quote("anthropic", "opus", "output", Decimal("0.25"))], by="test", now=START)
    for key in ("acme", "beta"):
        customer = a_customer(key, timezone="Europe/Berlin")
        events = [
            call(
                f"{key}-{n}",
                datetime.fromisoformat(f"2026-01-0{1 + n % 3}T22:30:00+00:00"),
                customer=key,
                provider="anthropic",
                model="opus",
                usage={"output": n + 1},
                status="ok" if n % 4 else "error",
                properties={"feature": ("chat", "search")[n % 2], "team": key},
            )
            for n in range(8)
        ]
        use(customer, *events)
    return Customer.objects.get(key="acme")


def body_of(answer: Any) -> Any:
    assert answer.status_code == 200, answer.content
    return answer.json()


class TestAnswers:
    def test_groups_come_largest_first_with_a_total(self, operator_api: Any, acme: Customer) -> None:
        body = body_of(
            operator_api.get(
                "/v1/usage",
                customer="acme",
                group_by="feature",
                measure="cost,events,failed,failed_cost",
                **SPAN,
            )
        )
        assert body["results"] == [
            {
                "group": {"feature": "search"},
                "cost": "5",
                "events": 4,
                "failed": 0,
                "failed_cost": "0",
            },
            {"group": {"feature": "chat"}, "cost": "4", "events": 4, "failed": 2, "failed_cost": "1.5"},
        ]
        assert body["total"] == {"cost": "9", "events": 8, "failed": 2, "failed_cost": "1.5"}
        assert (body["from"], body["to"], body["timezone"]) == (*SPAN.values(), "Europe/Berlin")

    def test_days_are_the_customers(self, operator_api: Any, acme: Customer) -> None:
        body = body_of(
            operator_api.get("/v1/usage", customer="acme", group_by="day", measure="events", **SPAN)
        )
        assert [row["group"]["day"] for row in body["results"]] == ["2026-01-01", "2026-01-02", "2026-01-03"]
        hours = body_of(
            operator_api.get("/v1/usage", customer="acme", group_by="hour", measure="events", **SPAN)
        )
        assert hours["results"][0]["group"] == {"hour": "2026-01-01T22:00:00Z"}

    def test_pages_are_walked_with_the_cursor(self, operator_api: Any, acme: Customer) -> None:
        seen, cursor = [], None
        while True:
            more = {"cursor": cursor} if cursor else {}
            body = body_of(
                operator_api.get("/v1/usage", group_by="customer,feature,status", limit=2, **SPAN, **more)
            )
            seen += [tuple(row["group"].values()) for row in body["results"]]
            cursor = body["next"]
            if cursor is None:
                break
        assert len(seen) == len(set(seen)) == 6

    def test_top_adds_up_the_rest(self, operator_api: Any, acme: Customer) -> None:
        body = body_of(operator_api.get("/v1/usage", group_by="customer,feature", top=1, **SPAN))
        assert len(body["results"]) == 1 and body["next"] is None
        assert body["other"] == [
            {"group": {"customer": None, "feature": None}, "cost": "13", "events": 12, "tokens": "52"}
        ]

    def test_a_filter_narrows(self, operator_api: Any, acme: Customer) -> None:
        kept = json.dumps({"team": ["acme"], "status": {"not_in": ["ok"]}})
        body = body_of(operator_api.get("/v1/usage", filter=kept, measure="events", **SPAN))
        assert body["total"] == {"events": 2}

    def test_properties_in_use_are_listed_with_their_values(self, operator_api: Any, acme: Customer) -> None:
        body = body_of(operator_api.get("/v1/usage/properties", customer="acme", **SPAN))
        found = {item["path"]: item for item in body["properties"]}
        assert found["properties.feature"]["values"] == [
            {"value": "chat", "events": 4},
            {"value": "search", "events": 4},
        ]
        assert found["model"]["events"] == body["looked_at"] == 8 and body["complete"]

    def test_of_all_customers_each_is_looked_at(
        self, operator_api: Any, acme: Customer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "PICKER_EVENTS_MAX", 6)
        monkeypatch.setattr(limits, "PICKER_CUSTOMERS_MAX", 3)
        other = a_customer("other")
        at = datetime(2026, 1, 10, tzinfo=UTC)
        use(other, call("o1", at, customer="other", properties={"squad": "red"}))
        body = body_of(operator_api.get("/v1/usage/properties", **SPAN))
        assert "properties.squad" in {item["path"] for item in body["properties"]}
        assert (body["looked_at"], body["complete"]) == (5, False)

    def test_token_kinds_need_no_measure_to_be_named(
        self, operator_api: Any, acme: Customer, api_with_key: Callable[..., Any]
    ) -> None:
        for api, told in (
            (operator_api, {"cost": "9", "tokens": "36"}),
            (api_with_key(["read"], customer=acme), {"tokens": "36"}),
        ):
            body = body_of(api.get("/v1/usage", customer="acme", group_by="token_kind", **SPAN))
            assert body["total"] == told and body["results"][0]["group"] == {"token_kind": "output"}


class TestRefusals:
    @pytest.mark.parametrize(
        ("field", "query"),
        [
            ("group_by", {"group_by": "a,b,c,d"}),
            ("group_by", {"group_by": "day,hour"}),
            ("group_by", {"group_by": "cost"}),
            ("group_by", {"group_by": "hour", "from": "2025-11-01", "to": "2026-02-01"}),
            ("measure", {"measure": "profit"}),
            ("measure", {"measure": "revenue", "group_by": "customer,team"}),
            ("group_by", {"measure": "revenue", "group_by": "model"}),
            ("measure", {"measure": "events", "group_by": "token_kind"}),
            ("filter", {"filter": "{"}),
            ("from", {"from": "2020-01-01", "to": "2026-01-01"}),
            ("from", {"from": "2026-13-01"}),
            ("to", {"from": "2026-01-02", "to": "2026-01-01"}),
            ("to", {"from": "2026-01-02", "to": "2026-01-03T00:00:00Z"}),
            *(
                (
                    "from",
                    {"measure": name, "customer": "acme"}
                    | {"from": "2026-01-01T00:30:00Z", "to": "2026-01-02T00:00:00Z"},
                )
                for name in ("charges", "revenue", "margin")
            ),
            ("cursor", {"top": "3", "cursor": "WyIxIiwiMiJd"}),
            ("cursor", {"group_by": "model", "cursor": "WyJ4IiwiMiJd"}),
            ("top", {"top": "0"}),
            ("nonsense", {"nonsense": "1"}),
        ],
    )
    def test_each_names_its_field(
        self, operator_api: Any, acme: Customer, field: str, query: dict[str, str]
    ) -> None:
        answer = operator_api.get("/v1/usage", **query)
        assert answer.status_code == 422, answer.content
        assert field in {error["field"] for error in answer.json()["errors"]}


class TestWhoMaySee:
    def test_a_customers_key_sees_its_own_use_and_no_cost(
        self, api_with_key: Callable[..., Any], acme: Customer
    ) -> None:
        own = api_with_key(["read"], customer=acme)
        body = body_of(own.get("/v1/usage", group_by="customer,team", **SPAN))
        assert [row["group"] for row in body["results"]] == [{"customer": "acme", "team": "acme"}]
        assert "cost" not in json.dumps(body)
        values = json.dumps(body_of(own.get("/v1/usage/properties", **SPAN)))
        assert "beta" not in values

    @pytest.mark.parametrize("measure", ["cost", "failed_cost", "retry_cost", "revenue", "margin"])
    def test_what_is_the_operators_alone_is_refused(
        self, api_with_key: Callable[..., Any], acme: Customer, measure: str
    ) -> None:
        answer = api_with_key(["read"], customer=acme).get("/v1/usage", measure=f"events,{measure}")
        assert answer.status_code == 422 and answer.json()["errors"][0]["code"] == "operators"

    def test_another_customer_is_absent(self, api_with_key: Callable[..., Any], acme: Customer) -> None:
        own = api_with_key(["read"], customer=acme)
        for path in ("/v1/usage", "/v1/usage/properties"):
            assert own.get(path, customer="beta").status_code == 404

    def test_a_filter_does_not_lead_out_of_the_own_rows(
        self, api_with_key: Callable[..., Any], acme: Customer
    ) -> None:
        own = api_with_key(["read"], customer=acme)
        body = body_of(own.get("/v1/usage", filter=json.dumps({"customer": ["beta"]}), **SPAN))
        assert body["total"] == {"tokens": "0", "events": 0}


class TestNothingBreaksIt:
    @pytest.mark.parametrize("text", NASTY)
    def test_a_name_is_never_part_of_the_statement(
        self, operator_api: Any, acme: Customer, text: str
    ) -> None:
        before = Event.objects.count()
        for query in (
            {"group_by": text},
            {"group_by": f"properties.{text}"},
            {"filter": json.dumps({text: [text]})},
            {"filter": json.dumps({f"properties.{text}": {"not_in": [text]}})},
            {"measure": text},
            {"measure": f"usage.{text}"},
            {"customer": text},
            {"cursor": text},
        ):
            answer = operator_api.get("/v1/usage", **query)
            assert answer.status_code in (200, 404, 422), (query, answer.content)
        assert Event.objects.count() == before

    @settings(
        max_examples=60,
        database=None,
    )
    @given(
        paths=st.lists(st.one_of(st.text(max_size=12), st.sampled_from(NASTY)), max_size=3),
        values=st.lists(st.one_of(st.text(max_size=12), st.integers(), st.booleans(), st.none()), max_size=3),
    )
    def test_no_question_is_an_error_of_ours(
        self, operator_api: Any, acme: Customer, paths: list[str], values: list[Any]
    ) -> None:
        query = {
            "group_by": ",".join(f"properties.{path}" for path in paths),
            "filter": json.dumps(dict.fromkeys(paths, values)),
        }
        assert operator_api.get("/v1/usage", **query).status_code in (200, 422)
