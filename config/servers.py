"""Postgres and Valkey of our own, started and stopped together, one owner at a time for each `var/`."""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from config.places import Places
from config.postgres import EmbeddedPostgres
from config.processes import StartFailure
from config.valkey import EmbeddedValkey

FREE_DISK_BYTES_MIN = 200 * 1024 * 1024
OWNER_WAIT_INTERVAL_SECONDS = 0.05
# Looking who owns a folder takes its lock for a moment; that must not read as a refusal.
OWNER_GRACE_SECONDS = 0.5


class FolderInUse(StartFailure):
    """Another Burnline runs on the same `var/`."""


@dataclass
class Servers:
    """What runs for us: None stands for a server that is run by others."""

    postgres: EmbeddedPostgres | None
    valkey: EmbeddedValkey | None

    def stop(self) -> None:
        for server in (self.valkey, self.postgres):
            if server is not None:
                server.stop()


def _quiet(line: str) -> None:
    return None


@contextmanager
def owned(places: Places, purpose: str, *, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold `var` alone for as long as the block runs; a crash lets go of it too: the kernel keeps the lock.

    Raises FolderInUse naming the other owner when that is another `up`, or still there after `wait_seconds`.
    """
    prepare_folder(places.var)
    with (places.var / "owner.lock").open("a+") as lock:
        started_at = time.monotonic()
        while not _try_lock(lock):
            waited_seconds = time.monotonic() - started_at
            owner = _read_owner(lock)
            patience = OWNER_GRACE_SECONDS if owner.get("purpose") == "up" else wait_seconds
            if waited_seconds >= max(patience, OWNER_GRACE_SECONDS):
                raise FolderInUse(
                    f"{places.var} is in use by another Burnline (process {owner.get('pid', 'unknown')}); "
                    "stop that one, or choose another folder with BURNLINE_VAR."
                )
            time.sleep(OWNER_WAIT_INTERVAL_SECONDS)
        lock.truncate(0)
        json.dump({"pid": os.getpid(), "purpose": purpose}, lock)
        lock.flush()
        yield


def owner_of(places: Places) -> dict[str, str | int] | None:
    """Who holds `var` now: `pid` and `purpose`; None when nobody does."""
    path = places.var / "owner.lock"
    if not path.exists():
        return None
    with path.open("a+") as lock:
        return None if _try_lock(lock) else _read_owner(lock)


def prepare_folder(var: Path) -> None:
    """Make `var` and see that it can be used. Raises StartFailure: not writable, or disk nearly full."""
    try:
        var.mkdir(parents=True, exist_ok=True)
        probe = var / f".probe.{os.getpid()}"
        probe.write_bytes(b"burnline")
        probe.unlink()
    except OSError as error:
        raise StartFailure(f"Burnline cannot write to its folder {var}: {error.strerror}.") from None
    free = shutil.disk_usage(var).free
    if free < FREE_DISK_BYTES_MIN:
        raise StartFailure(
            f"The disk that holds {var} is nearly full ({free // 2**20} MiB free); "
            f"free at least {FREE_DISK_BYTES_MIN // 2**20} MiB and start again."
        )


def start_servers(
    places: Places,
    *,
    postgres: bool = True,
    valkey: bool = True,
    durable: bool = True,
    tell: Callable[[str], None] = _quiet,
) -> Servers:
    """Start the servers asked for. The caller holds `owned(places, ...)`.

    `durable=False` gives up fsync, for tests. Raises StartFailure; what had started is then stopped again.
    """
    servers = Servers(
        EmbeddedPostgres(places, durable) if postgres else None, EmbeddedValkey(places) if valkey else None
    )
    try:
        if servers.postgres is not None:
            made = servers.postgres.start()
            tell("Postgres, with new data" if made else "Postgres")
        if servers.valkey is not None:
            servers.valkey.start()
            tell("Valkey")
    except OSError as error:
        servers.stop()
        raise StartFailure(f"The embedded servers cannot use {places.var}: {error}.") from None
    except BaseException:
        servers.stop()
        raise
    return servers


def _try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_owner(lock: IO[str]) -> dict[str, str | int]:
    lock.seek(0)
    try:
        return dict(json.loads(lock.read()))
    except ValueError:
        return {}
