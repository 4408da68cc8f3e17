"""Re-ratings over HTTP: a dry run is answered at once for one customer, and applied once."""

from datetime import timedelta
from typing import Any

import pytest

from billing.models import InvoiceLine
from core.due_work import run_due
from pricing.plans import version_of
from tests.billing.recounts.test_rerating import (
    CUT_FROM,
    FEBRUARY,
    cents,
    finish,
    january_on_cost_plus,
    owed,
    price,
)
from tests.billing.test_path import breaches
from tests.billing.world import START, a_customer, subscribe

pytestmark = pytest.mark.django_db
BODY = {"from": "2026-01-01T00:00:00Z", "to": "2026-02-02T00:00:00Z", "reason": "the price was cut"}


@pytest.fixture
def months() -> Any:
    acme, _, now = january_on_cost_plus()
    price("0.0008659", CUT_FROM, now)
    return now


def test_a_dry_run_of_one_customer_is_ready_in_its_answer(months, operator_api):
    made = operator_api.post("/v1/re-ratings", {**BODY, "customer": "acme"})

    assert made.status_code == 201
    told = made.json()
    assert (told["state"], told["customers"]) == ("ready", {"waiting": 0, "found": 1, "applied": 0})
    change = cents(owed(True)) - cents(owed(False))
    assert told["total"]["charges"] == {"USD": {"finalized": change, "draft": 0}}
    (customer,) = operator_api.get(f"/v1/re-ratings/{told['id']}/customers?changed=true").json()["results"]
    assert (customer["customer"], customer["found"]["events"], customer["applied"]) == ("acme", 4, None)


def test_all_customers_are_counted_then_applied_in_the_background(months, operator_api):
    told = operator_api.post("/v1/re-ratings", BODY).json()
    assert told["state"] == "counting"
    early = operator_api.post(f"/v1/re-ratings/{told['id']}/apply", {})
    assert (early.status_code, early.json()["code"]) == (409, "conflict")
    run_due(months + timedelta(days=900))

    assert operator_api.get(f"/v1/re-ratings/{told['id']}").json()["state"] == "ready"
    assert operator_api.post(f"/v1/re-ratings/{told['id']}/apply", {}).json()["state"] == "applying"
    run_due(months + timedelta(days=900))

    assert operator_api.get(f"/v1/re-ratings/{told['id']}").json()["state"] == "applied"
    assert [row["id"] for row in operator_api.get("/v1/re-ratings").json()["results"]] == [told["id"]]
    assert breaches() == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"from": None}, "from"),
        ({"to": "2025-01-01T00:00:00Z"}, "to"),
        ({"reason": ""}, "reason"),
        ({"customer": "nobody"}, "customer"),
        ({"until": "2026-01-02T00:00:00Z"}, "until"),
    ],
)
def test_a_wrong_field_is_named(months, operator_api, change, field):
    refused = operator_api.post("/v1/re-ratings", {**BODY, **change})
    assert refused.status_code == 422
    assert field in [error["field"] for error in refused.json()["errors"]]


def test_customers_keys_learn_nothing_of_it(months, operator_api, api_with_key):
    from customers.models import Customer

    own = api_with_key(customer=Customer.objects.get())
    told = operator_api.post("/v1/re-ratings", BODY).json()
    for path in ("/v1/re-ratings", f"/v1/re-ratings/{told['id']}", f"/v1/re-ratings/{told['id']}/customers"):
        assert own.get(path).status_code == 403
    assert own.post("/v1/re-ratings", BODY).status_code == 403
    assert operator_api.get("/v1/re-ratings/rerate_nonsense").status_code == 404
    assert not InvoiceLine.objects.filter(kind="correction").exists()


PLAN = {"name": "Pro", "currency": "USD", "fee": "310", "fee_timing": "arrears", "charges": []}


@pytest.fixture
def a_mistyped_plan(operator_api) -> Any:
    """January at 310.00, finalized; version 2 says 31.00."""
    operator_api.post("/v1/plans", {"key": "flat", **PLAN})
    operator_api.post("/v1/plans/flat/versions/1/publish", {})
    subscribe(a_customer(), version_of("flat", 1))
    now = finish(FEBRUARY)
    body = {**PLAN, "fee": "31", "corrects": 1, "note": "the fee was mistyped"}
    assert operator_api.post("/v1/plans/flat/versions", body).json()["corrects"] == 1
    return now


def test_a_corrected_plan_is_looked_at_and_carried_like_any_correction(a_mistyped_plan, operator_api):
    draft = operator_api.post("/v1/re-ratings", {"plan": "flat", "version": 2, "reason": "typo"})
    assert (draft.status_code, draft.json()["errors"][0]["code"]) == (422, "not_published")
    operator_api.post("/v1/plans/flat/versions/2/publish", {})

    told = operator_api.post(
        "/v1/re-ratings", {"plan": "flat", "version": 2, "reason": "typo", "customer": "acme"}
    ).json()

    assert (told["plan"], told["version"], told["state"]) == ("flat", 2, "ready")
    assert told["total"]["charges"]["USD"]["finalized"] == -27900
    (customer,) = operator_api.get(f"/v1/re-ratings/{told['id']}/customers?changed=true").json()["results"]
    assert customer["found"]["periods"][0]["sums"] == [
        {"kind": "fee", "before_minor": 31000, "after_minor": 3100}
    ]
    operator_api.post(f"/v1/re-ratings/{told['id']}/apply", {})
    run_due(a_mistyped_plan + timedelta(days=900))
    assert operator_api.get(f"/v1/re-ratings/{told['id']}").json()["state"] == "applied"
    run_due(a_mistyped_plan + timedelta(days=900))
    january = InvoiceLine.objects.get(kind="correction", period_start=START)
    assert (january.corrects, january.amount_minor) == ("fee", -27900)
    assert breaches() == []


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"plan": "flat"}, "version", "required"),
        ({"version": 2}, "plan", "required"),
        ({"plan": "flat", "version": 1}, "version", "no_correction"),
        ({"plan": "none", "version": 1}, "version", "not_published"),
        ({"plan": "flat", "version": 2, "from": "2026-01-01T00:00:00Z"}, "from", "contradiction"),
        ({"reason": "typo"}, "from", "required"),
    ],
)
def test_what_is_wrong_with_a_plans_re_rating_is_named(a_mistyped_plan, operator_api, body, field, code):
    refused = operator_api.post("/v1/re-ratings", {"reason": "typo", **body})
    assert refused.status_code == 422
    assert [(error["field"], error["code"]) for error in refused.json()["errors"]] == [(field, code)]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"corrects": 1}, "note"),
        ({"note": "typo"}, "corrects"),
        ({"corrects": "1", "note": "typo"}, "corrects"),
    ],
)
def test_a_correction_needs_its_version_and_its_reason(a_mistyped_plan, operator_api, fields, field):
    refused = operator_api.post("/v1/plans/flat/versions", {**PLAN, **fields})
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == [field]
