import doctest
from decimal import Decimal

import pytest

from core.pages import units
from core.pages.figures import NARROW_SPACE


def test_the_worked_sums_hold() -> None:
    assert doctest.testmod(units).failed == 0


@pytest.mark.parametrize("unit", ["GB", "kWh", "ms", "m²", "Bild", "seats", "CO₂ kg"])
def test_what_is_no_plain_word_or_plural_already_is_left_alone(unit: str) -> None:
    assert units.many(unit) == unit


def test_a_table_keeps_the_exact_quantity_and_its_unit_on_hover() -> None:
    cell = units.counted(Decimal("1234567"), "token")
    assert f"1.2{NARROW_SPACE}M" in cell and 'title="1,234,567 tokens"' in cell and ">tokens<" in cell


def test_one_is_singular_with_either_sign() -> None:
    assert [units.counted_text(Decimal(n), "ticket") for n in (1, -1, 2)] == [
        "1 ticket",
        "−1 ticket",
        "2 tickets",
    ]


def test_a_quantity_of_nothing_has_no_unit() -> None:
    assert units.counted_exactly(Decimal("1234.5"), None) == "1,234.5"
    assert "nothing to show" in units.counted(None, "token")
