"""A Burnline of its own for the fault tests: real servers, real processes, killed at will; gone afterwards."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil
from django.db import connections

from config.places import Places
from config.processes import guarded, spawn
from config.servers import Servers, start_servers
from tests.free_ports import free_port

ROOT = Path(__file__).resolve().parents[2]
WEBHOOK_SECRET = "whsec_test_secret"
DEADLINE_SECONDS = 60.0
LOOK_SECONDS = 0.05
OURS = ("BURNLINE_", "STRIPE_", "DJANGO_")
OUTSIDE = frozenset({"DATABASE_URL", "REDIS_URL", "EMAIL_URL", "SECRET_KEY"})


def eventually(true: Callable[[], object], what: str, *, seconds: float = DEADLINE_SECONDS) -> None:
    """Look until it is true; fails with ``what`` when the time is over."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"It did not happen within {seconds:.0f} s: {what}")
        time.sleep(LOOK_SECONDS)


class Running:
    """One process of the product and its children, in a process group of their own."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, *, armed: bool) -> None:
        self.process = process
        self.armed = armed
        self.log = log
        self._log_starts_at = log.stat().st_size

    def said(self) -> str:
        return self.log.read_bytes()[self._log_starts_at :].decode(errors="replace")

    def alive(self) -> bool:
        return self.process.poll() is None

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def kill(self) -> None:
        """SIGKILL to all of it at once."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


class Installation:
    """Postgres and Valkey with fsync as in production; web, worker and others are started by the tests."""

    def __init__(self, var: Path) -> None:
        self.places = Places(var)
        self.port = free_port()
        self.stripe_port = free_port()
        self.stripe_url = f"http://127.0.0.1:{self.stripe_port}"
        self.secret_key = secrets.token_urlsafe(48)
        self.processes: dict[str, Running] = {}
        self.servers: Servers = start_servers(self.places)

    def environment(self, failpoint: str = "") -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in OUTSIDE and not name.startswith(OURS)
        }
        return inherited | {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "SECRET_KEY": self.secret_key,
            "BURNLINE_VAR": str(self.places.var),
            "BURNLINE_PORT": str(self.port),
            "BURNLINE_DEMO": "0",
            "BURNLINE_SANDBOX": "1",
            "BURNLINE_LOG_LEVEL": "WARNING",
            "BURNLINE_WEB_WORKERS": "1",
            "BURNLINE_WEB_THREADS": "8",
            "BURNLINE_JOB_WORKERS": "2",
            "BURNLINE_FAILPOINT": failpoint,
            "STRIPE_API_KEY": "sk_test_burnline",
            "STRIPE_API_BASE": self.stripe_url,
            "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "PYTHONUNBUFFERED": "1",
        }

    def start(self, name: str, *command: str, failpoint: str = "") -> Running:
        """Start a process under this name; whatever had the name before is killed."""
        self.kill(name)
        log = self.places.logs / f"{name}.log"
        with log.open("ab") as output:
            process = spawn(
                guarded([sys.executable, *command], death_signal=signal.SIGKILL),
                output=output,
                folder=ROOT,
                environment=self.environment(failpoint),
            )
        self.processes[name] = Running(process, log, armed=bool(failpoint))
        return self.processes[name]

    def web(self, failpoint: str = "") -> Running:
        """The web process, answering; the one that runs, unless it is armed or to be armed."""
        running = self.processes.get("web")
        if running is not None and running.alive() and not failpoint and not running.armed and self.answers():
            return running
        web = self.start("web", "-m", "config.web", failpoint=failpoint)
        eventually(lambda: self.answers() or not web.alive(), "the web answers")
        assert web.alive(), web.said()
        return web

    def worker(self, failpoint: str = "") -> Running:
        """The job worker. It takes what waits in the queue as soon as it is up."""
        return self.start("worker", "-m", "config.jobs", "worker", failpoint=failpoint)

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One management command, from start to end."""
        return subprocess.run(
            [sys.executable, "-m", "django", *arguments],
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
        )

    def kill(self, name: str) -> None:
        if name in self.processes:
            self.processes.pop(name).kill()

    def stop(self) -> None:
        for name in list(self.processes):
            self.kill(name)
        if self.servers.postgres is not None and self.servers.postgres.pid is not None:
            os.kill(self.servers.postgres.pid, signal.SIGQUIT)  # its data goes with it
        self.servers.stop()
        shutil.rmtree(self.places.var, ignore_errors=True)

    def post(self, body: Any, key: str, path: str = "/v1/events") -> tuple[int, dict[str, Any]]:
        """Status and answer of one request; raises ``OSError`` or ``HTTPException`` when the web dies on it."""
        http = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
            http.request("POST", path, json.dumps(body), headers)
            answer = http.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")
        finally:
            http.close()

    def answers(self) -> bool:
        """Whether the web answers now."""
        http = HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            http.request("GET", "/livez", headers={"Host": "localhost"})
            return http.getresponse().status == 200
        except OSError:
            return False
        finally:
            http.close()

    @contextmanager
    def as_database(self) -> Iterator[None]:
        """Inside, this process's own Django works on the installation's database."""
        connection = connections["default"]
        connection.close()
        kept = dict(connection.settings_dict)
        options = {name: value for name, value in kept["OPTIONS"].items() if name != "pool"}
        connection.settings_dict |= {**self.places.database(), "OPTIONS": options}
        try:
            yield
        finally:
            connection.close()
            connection.settings_dict.clear()
            connection.settings_dict.update(kept)
