"""`make up` from nothing: it starts, answers, says so, survives deaths, and leaves nothing running."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.free_ports import free_port

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


class Up:
    """One `make up` in a folder and on a port of its own."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.port = free_port()
        self.process: subprocess.Popen[str] | None = None
        self.said: list[str] = []

    def start(self) -> None:
        outside = {"DATABASE_URL", "REDIS_URL", "BURNLINE_URL", "BURNLINE_SANDBOX"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "config.up", "--with-parent"],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name not in outside}
            | {
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "BURNLINE_VAR": str(self.var),
                "BURNLINE_PORT": str(self.port),
                "BURNLINE_DEMO": "0",
                "BURNLINE_WEB_WORKERS": "1",
                "BURNLINE_JOB_WORKERS": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.wait_for_words("Burnline runs")

    def wait_for_words(self, words: str) -> None:
        assert self.process is not None and self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if words in line:
                return
        self.process.communicate()
        raise AssertionError(f"It ended before it said {words!r}:\n{''.join(self.said)}")

    def get(self, path: str) -> tuple[int, str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as response:
            return response.status, response.read().decode()

    def children(self) -> dict[str, psutil.Process]:
        assert self.process is not None
        found = {}
        for child in psutil.Process(self.process.pid).children():
            line = " ".join(child.cmdline())
            names = {"postgres": "bin/postgres", "valkey": "valkey-server", "web": "granian"}
            names |= {"worker": " worker ", "beat": " beat "}
            for name, mark in names.items():
                if mark in line:
                    found[name] = child
        return found

    def descendants(self) -> list[psutil.Process]:
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, with_signal: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(with_signal)
        rest, _ = self.process.communicate(timeout=60)
        self.said.append(rest)
        return self.process.returncode


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    up = Up(tmp_path / "var")
    yield up
    if up.process is not None and up.process.poll() is None:
        up.end(signal.SIGTERM)


def test_it_starts_from_nothing_heals_dies_and_comes_back_with_its_data(up: Up) -> None:
    # From nothing: five children, and the web answers.
    up.start()
    assert up.get("/livez") == (200, '{"status": "ok"}')
    assert up.get("/readyz")[0] == 200
    first = up.children()
    assert set(first) == {"postgres", "valkey", "web", "worker", "beat"}

    # Whoever dies is started again.
    first["postgres"].kill()
    up.wait_for_words("Postgres runs again")
    assert up.get("/readyz")[0] == 200
    first["web"].kill()
    up.wait_for_words("web runs again")

    # A second one on the same data is turned away.
    second = Up(up.var)
    with pytest.raises(AssertionError, match="in use by another Burnline"):
        second.start()
    assert second.process is not None and second.process.returncode == 1

    # Killed outright, it takes its children with it.
    left = up.descendants()
    up.end(signal.SIGKILL)
    assert not psutil.wait_procs(left, timeout=60)[1]

    # The next start finds its data, and Ctrl-C ends all of it.
    up.start()
    assert any("tables" in line and "unchanged" in line for line in up.said)
    assert up.get("/readyz")[0] == 200
    left = up.descendants()
    assert up.end(signal.SIGINT) == 0
    assert "Stopped. The data is kept." in up.said[-1]
    assert not psutil.wait_procs(left, timeout=60)[1]


def test_a_taken_port_is_said_in_one_sentence(up: Up) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", up.port))
        taken.listen()
        with pytest.raises(AssertionError, match=f"Port {up.port} on 127.0.0.1 cannot be used"):
            up.start()
    assert up.process is not None and up.process.returncode == 1
    assert "Traceback" not in "".join(up.said)
