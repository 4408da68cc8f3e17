"""What a process is set to. A test that changes it and does not change it back fails itself, not the one that comes next."""

import decimal
import gc
import locale
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from django.utils import timezone, translation


@contextmanager
def left_as_found() -> Iterator[None]:
    """Raises ``AssertionError``, naming what was changed inside and not changed back."""
    before = _found()
    yield
    after = _found()
    changed = [name for name in sorted(before | after) if before.get(name) != after.get(name)]
    assert not changed, f"Changed and not changed back: {', '.join(changed)}."


def _found() -> dict[str, object]:
    numbers = decimal.getcontext()
    return {
        **{f"${name}": value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
        "working directory": os.getcwd(),
        "import path": [*sys.path],
        "locale": locale.setlocale(locale.LC_ALL),
        "decimal context": (numbers.prec, numbers.rounding, numbers.traps),
        "garbage collector": gc.isenabled(),
        "log level": (logging.root.level, logging.root.manager.disable),
        "structlog's processors": [
            id(structlog.get_config()["processors"]),
            *structlog.get_config()["processors"],
        ],
        "time zone": timezone.get_current_timezone_name(),
        "language": translation.get_language(),
    }
