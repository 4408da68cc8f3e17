"""How much is counted again when an event no longer counts."""

from datetime import UTC, datetime

import pytest

from billing.rating import rate_pending
from billing.recounts.rebuilding import Rebuild
from core.periods import Period
from tests.billing.world import a_customer, a_meter, a_plan, subscribe

pytestmark = pytest.mark.django_db
MAY_15, JUNE_10, JUNE_15, JULY = (
    datetime(2026, month, day, tzinfo=UTC) for month, day in ((5, 15), (6, 10), (6, 15), (7, 1))
)


def test_subscriptions_that_begin_on_other_days_pull_in_no_more_than_their_own_periods():
    a_meter("calls", aggregation="count")
    plan = a_plan([{"key": "calls", "meter": "calls", "model": "per_unit", "unit_price": "1"}])
    acme = a_customer()
    subscribe(acme, plan)
    side = subscribe(acme, plan, datetime(2026, 1, 15, tzinfo=UTC), key="side")
    rate_pending(acme.id, now=JUNE_10)

    reach = Rebuild(acme, JUNE_10).reach_around({JUNE_10})

    assert reach.periods[side.id] == Period(MAY_15, JUNE_15)
    assert reach.whole == Period(MAY_15, JULY)
