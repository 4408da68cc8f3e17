"""The worked examples of the guide give the answers they show."""

import doctest
from pathlib import Path

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "price-book.md"


def test_the_examples_in_the_guide_are_right() -> None:
    result = doctest.testfile(str(GUIDE), module_relative=False)

    assert result.attempted > 15
    assert result.failed == 0
