import doctest

import pytest

from metering import units
from metering.models import Meter
from metering.units import unit_of


def test_the_worked_sums_hold() -> None:
    assert doctest.testmod(units).failed == 0


@pytest.mark.parametrize(
    ("aggregation", "value", "unit"),
    [
        ("sum", "usage.tokens", "token"),
        ("sum", "usage.cache_write_2h", "token"),
        ("sum", "usage.pages", "pages"),
        ("sum", "usage.audio_seconds", "audio seconds"),
        ("sum", "usage.web_search", "web search"),
        ("sum", "quantity", "unit"),
        ("sum", "properties.storage_gb", "storage gb"),
        ("sum", "properties.paid", ""),
        ("sum", "properties.pages_read", ""),
        ("unique", "properties.team_member", "team member"),
        ("max", "properties.seats", "seats"),
        ("unique", "run.id", "run"),
        ("unique", "model", "model"),
        ("count", "", "call"),
    ],
)
def test_a_meter_without_a_word_of_its_own_is_named_by_what_it_reads(
    aggregation: str, value: str, unit: str
) -> None:
    assert unit_of(Meter(aggregation=aggregation, value=value)) == unit


@pytest.mark.parametrize("aggregation", ["count", "sum", "unique"])
def test_the_meters_own_word_goes_over_what_it_reads(aggregation: str) -> None:
    assert unit_of(Meter(aggregation=aggregation, value="usage.output", unit="word")) == "word"
