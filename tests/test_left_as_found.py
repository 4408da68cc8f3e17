"""A test that leaves the process other than it found it is told so, with the names of what it changed and no values."""

import gc
import logging
from collections.abc import Iterator

import pytest

from tests.left_as_found import left_as_found


@pytest.fixture
def undone() -> Iterator[None]:
    yield
    logging.disable(logging.NOTSET)
    gc.enable()


def test_what_is_changed_and_not_changed_back_is_named(monkeypatch: pytest.MonkeyPatch, undone: None) -> None:
    with (
        pytest.raises(
            AssertionError,
            match=r"^Changed and not changed back: \$BURNLINE_ODD, garbage collector, log level\.$",
        ),
        left_as_found(),
    ):
        monkeypatch.setenv("BURNLINE_ODD", "a secret")
        logging.disable(logging.CRITICAL)
        gc.disable()


def test_what_is_changed_back_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    with left_as_found(), monkeypatch.context() as here:
        here.setenv("BURNLINE_ODD", "1")
        here.syspath_prepend("nowhere")
        here.chdir("/")
