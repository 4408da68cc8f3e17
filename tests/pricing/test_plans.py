from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from core.problems import Conflict, Invalid
from pricing.models import PlanVersion
from pricing.plans import (
    PlanTerms,
    add_version,
    create_plan,
    diff_terms,
    publish_version,
    read_terms,
    retire_version,
    rewrite_draft,
)

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
OUTPUT = {
    "key": "output-tokens",
    "meter": "output_tokens",
    "model": "graduated",
    "tiers": [{"up_to": "1000000", "unit_price": "0"}, {"up_to": None, "unit_price": "0.00001"}],
    "margin_floor": "0.30",
}
PRO = {
    "key": "pro",
    "name": "Pro",
    "currency": "USD",
    "interval": "month",
    "fee": "49.00",
    "fee_timing": "advance",
    "proration": "day",
    "charges": [OUTPUT],
    "credit_grants": [{"amount": "1000", "rollover": "0"}],
    "on_exhausted": "overage",
    "commitment": None,
    "margin_floor": {"rate": "0.40", "on_breach": "bill"},
}


@pytest.fixture
def meters(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The meters there are, as this room is told; afterwards it is told the truth again."""
    known = {"output_tokens"}
    monkeypatch.setattr("pricing.plans._known_meters", lambda keys: known & set(keys))
    return known


def test_terms_read_back_as_they_were_written() -> None:
    terms = read_terms(PRO)
    assert read_terms(terms.as_json()) == terms
    assert terms.as_json()["fee"] == "49"
    assert (terms.meters, terms.burn_tables) == ({"output_tokens"}, set())


def test_only_key_and_name_are_required() -> None:
    terms = read_terms({"key": "free", "name": "Free"})
    assert (terms.currency, terms.interval, terms.fee, terms.fee_timing) == ("USD", "month", 0, "advance")
    assert (terms.proration, terms.on_exhausted, terms.trial_days) == ("day", "overage", 0)


@pytest.mark.parametrize(
    ("change", "places"),
    [
        ({"key": "a b"}, {"key"}),
        ({"name": None, "fee": "-1"}, {"name", "fee"}),
        ({"currency": "XXX"}, {"currency"}),
        (
            {"interval": "fortnight", "proration": "hour", "fee_timing": "later"},
            {"interval", "proration", "fee_timing"},
        ),
        ({"fee": "1e3"}, {"fee"}),
        ({"fee": "99999999999999999999"}, {"fee"}),
        ({"charges": {}}, {"charges"}),
        ({"charges": [7]}, {"charges[0]"}),
        ({"charges": [{"key": "a"}]}, {"charges[0].model"}),
        ({"charges": [OUTPUT, OUTPUT]}, {"charges[1].key"}),
        ({"charges": [OUTPUT | {"key": "a b"}]}, {"charges[0].key"}),
        (
            {
                "charges": [
                    OUTPUT | {"tiers": [{"up_to": "5", "unit_price": "1"}, {"up_to": "5", "unit_price": "x"}]}
                ]
            },
            {"charges[0].tiers[1].up_to", "charges[0].tiers[1].unit_price"},
        ),
        ({"charges": [OUTPUT | {"colour": "red"}]}, {"charges[0].colour"}),
        ({"credit_grants": [{"amount": "0"}]}, {"credit_grants[0].amount"}),
        ({"credit_grants": [{"amount": "1", "rolover": "0"}]}, {"credit_grants[0].rolover"}),
        (
            {"credit_grants": [{"amount": "1", "cost_basis": "1", "category": "promotional"}]},
            {"credit_grants[0].cost_basis"},
        ),
        ({"commitment": "500"}, {"commitment"}),
        ({"commitment": {"amount": "-1"}}, {"commitment.amount"}),
        ({"discount_percent": "101"}, {"discount_percent"}),
        (
            {"margin_floor": {"rate": "1", "on_breach": "shout"}},
            {"margin_floor.rate", "margin_floor.on_breach"},
        ),
        ({"margin_floor": {"rate": "0.4"}}, {"margin_floor.on_breach"}),
        ({"trial_days": "7"}, {"trial_days"}),
        ({"status": "published"}, {"status"}),
    ],
)
def test_a_wrong_field_is_named_by_its_path(change: dict[str, Any], places: set[str]) -> None:
    with pytest.raises(Invalid) as caught:
        read_terms(PRO | change)
    named = {error.field for error in caught.value.errors}
    assert places <= named and all(any(name.startswith(place) for place in places) for name in named)


def test_a_subscriptions_own_terms_are_read_by_name() -> None:
    own = PlanTerms.overrides(
        {"discount_percent": "10", "margin_floor": {"rate": "0.5", "on_breach": "absorb"}}
    )
    assert set(own) == {"discount_percent", "margin_floor"} and own["margin_floor"].on_breach == "absorb"
    assert PlanTerms.overrides({}) == {}
    with pytest.raises(Invalid):
        PlanTerms.overrides({"fee": "0"})


@pytest.mark.django_db
class TestVersions:
    def test_a_plan_begins_as_a_draft(self) -> None:
        version = create_plan(read_terms(PRO), now=NOW)
        assert (version.number, version.status) == (1, "draft")
        assert PlanTerms.of(version) == read_terms(PRO)
        with pytest.raises(Conflict):
            create_plan(read_terms(PRO), now=NOW)

    def test_a_published_version_never_changes_not_even_in_the_database(self, meters: set[str]) -> None:
        version = publish_version(create_plan(read_terms(PRO), now=NOW), now=NOW)
        assert (version.status, version.published_at) == ("published", NOW)
        assert publish_version(version, now=NOW.replace(hour=10)).published_at == NOW
        for change in ({"terms": {}}, {"status": "draft"}, {"number": 7}):
            with pytest.raises(IntegrityError), transaction.atomic():
                PlanVersion.objects.filter(pk=version.pk).update(**change)
        with pytest.raises(IntegrityError), transaction.atomic():
            version.delete()

    def test_what_follows_the_cost_is_sold_in_the_costs_currency_alone(self, meters: set[str]) -> None:
        charge = {"key": "calls", "meter": "output_tokens", "model": "cost_plus", "markup": "0.3"}
        terms = {
            "key": "euro",
            "name": "Euro",
            "fee": "0",
            "charges": [charge],
            "margin_floor": {"rate": "0.3", "on_breach": "bill"},
        }
        meters.add("output_tokens")
        euro = create_plan(read_terms(terms | {"currency": "EUR"}), now=NOW)
        with pytest.raises(Invalid) as refused:
            publish_version(euro, now=NOW)
        assert [(error.field, error.code) for error in refused.value.errors] == [
            ("charges[0].model", "cost_currency"),
            ("margin_floor", "cost_currency"),
        ]
        assert publish_version(create_plan(read_terms(terms | {"key": "usd"}), now=NOW), now=NOW).published_at

    def test_publishing_names_every_meter_and_burn_table_that_is_missing(self, meters: set[str]) -> None:
        credits = {"key": "credits", "model": "credits", "burn_table": "standard", "unit_price": "0.01"}
        terms = read_terms(PRO | {"charges": [OUTPUT | {"meter": "nope"}, OUTPUT | {"key": "b"}, credits]})
        version = create_plan(terms, now=NOW)
        with pytest.raises(Invalid) as caught:
            publish_version(version, now=NOW)
        assert {(error.field, error.code) for error in caught.value.errors} == {
            ("charges[0].meter", "unknown_meter"),
            ("charges[2].burn_table", "unknown_burn_table"),
        }
        version.refresh_from_db()
        assert version.status == "draft"

    def test_a_change_is_a_new_version(self, meters: set[str]) -> None:
        first = publish_version(create_plan(read_terms(PRO), now=NOW), now=NOW)
        second = add_version(first.plan, read_terms({**PRO, "name": "Pro 2", "fee": "59"}), now=NOW)
        assert (second.number, second.status) == (2, "draft")
        publish_version(second, now=NOW)
        first.plan.refresh_from_db()
        assert first.plan.name == "Pro 2"
        with pytest.raises(Invalid):
            add_version(first.plan, read_terms(PRO | {"currency": "EUR"}), now=NOW)

    def test_no_draft_leaves_the_currency_that_the_other_versions_are_sold_in(self, meters: set[str]) -> None:
        euro = read_terms(PRO | {"currency": "EUR"})
        first = create_plan(read_terms(PRO), now=NOW)
        assert (
            rewrite_draft(first, euro, now=NOW).terms["currency"] == "EUR"
        )  # alone it has no other to keep to
        add_version(first.plan, euro, now=NOW)
        with pytest.raises(Invalid):
            rewrite_draft(first, read_terms(PRO), now=NOW)

    def test_a_retired_version_is_not_published_again(self, meters: set[str]) -> None:
        draft = create_plan(read_terms(PRO), now=NOW)
        with pytest.raises(Conflict):
            retire_version(draft, now=NOW)
        retired = retire_version(publish_version(draft, now=NOW), now=NOW)
        assert (retired.status, retired.retired_at) == ("retired", NOW)
        assert retire_version(retired, now=NOW.replace(hour=10)).retired_at == NOW
        with pytest.raises(Conflict):
            publish_version(retired, now=NOW)


def test_two_versions_differ_field_by_field() -> None:
    before = read_terms(PRO)
    after = read_terms(
        {**PRO, "fee": "59", "charges": [{**OUTPUT, "included": "10"}, {**OUTPUT, "key": "b"}]}
    )
    changes = {change.field: (change.before, change.after) for change in diff_terms(before, after)}
    assert changes.pop("fee") == ("49", "59")
    assert changes.pop("charges.output-tokens.included") == ("0", "10")
    before_b, after_b = changes.pop("charges.b")
    assert before_b is None and after_b["key"] == "b"
    assert not changes


class TestTheApi:
    @pytest.fixture
    def with_meter(self, operator_api: Any) -> Any:
        meter = {
            "key": "output_tokens",
            "event_type": "llm.call",
            "aggregation": "sum",
            "value": "usage.output",
        }
        assert operator_api.post("/v1/meters", meter).status_code == 201
        return operator_api

    def test_from_draft_to_published_to_retired(self, with_meter: Any) -> None:
        api = with_meter
        created = api.post("/v1/plans", PRO)
        assert created.status_code == 201
        assert created.json()["version"]["status"] == "draft"
        published = api.post("/v1/plans/pro/versions/1/publish")
        assert (published.status_code, published.json()["status"]) == (200, "published")
        second = api.post("/v1/plans/pro/versions", {**PRO, "fee": "59"})
        assert (second.status_code, second.json()["number"]) == (201, 2)
        assert api.get("/v1/plans/pro").json()["version"]["number"] == 1
        diff = api.get("/v1/plans/pro/versions/2/diff").json()
        assert diff == {"before": 1, "after": 2, "changes": [{"field": "fee", "before": "49", "after": "59"}]}
        assert api.post("/v1/plans/pro/versions/1/retire").json()["status"] == "retired"
        numbers = [row["number"] for row in api.get("/v1/plans/pro/versions", limit=1).json()["results"]]
        assert numbers == [2]

    def test_a_plan_that_names_no_known_meter_stays_a_draft(self, operator_api: Any) -> None:
        operator_api.post("/v1/plans", PRO)
        refused = operator_api.post("/v1/plans/pro/versions/1/publish")
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == "charges[0].meter"

    def test_a_customer_sees_what_is_sold_but_no_draft_and_no_margin(
        self, with_meter: Any, api_with_key: Callable[..., Any]
    ) -> None:
        with_meter.post("/v1/customers", {"key": "acme", "name": "Acme"})
        from customers.models import Customer

        theirs = api_with_key(["read", "write"], customer=Customer.objects.get())
        with_meter.post("/v1/plans", PRO)
        assert theirs.get("/v1/plans").json()["results"] == []
        assert theirs.get("/v1/plans/pro").status_code == 404
        assert theirs.get("/v1/plans/pro/versions/1").status_code == 404
        with_meter.post("/v1/plans/pro/versions/1/publish")
        terms = theirs.get("/v1/plans/pro").json()["version"]["terms"]
        assert terms["margin_floor"] is None and terms["charges"][0]["margin_floor"] is None
        for path in ("/v1/plans", "/v1/plans/pro/versions", "/v1/plans/pro/versions/1/retire"):
            assert theirs.post(path, PRO).status_code == 403
        assert theirs.get("/v1/plans/pro/versions/1/diff").status_code == 403

    @pytest.mark.parametrize("path", ["none", "pro/versions/2", "pro/versions/99999999999999999999", "%00"])
    def test_what_is_not_there_is_a_404(self, operator_api: Any, path: str) -> None:
        operator_api.post("/v1/plans", PRO)
        assert operator_api.get(f"/v1/plans/{path}").status_code == 404
