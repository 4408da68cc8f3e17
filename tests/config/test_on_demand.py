"""Management commands bring the embedded servers along when nothing runs, and take them away again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.places import Places
from config.servers import owner_of

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = {"DATABASE_URL", "REDIS_URL"}
ASK = "from django.db import connection as c; k = c.cursor(); k.execute('SELECT 6 * 7'); print(k.fetchone())"


def manage(var: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in OUTSIDE}
        | {"DJANGO_SETTINGS_MODULE": "config.settings", "BURNLINE_VAR": str(var)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
def test_two_commands_at_once_share_the_servers_of_the_first(tmp_path: Path) -> None:
    places = Places(tmp_path / "var")
    commands = [manage(places.var, "shell", "-c", ASK) for _ in range(2)]
    for command in commands:
        said, _ = command.communicate(timeout=60)
        assert command.returncode == 0, said
        assert "(42,)" in said
    assert owner_of(places) is None
    assert not list(places.sockets.iterdir())


def test_a_command_without_tables_starts_nothing(tmp_path: Path) -> None:
    command = manage(tmp_path / "var", "help", "migrate")
    said, _ = command.communicate(timeout=60)
    assert command.returncode == 0, said
    assert not (tmp_path / "var" / "postgres").exists()
