"""What a burn table earns on each model, before it is published and after."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customers.customers import create_customer
from pricing.burn_margins import KindMargin, derived_rates, margins_of
from pricing.burn_rates import RateTable, parse_rates
from pricing.price_imports import set_operator_prices
from pricing.price_sources.reading import quote_from_json

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 1, tzinfo=UTC)
OUTPUT = {
    "id": "opus-output",
    "match": {"family": "opus", "token_kind": "output"},
    "credits": "2500",
    "per": "1000000",
}


@pytest.fixture(autouse=True)
def prices() -> None:
    told = [("opus-9", "input", "5"), ("opus-9", "output", "24"), ("other-1", "input", "2")]
    quotes = [
        quote_from_json(
            {"provider": "acme-ai", "model": model, "unit": unit, "price": price, "per": "1000000"}
        )
        for model, unit, price in told
    ]
    set_operator_prices(quotes, by="ops", now=NOW)


def table(*rates: dict[str, Any]) -> RateTable:
    parsed, errors = parse_rates(list(rates))
    assert not errors
    return RateTable(parsed)


def test_each_kind_is_told_with_its_cost_its_price_and_its_margin():
    kinds = margins_of(table(OUTPUT), credit_price=Decimal("0.01"), at=NOW, provider="acme-ai")

    assert [(k.model, k.kind, k.rate, k.margin) for k in kinds] == [
        ("opus-9", "input", None, None),
        ("other-1", "input", None, None),
        ("opus-9", "output", "opus-output", Decimal("0.04")),
    ]
    assert kinds[2].told() == "At this table, opus-9 output sells at a margin of 4 %."
    assert kinds[0].told() == "At this table, opus-9 input burns no credits."
    assert [kind.below(Decimal("0.03")) for kind in kinds] == [True, True, False]


def test_a_model_that_is_sold_by_the_call_has_no_margin_by_token():
    by_call = table({"id": "call", "match": {"model": "opus-9"}, "credits": "5"}, OUTPUT | {"id": "o2"})
    kinds = margins_of(by_call, credit_price=Decimal("0.01"), at=NOW, model="opus-9")
    assert kinds == []


@given(
    cost=st.decimals("0.000000001", "1", places=9),
    credit_price=st.decimals("0.0001", "5", places=4),
    target=st.decimals("0", "0.95", places=2),
)
def test_derived_rates_earn_the_target_and_hardly_more(cost, credit_price, target):
    kind = KindMargin("acme-ai", "new", "output", None, cost, Decimal(0))
    (rate,) = derived_rates([kind], credit_price=credit_price, target_margin=target)

    sale = Fraction(rate.credits) / Fraction(rate.per) * Fraction(credit_price)
    assert Fraction(cost) <= sale * (1 - Fraction(target))
    less = (Fraction(rate.credits) - Fraction("0.000001")) / Fraction(rate.per) * Fraction(credit_price)
    assert Fraction(cost) > less * (1 - Fraction(target))
    assert parse_rates([rate.as_json()])[0] == [rate]
    assert rate.as_json()["derived"] is True


def test_a_table_is_checked_before_it_is_published_and_derived_rates_complete_it(operator_api: Any):
    query = "?check=true&credit_price=0.01&floor=0.10&provider=acme-ai"
    body = {"key": "standard", "name": "Standard", "rates": [OUTPUT]}

    checked = operator_api.post(f"/v1/burn-tables{query}", body)
    assert (checked.status_code, checked.json()["below_floor"], checked.json()["kinds"]) == (200, 3, 3)
    assert operator_api.get("/v1/burn-tables/standard").status_code == 404

    body["rates"] = [OUTPUT | {"credits": "4800"}, *checked.json()["derived"]]
    assert operator_api.post("/v1/burn-tables", body).status_code == 201
    told = operator_api.get(
        "/v1/burn-tables/standard/margins?credit_price=0.01&floor=0.10&provider=acme-ai"
    ).json()
    assert (told["below_floor"], told["derived"]) == (0, [])
    assert {row["margin"] for row in told["results"]} == {"0.5"}


def test_the_check_names_what_is_wrong_and_is_the_operators_alone(operator_api: Any, api_with_key: Any):
    body = {"key": "standard", "name": "Standard", "rates": [OUTPUT]}
    refused = operator_api.post("/v1/burn-tables?check=true&floor=1", body)
    assert refused.status_code == 422
    assert {error["field"] for error in refused.json()["errors"]} == {"credit_price", "floor"}
    customer = create_customer(key="acme", name="Acme", now=NOW)
    operator_api.post("/v1/burn-tables", body)
    own = api_with_key(customer=customer)
    assert own.get("/v1/burn-tables/standard/margins?credit_price=1").status_code == 403
