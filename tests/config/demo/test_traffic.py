"""The demo's traffic has the shape that its parameters promise."""

import random
import statistics
from datetime import UTC, datetime

import pytest

from config.demo.calls import CONVERSATION, LONG, Desk, Length
from config.demo.tenants import TENANTS
from config.demo.traffic import arrivals, shares

START, END = datetime(2026, 8, 23, 8, 20, tzinfo=UTC), datetime(2026, 11, 21, 13, 5, tzinfo=UTC)


def test_arrivals_are_as_many_as_asked_for_in_order_and_in_the_span() -> None:
    instants = list(arrivals(random.Random(1), START, END, 5_000, "Asia/Kolkata", 1.5))
    assert len(instants) == 5_000
    assert instants == sorted(instants)
    assert instants[0] >= START and instants[-1] < END


def test_nights_are_quiet_in_the_customers_own_zone() -> None:
    from zoneinfo import ZoneInfo

    zone = ZoneInfo("America/New_York")
    instants = arrivals(random.Random(1), START, END, 20_000, "America/New_York", 1.0)
    hours = [at.astimezone(zone).hour for at in instants]
    assert hours.count(3) * 2 < hours.count(15)


def test_a_larger_variation_makes_burstier_calls() -> None:
    def variation(wished: float) -> float:
        instants = list(arrivals(random.Random(2), START, END, 8_000, "UTC", wished))
        gaps = [(b - a).total_seconds() for a, b in zip(instants, instants[1:], strict=False)]
        return statistics.stdev(gaps) / statistics.mean(gaps)

    assert variation(3.0) > 1.6 * variation(1.0)


def test_few_customers_make_most_calls() -> None:
    parts = shares(40)
    assert sum(parts) == pytest.approx(1)
    assert sum(parts[:16]) > 0.7
    assert parts == sorted(parts, reverse=True)


@pytest.mark.parametrize("length", [*CONVERSATION, *LONG], ids=str)
def test_lengths_have_the_published_mean_and_percentile(length: Length) -> None:
    rng = random.Random(3)
    drawn = sorted(rng.lognormvariate(*length.parameters()) for _ in range(60_000))
    assert statistics.mean(drawn) == pytest.approx(length.mean, rel=0.05)
    assert drawn[int(0.99 * len(drawn))] == pytest.approx(length.p99, rel=0.1)


def test_a_run_counts_its_steps_and_a_retry_is_another_attempt() -> None:
    tessera = next(tenant for tenant in TENANTS if tenant.key == "tessera")
    calls = [call for call in Desk(tessera, random.Random(4)).calls(START, END, 2_000) if call.run_id]
    assert len({call.run_id for call in calls}) > 50
    for before, after in zip(calls, calls[1:], strict=False):
        if before.run_id != after.run_id:
            continue
        assert before.run is not None and after.run is not None
        if after.run["attempt"] > 1:
            assert before.status == "error" and after.run["step"] == before.run["step"]
        else:
            assert after.run["step"] == before.run["step"] + 1
