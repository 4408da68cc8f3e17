"""The forecast rates the usage to come by the plan itself."""

from datetime import timedelta
from typing import Any

import pytest

from billing.forecast import forecast
from pricing.burn_tables import create_table
from tests.billing.credits.test_grants import OVERAGE, RATES
from tests.billing.world import START, a_customer, a_meter, a_plan, call, subscribe, use

pytestmark = pytest.mark.django_db

# A tenth of January's 31 days and a fifth, by the hour.
TENTH = START + timedelta(days=31) / 10


def expected_after(charges: list[dict[str, Any]], output: int = 100, **terms: Any) -> int:
    acme = a_customer()
    a_meter("output", "usage.output")
    a_meter("most", "usage.output", "max")
    create_table("standard", "Standard", RATES, now=START, effective_at=START)
    subscription = subscribe(acme, a_plan(charges, **terms))
    use(acme, call("e1", START + timedelta(days=1), usage={"output": output}), now=TENTH)
    return forecast(subscription, now=TENTH).expected_minor


def test_usage_goes_on_at_its_pace() -> None:
    charge = {"key": "c", "meter": "output", "model": "per_unit", "unit_price": "0.01"}
    assert expected_after([charge], fee="20.00") == 2000 + 1000


def test_an_allowance_not_used_up_yet_is_foreseen_to_be() -> None:
    charge = {"key": "c", "meter": "output", "model": "per_unit", "unit_price": "0.01", "included": "900"}
    assert expected_after([charge]) == 100


def test_a_tier_still_ahead_is_foreseen() -> None:
    tiers = [{"up_to": "500", "unit_price": "0.01"}, {"up_to": None, "unit_price": "0.001"}]
    assert expected_after([{"key": "c", "meter": "output", "model": "graduated", "tiers": tiers}]) == 550


def test_a_highest_value_does_not_grow_with_time() -> None:
    assert expected_after([{"key": "c", "meter": "most", "model": "per_unit", "unit_price": "0.01"}]) == 100


def test_credits_left_cover_what_is_to_come() -> None:
    # Five credits in a tenth of the month: fifty in all, of which thirty are granted.
    assert expected_after([OVERAGE], credit_grants=[{"amount": "30"}]) == 40


def test_a_commitment_is_the_least_that_is_foreseen() -> None:
    charge = {"key": "c", "meter": "output", "model": "per_unit", "unit_price": "0.01"}
    assert expected_after([charge], commitment={"amount": "25"}) == 2500


def test_the_range_narrows_as_days_resemble_each_other() -> None:
    acme = a_customer()
    a_meter("output", "usage.output")
    charge = {"key": "c", "meter": "output", "model": "per_unit", "unit_price": "0.01"}
    subscription = subscribe(acme, a_plan([charge]))
    use(acme, call("e0", START + timedelta(hours=12), usage={"output": 100}))
    first = forecast(subscription, now=START + timedelta(hours=18))
    assert (first.low_minor, first.expected_minor) == (100, round(100 * 31 / 0.75))
    for day in range(1, 10):
        use(acme, call(f"e{day}", START + timedelta(days=day, hours=12), usage={"output": 100}))

    after = forecast(subscription, now=START + timedelta(days=10))

    assert (after.low_minor, after.expected_minor, after.high_minor) == (3100, 3100, 3100)


def test_before_and_after_its_period_nothing_grows() -> None:
    acme = a_customer()
    subscription = subscribe(acme, a_plan([], fee="10.00"), START + timedelta(days=31))
    for now in (START, START + timedelta(days=31), START + timedelta(days=90)):
        found = forecast(subscription, now=now)
        assert (found.low_minor, found.expected_minor, found.high_minor) == (1000, 1000, 1000)
