"""Settings read from the environment: bad values stop the start with one plain sentence."""

import logging
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from structlog.testing import capture_logs

from config.environment import Environment, database_from_url, secret_key
from config.logs import configure_logs

ROOT = Path(__file__).resolve().parents[2]


def test_words_and_signs_for_yes_and_no_are_read() -> None:
    environment = Environment({"A": "1", "B": "off", "C": "", "D": "Yes"})
    assert environment.flag("A", default=False)
    assert not environment.flag("B", default=True)
    assert not environment.flag("C", default=True)
    assert environment.flag("D", default=False)
    assert environment.flag("ABSENT", default=True)


@pytest.mark.parametrize(
    ("read", "sentence"),
    [
        (lambda e: e.flag("X", default=True), "X is 'maybe'; it must be 1 or 0."),
        (
            lambda e: e.integer("X", 1, least=1, most=9),
            "X is 'maybe'; it must be a whole number from 1 to 9.",
        ),
        (lambda e: e.choice("X", "a", ("a", "b")), "X is 'maybe'; it must be one of a, b."),
        (
            lambda e: e.url("X", ("redis",)),
            "X must be a URL starting with redis://; it starts with 'no scheme'.",
        ),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(read, sentence) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ImproperlyConfigured, match=f"^{re.escape(sentence)}$"):
        read(Environment({"X": "maybe"}))


@pytest.mark.parametrize("text", ["0", "10", "-1", "1.5", "٣", "1e3", " "])
def test_integers_are_plain_and_within_bounds(text: str) -> None:
    environment = Environment({"X": text})
    if text.strip():
        with pytest.raises(ImproperlyConfigured):
            environment.integer("X", 5, least=1, most=9)
    else:
        assert environment.integer("X", 5, least=1, most=9) == 5


def test_a_database_url_becomes_fields() -> None:
    parts = Environment({"U": "postgres://bill%40x:s%2Fcret@db.example:6432/burn"}).url("U", ("postgres",))
    assert parts is not None
    assert database_from_url(parts) == {
        "NAME": "burn",
        "USER": "bill@x",
        "PASSWORD": "s/cret",
        "HOST": "db.example",
        "PORT": 6432,
    }


def test_a_database_url_without_a_name_is_refused() -> None:
    parts = Environment({"U": "postgres://db.example/"}).url("U", ("postgres",))
    assert parts is not None
    with pytest.raises(ImproperlyConfigured, match="names no database"):
        database_from_url(parts)


def test_the_secret_key_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    first = secret_key(Environment({}), tmp_path)
    assert len(first) >= 64
    assert secret_key(Environment({}), tmp_path) == first
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_an_empty_key_file_of_a_crash_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "secret_key").touch()
    assert len(secret_key(Environment({}), tmp_path)) >= 64


def test_a_short_secret_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match="has 5 characters; it needs at least 32"):
        secret_key(Environment({"SECRET_KEY": "short"}), tmp_path)


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        (
            "DATABASE_URL",
            "mysql://x/y",
            "DATABASE_URL must be a URL starting with postgres:// or postgresql://",
        ),
        ("STRIPE_API_KEY", "pk_test_1", "STRIPE_API_KEY must be a secret or restricted key"),
        ("STRIPE_WEBHOOK_SECRET", "abc", "STRIPE_WEBHOOK_SECRET must be an endpoint's signing secret"),
        ("BURNLINE_URL", "https://x.example/billing", "BURNLINE_URL must be a scheme and a host"),
    ],
)
def test_a_bad_setting_is_refused_as_the_settings_are_read(
    variable: str, value: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BURNLINE_VAR", str(tmp_path))
    monkeypatch.setenv(variable, value)
    with pytest.raises(ImproperlyConfigured, match=f"^{re.escape(sentence)}"):
        runpy.run_path(str(ROOT / "config" / "settings.py"))


def test_a_mail_password_may_hold_any_character(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMAIL_URL", "smtp://bill%40x.example:s%2Fcr%40t@mail.example:587")
    read = runpy.run_path(str(ROOT / "config" / "settings.py"))
    assert (read["EMAIL_HOST_USER"], read["EMAIL_HOST_PASSWORD"]) == ("bill@x.example", "s/cr@t")


def test_reading_the_settings_changes_no_log() -> None:
    before = structlog.get_config()["processors"], logging.getLogger().handlers
    runpy.run_path(str(ROOT / "config" / "settings.py"))
    assert (structlog.get_config()["processors"], logging.getLogger().handlers) == before
    assert structlog.get_config()["processors"] is before[0]


@pytest.fixture
def handlers_kept() -> Iterator[None]:
    """What a test does to the root logger's handlers is undone: they are the run's own."""
    root = logging.getLogger()
    before = root.handlers[:]
    yield
    root.handlers[:] = before


def test_who_listens_to_a_log_hears_it_though_it_was_configured_again(handlers_kept: None) -> None:
    log = structlog.get_logger("tests.environment")
    log.warning("first")  # from now on it keeps what it writes by
    configure_logs(settings.LOGGING)
    with capture_logs() as lines:
        log.warning("second")
    assert [line["event"] for line in lines] == ["second"]


def test_up_refuses_a_bad_setting_in_one_sentence(tmp_path: Path) -> None:
    given = {"DJANGO_SETTINGS_MODULE": "config.settings", "BURNLINE_VAR": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-m", "config.up"],
        cwd=ROOT,
        env=os.environ | given | {"BURNLINE_PORT": "70000"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 1
    sentence = "BURNLINE_PORT is '70000'; it must be a whole number from 1 to 65535."
    assert f"Burnline cannot start. {sentence}" in result.stderr
    assert "Traceback" not in result.stderr


def test_every_variable_that_settings_read_is_documented() -> None:
    source = (ROOT / "config" / "settings.py").read_text()
    read = set(re.findall(r'environment\.\w+\(\s*"([A-Z_]+)"', source)) | {"SECRET_KEY"}
    documented = set(
        re.findall(r"^\| `([A-Z_]+)`", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE)
    )
    assert read == documented
