"""Re-ratings over HTTP: a dry run is answered at once for one customer, and applied once."""

from datetime import timedelta
from typing import Any

import pytest

from billing.models import InvoiceLine
from core.due_work import run_due
from tests.billing.test_path import breaches
from tests.billing.test_rerating import CUT_FROM, cents, january_on_cost_plus, owed, price

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
