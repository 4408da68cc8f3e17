"""Keeps the children running: one that dies is started again, later and later, and never in silence."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from config.processes import StartFailure, guarded, last_lines, spawn, stop
from config.servers import Servers

RESTART_SECONDS_FIRST = 1.0
RESTART_SECONDS_MAX = 30.0
STEADY_SECONDS = 60.0  # after this long without a death the next restart is quick again
STOP_TIMEOUT_SECONDS = 15.0
LOG_BYTES_MAX = 20 * 1024 * 1024


@dataclass
class Child:
    """One process of ours: the web, the worker, or the beat."""

    name: str
    command: Sequence[str | Path]
    folder: Path
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX:
            self.log.replace(self.log.with_suffix(".1.log"))
        with self.log.open("ab") as output:
            self._process = spawn(
                guarded(self.command),
                output=output,
                folder=self.folder,
                environment=os.environ | dict(self.environment),
            )

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def ending(self) -> str:
        """How the process ended, in words."""
        code = self._process.returncode if self._process else None
        if code is None:
            return "is not running"
        if code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"ended with code {code} ({last_lines(self.log, 1)}; all of it: {self.log})"

    def stop(self) -> None:
        if self._process is not None:
            stop(self._process, signal.SIGTERM, timeout_seconds=STOP_TIMEOUT_SECONDS)


@dataclass
class _Patience:
    """When a thing that died may be started again."""

    pause_seconds: float = RESTART_SECONDS_FIRST
    due_at: float | None = None
    started_at: float = 0.0

    def died(self, now: float) -> float:
        """The seconds to wait before the next try."""
        if now - self.started_at > STEADY_SECONDS:
            self.pause_seconds = RESTART_SECONDS_FIRST
        pause_seconds = self.pause_seconds
        self.due_at = now + pause_seconds
        self.pause_seconds = min(pause_seconds * 2, RESTART_SECONDS_MAX)
        return pause_seconds

    def started(self, now: float) -> None:
        self.due_at, self.started_at = None, now


class Supervisor:
    """Watches the servers and the children; `look` is called a few times a second."""

    def __init__(self, servers: Servers, children: Sequence[Child], tell: Callable[[str], None]) -> None:
        self._servers = servers
        self._children = children
        self._tell = tell
        self._patience: dict[str, _Patience] = {}

    def look(self) -> None:
        """Notice deaths and start again what has waited long enough."""
        now = time.monotonic()
        for name, alive, start, ending in self._watched():
            patience = self._patience.setdefault(name, _Patience(started_at=now))
            if patience.due_at is None:
                if not alive():
                    self._tell(f"{name} {ending()}; starting it again in {patience.died(now):.0f} s")
            elif now >= patience.due_at:
                try:
                    start()
                    patience.started(now)
                    self._tell(f"{name} runs again")
                except (StartFailure, OSError) as failure:
                    patience.died(now)
                    self._tell(f"{name} did not start: {failure}")

    def stop(self) -> None:
        """Everything ends: those who use the servers first, all at once, then the servers."""
        for child in self._children:
            if child.alive():
                os.kill(child.pid or 0, signal.SIGTERM)
        for child in self._children:
            child.stop()
        self._servers.stop()

    def _watched(self) -> list[tuple[str, Callable[[], bool], Callable[[], object], Callable[[], str]]]:
        found: list[tuple[str, Callable[[], bool], Callable[[], object], Callable[[], str]]] = []
        if postgres := self._servers.postgres:
            found.append(("Postgres", postgres.alive, postgres.start, lambda: "died"))
        if valkey := self._servers.valkey:
            found.append(("Valkey", valkey.alive, valkey.start, lambda: "died"))
        found += [(child.name, child.alive, child.start, child.ending) for child in self._children]
        return found
