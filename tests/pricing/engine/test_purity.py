"""The arithmetic imports the standard library and itself, and its worked sums are true."""

import doctest
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import pricing.engine

ROOT = Path(__file__).parents[3]
MODULES = ["core.money", "core.periods"] + [
    f"pricing.engine.{module.name}" for module in pkgutil.iter_modules(pricing.engine.__path__)
]


def test_the_engine_loads_no_django_and_no_other_library() -> None:
    script = f"import sys; import {', '.join(MODULES)}; print(*sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    # zoneinfo asks sysconfig, whose data module is named for the platform.
    loaded = [name for name in run.stdout.split() if not name.startswith("_sysconfigdata")]
    roots = {name.partition(".")[0] for name in loaded}
    baseline = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sorted(sys.modules))"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    # A virtual environment may load modules of its own at start.
    at_start = {name.partition(".")[0] for name in baseline.stdout.split()}
    assert roots - at_start - set(sys.stdlib_module_names) == {"core", "pricing"}


@pytest.mark.parametrize("name", MODULES)
def test_worked_sums_in_docstrings_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
