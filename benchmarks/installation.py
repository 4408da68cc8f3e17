"""A Burnline of its own for one measurement: servers with fsync on, fresh tables, a web server; gone afterwards."""

import io
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from config.web import memory_environment

READY_TIMEOUT_SECONDS = 120.0
READY_INTERVAL_SECONDS = 0.1


@dataclass(frozen=True)
class Installation:
    """Where it listens, and an operator's key with every scope."""

    host: str
    port: int
    api_key: str
    web_pid: int


@contextmanager
def running_installation(*, jobs: bool = False, web_workers: int = 2) -> Iterator[Installation]:
    """Start all of it in an empty folder; Django is set up inside. Call it before anything imports the settings.

    With ``jobs`` a worker runs as well, as it does in production.
    """
    var = Path(tempfile.mkdtemp(prefix="burnline-bench-"))
    port = _free_port()
    os.environ |= {
        "BURNLINE_VAR": str(var),
        "BURNLINE_DEMO": "0",
        "BURNLINE_PORT": str(port),
        "BURNLINE_LOG_LEVEL": "ERROR",
        "BURNLINE_WEB_WORKERS": str(web_workers),
        "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
    }
    with ExitStack() as ours:
        ours.callback(shutil.rmtree, var, ignore_errors=True)
        _start_servers(var, ours)
        api_key = _prepare()
        web = _started(_web_command(), ours, memory_environment())
        if jobs:
            _started(_worker_command(), ours)
        _wait_until_listening("127.0.0.1", port, web)
        yield Installation("127.0.0.1", port, api_key, web.pid)


def _started(
    command: list[str | Path], ours: ExitStack, more: dict[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ | (more or {}))
    ours.callback(process.wait)
    ours.callback(process.terminate)
    return process


def _start_servers(var: Path, ours: ExitStack) -> None:
    from config.places import Places
    from config.servers import owned, start_servers

    places = Places(var)
    ours.enter_context(owned(places, "bench"))
    servers = start_servers(
        places, postgres="DATABASE_URL" not in os.environ, valkey="REDIS_URL" not in os.environ
    )
    ours.callback(servers.stop)


def _prepare() -> str:
    import django

    django.setup()
    from django.core.management import call_command

    from core.clock import now
    from customers.api_keys import create_api_key

    call_command("migrate", verbosity=0)
    call_command("import_prices", verbosity=0, stdout=io.StringIO())
    return create_api_key(name="benchmark", scopes=["ingest", "read", "write"], now=now())[1]


def _web_command() -> list[str | Path]:
    from config.web import web_command

    return web_command()


def _worker_command() -> list[str | Path]:
    from config.jobs import worker_command

    return worker_command()


def _wait_until_listening(host: str, port: int, web: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while time.monotonic() < deadline and web.poll() is None:
        try:
            with socket.create_connection((host, port), timeout=1):
                return
        except OSError:
            time.sleep(READY_INTERVAL_SECONDS)
    raise RuntimeError("The web server did not start.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
