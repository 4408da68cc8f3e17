"""Past usage from a file: what it would change is shown, then it counts, and can be taken back to the last digit."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from metering.models import Event, WithdrawnEvent
from tests.billing.backfills.world import act, create, csv_of, row, send
from tests.billing.test_path import breaches
from tests.billing.world import START, a_customer, a_meter, a_plan, call, subscribe, use

pytestmark = pytest.mark.django_db
PER_TOKEN = {"key": "tokens", "meter": "tokens", "model": "per_unit", "unit_price": "0.001"}
LATER = datetime(2026, 1, 20, tzinfo=UTC)


@pytest.fixture(autouse=True)
def in_january(time_machine: Any) -> None:
    time_machine.move_to(LATER, tick=False)


@pytest.fixture
def acme() -> Any:
    customer = a_customer()
    a_meter("tokens", "usage.input")
    subscribe(customer, a_plan([PER_TOKEN]))
    return customer


def owed(api: Any) -> int:
    return int(api.get("/v1/customers/acme/spend").json()["subtotal_minor"])


def test_a_file_is_seen_before_it_counts_and_then_counts(operator_api: Any, acme: Any) -> None:
    use(acme, call("e1", START + timedelta(days=1), usage={"input": 1000}))
    id = create(operator_api, customer="acme", note="a lost day", defaults={"source": "test"})
    body = send(
        operator_api,
        id,
        csv_of(
            row("e2", "2026-01-05T10:00:00Z"),
            row("e3", "2026-01-05T11:00:00Z", tokens=2000),
            row("e3", "2026-01-05T11:00:00Z", tokens=2000),
            row("e4", "2026-01-05T11:00:00Z", tokens="many"),
        ),
    )
    assert body["state"] == "ready", body
    assert {name: count for name, count in body["outcomes"].items() if count} == {
        "new": 2,
        "duplicate": 1,
        "rejected": 1,
    }
    assert body["total"]["charges"] == {"USD": {"open": 300}}
    assert owed(operator_api) == 100
    body = act(operator_api, id, "close")
    assert body["state"] == "closed", body
    assert owed(operator_api) == 400
    assert breaches() == []
    body = act(operator_api, id, "revert")
    assert body["state"] == "reverted", body
    assert owed(operator_api) == 100
    assert Event.objects.count() == 1
    assert WithdrawnEvent.objects.count() == 2
    assert breaches() == []
