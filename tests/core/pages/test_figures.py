import doctest
import importlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import plain
from core.pages import figures
from core.pages.hues import HUES, OTHER, hue_number, hues_of
from core.pages.spreadsheet import FORMULA_STARTS, cell

numbers = st.decimals(min_value=Decimal(-(10**20)), max_value=Decimal(10**20), places=18)


@pytest.mark.parametrize("name", ["figures", "times", "hues", "spreadsheet"])
def test_the_examples_in_the_docstrings_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"core.pages.{name}")).failed == 0


def test_the_charges_in_words_hold_their_examples() -> None:
    assert doctest.testmod(importlib.import_module("pricing.charge_words")).failed == 0


@given(numbers)
def test_the_exact_figure_keeps_every_digit(number: Decimal) -> None:
    back = figures.exact(number).replace(",", "").replace(figures.MINUS, "-")
    assert plain(Decimal(back)) == plain(number)


@given(numbers)
def test_a_compact_figure_is_short_and_close(number: Decimal) -> None:
    text = figures.compact(number)
    assert len(text) <= 16
    if number and abs(number) >= 1:
        assert text.startswith(figures.MINUS) == (number < 0)


@given(st.lists(st.text(min_size=1, max_size=20), unique=True, max_size=9))
def test_names_of_a_chart_keep_their_hue_in_any_order(names: list[str]) -> None:
    forward, backward = hues_of(names), hues_of(reversed(names))
    for name in names:
        assert forward[name] == backward[name]
        if name != OTHER:
            assert forward[name].number == hue_number(name) and 1 <= hue_number(name) <= HUES


@given(st.text(), st.sampled_from(FORMULA_STARTS))
def test_no_text_starts_a_formula(text: str, start: str) -> None:
    assert not cell(start + text).lstrip(" ").startswith(FORMULA_STARTS)
    assert not cell("  " + start + text).lstrip(" ").startswith(FORMULA_STARTS)


def test_numbers_stay_numbers_in_a_spreadsheet() -> None:
    assert cell(Decimal("-1.50")) == "-1.5"
    assert cell(-3) == "-3"
