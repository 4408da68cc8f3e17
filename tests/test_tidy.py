"""The laws of the code itself: small files, small functions, no floats near money, one way of imports."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("core", "customers", "metering", "pricing", "billing", "console", "portal", "config")
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
BANNED_FILE_WORDS = {
    "utils",
    "util",
    "helpers",
    "helper",
    "manager",
    "managers",
    "service",
    "services",
    "misc",
}
# Words of unfinished work, put together here so that this file does not name them itself.
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "HA" + "CK"]) + r")\b")
MONEY_PATHS = ("pricing/", "billing/", "core/money.py", "core/periods.py")
# It stands for the world outside: a Stripe to test against.
OUTSIDE = ("billing/stripe/double/",)
# Beside the clock itself: the sandbox, which moves it by hand, and Stripe's signatures, dated by the real time.
CLOCK_READERS = (*OUTSIDE, "core/clock.py", "core/sandbox.py", "billing/stripe/webhook.py")
ARITHMETIC = ("pricing/engine/", "core/money.py", "core/periods.py")
ARITHMETIC_MAY_IMPORT = ("core.money", "core.periods", "pricing.engine")

# Reading these, a test is called otherwise in each process or second: test processes that share the work refuse it.
CLOCK_AND_CHANCE = {
    *("now", "utcnow", "today", "time_ns", "monotonic", "perf_counter"),
    *("uuid1", "uuid4", "uuid7", "new_id", "urandom", "token_hex", "token_urlsafe"),
    *("random", "randint", "choice", "sample", "shuffle", "getpid", "mkdtemp", "id", "hash"),
}


def tracked_files() -> list[str]:
    """What git knows or would take: files of the working tree that are not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return [name for name in listed if (ROOT / name).is_file()]


FILES = tracked_files()
PYTHON = [name for name in FILES if name.endswith(".py") and "/migrations/" not in name]
PRODUCTION = [name for name in PYTHON if name.split("/")[0] in ROOMS]


@cache
def tree_of(name: str) -> ast.Module:
    return ast.parse((ROOT / name).read_text(), filename=name)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def calls(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Each call of a plain name: the name and the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id, node.lineno


def changes(value: ast.expr, unsteady: set[str]) -> bool:
    """Whether what the expression comes to, or the order it comes in, may change with the process or the second."""
    if isinstance(value, ast.Set | ast.SetComp) or ast.unparse(value).startswith(("set(", "frozenset(")):
        return True
    for part in ast.walk(value):
        if isinstance(part, ast.Name) and part.id in unsteady:
            return True
        if isinstance(part, ast.Call):
            name = ast.unparse(part.func)
            packs = name == "gzip.compress" and not any(word.arg == "mtime" for word in part.keywords)
            if packs or name == "time.time" or name.split(".")[-1] in CLOCK_AND_CHANCE:
                return True
    return False


def named_after(values: ast.expr) -> Iterator[ast.expr]:
    """What of a test's parameters its names are made of; dicts, sets, lists and functions are named by their place."""
    if not isinstance(values, ast.List | ast.Tuple):
        yield values
        return
    for row in values.elts:
        is_param = isinstance(row, ast.Call) and ast.unparse(row.func).endswith("param")
        parts = row.args if is_param else row.elts if isinstance(row, ast.Tuple) else [row]
        for part in parts:
            if not isinstance(part, ast.Dict | ast.Set | ast.List | ast.Tuple | ast.Lambda):
                yield part


def unsteady_parameters(tree: ast.Module) -> list[int]:
    """Lines of ``parametrize`` that name tests by what may change, there or in the module's constants and functions."""
    unsteady: set[str] = set()
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef):
            returned = [
                node.value for node in ast.walk(statement) if isinstance(node, ast.Return) and node.value
            ]
            unsteady |= {statement.name} if any(changes(value, unsteady) for value in returned) else set()
        elif isinstance(statement, ast.Assign) and changes(statement.value, unsteady):
            unsteady |= {target.id for target in statement.targets if isinstance(target, ast.Name)}
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith("mark.parametrize")
        and any(changes(part, unsteady) for values in node.args[1:] for part in named_after(values))
    ]


def test_there_is_code_to_look_at() -> None:
    assert len(PRODUCTION) > 20


def test_every_file_fits_one_idea() -> None:
    long = {
        name: lines
        for name in PYTHON
        if (lines := len((ROOT / name).read_text().splitlines())) > FILE_LINES_MAX
    }
    assert not long


def test_every_function_can_be_seen_at_once() -> None:
    long = [
        f"{name}:{function.lineno} {function.name} has {length} lines"
        for name in PRODUCTION
        for function in functions(tree_of(name))
        if (length := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert not long


def test_files_are_named_for_what_they_are_about() -> None:
    bad = [name for name in FILES if BANNED_FILE_WORDS & set(re.split(r"[/_.]", name.lower()))]
    assert not bad


def test_nothing_is_left_for_later() -> None:
    found = [
        f"{name}:{number}"
        for name in FILES
        if name.endswith((".py", ".html", ".css", ".js", ".md", ".toml", ".yaml")) or name == "Makefile"
        for number, line in enumerate((ROOT / name).read_text(errors="replace").splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert not found


def test_no_float_and_no_round_near_money() -> None:
    found = [
        f"{name}:{line} {called}()"
        for name in PRODUCTION
        if name.startswith(MONEY_PATHS)
        for called, line in calls(tree_of(name))
        if called in {"float", "round"}
    ]
    assert not found


def test_no_float_literal_near_money() -> None:
    # Seconds to wait are no money; their names say so.
    found = [
        f"{name}:{node.lineno} {node.value}"
        for name in PRODUCTION
        if name.startswith(MONEY_PATHS) and not name.startswith(OUTSIDE)
        for statement in tree_of(name).body
        if "SECONDS" not in ast.unparse(statement).split("=")[0]
        for node in ast.walk(statement)
        if isinstance(node, ast.Constant) and isinstance(node.value, float)
    ]
    assert not found


@pytest.mark.parametrize("name", [name for name in PRODUCTION if name.startswith(ARITHMETIC)])
def test_the_arithmetic_imports_the_standard_library_alone(name: str) -> None:
    import sys

    for node in ast.walk(tree_of(name)):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno} imports relatively"
            modules = [node.module or ""]
        for module in modules:
            ours = module in {"core", "pricing"} or module.startswith(ARITHMETIC_MAY_IMPORT)
            assert ours or module.split(".")[0] in sys.stdlib_module_names, f"{name}:{node.lineno} {module}"


def test_the_domain_does_not_read_the_clock() -> None:
    """`now` is read at the edge and handed in; `core.clock` is the one place that asks the machine."""
    found = [
        f"{name}:{node.lineno}"
        for name in PRODUCTION
        if name.startswith(("pricing/", "billing/", "metering/", "customers/", "core/"))
        and not name.startswith(CLOCK_READERS)
        for node in ast.walk(tree_of(name))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func)
        in {"datetime.now", "datetime.utcnow", "date.today", "timezone.now", "time.time"}
    ]
    assert not found


def test_models_do_not_override_save_and_nobody_listens_to_signals() -> None:
    found = []
    for name in PRODUCTION:
        tree = tree_of(name)
        if "/models/" in name:
            found += [f"{name}:{f.lineno} save()" for f in functions(tree) if f.name == "save"]
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                "django.db.models.signals"
            ):
                found.append(f"{name}:{node.lineno} signals")
    assert not found


def test_the_lock_file_names_public_registries_alone() -> None:
    hosts = set(re.findall(r"https?://([^/\"]+)", (ROOT / "uv.lock").read_text()))
    assert hosts == {"pypi.org", "files.pythonhosted.org"}
    assert "://" not in (ROOT / "package-lock.json").read_text()


def test_instants_are_written_by_one_function() -> None:
    found = [
        name
        for name in PRODUCTION
        if name != "core/times.py" and '"+00:00", "Z"' in (ROOT / name).read_text()
    ]
    assert not found


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("PACKED = gzip.compress(b'')\n@pytest.mark.parametrize('x', [PACKED])\ndef test_x(x): ...", [2]),
        ("def at(): return datetime.now()\n@pytest.mark.parametrize('x', [at()])\ndef test_x(x): ...", [2]),
        ("@pytest.mark.parametrize('x', {'a', 'b'})\ndef test_x(x): ...", [1]),
        ("@pytest.mark.parametrize('x', [time(4), gzip.compress(b'', mtime=0)])\ndef test_x(x): ...", []),
    ],
    ids=["a constant", "a function", "a set", "steady"],
)
def test_unsteady_parameters_are_seen(source: str, lines: list[int]) -> None:
    assert unsteady_parameters(ast.parse(source)) == lines


def test_a_test_is_called_the_same_in_every_process_and_second() -> None:
    found = [
        f"{name}:{line}"
        for name in PYTHON
        if name.startswith("tests/")
        for line in unsteady_parameters(tree_of(name))
    ]
    assert not found


def test_subscriptions_move_only_with_their_usage_counted() -> None:
    verb = re.compile(r"\b(?:start|change|cancel)_uncounted\b")
    users = [
        name
        for name in tracked_files()
        if name.endswith(".py") and name != "tests/test_tidy.py" and verb.search((ROOT / name).read_text())
    ]
    assert users == ["billing/recounts/recounting.py", "billing/subscriptions/lifecycle.py"]
