"""Starting child processes so that they never outlive us, and never run as root where that is refused."""

import ctypes
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

UNPRIVILEGED_ACCOUNT = "nobody"
PR_SET_PDEATHSIG = 1


class StartFailure(Exception):
    """Something cannot start. Its text is one sentence for a person, with what to do about it."""


@dataclass(frozen=True)
class Account:
    """The account that runs the database servers when we are root: Postgres refuses to run as root."""

    uid: int
    gid: int

    def owns(self, folder: Path) -> None:
        """Make `folder`, if need be, and hand it to this account, closed to all others."""
        folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(folder, self.uid, self.gid)
        folder.chmod(0o700)

    def reaches(self, path: Path) -> bool:
        """Whether the account may pass through every folder above `path`."""
        for folder in path.resolve().parents:
            status = folder.stat()
            if status.st_uid == self.uid:
                needed = stat.S_IXUSR
            elif status.st_gid == self.gid:
                needed = stat.S_IXGRP
            else:
                needed = stat.S_IXOTH
            if not status.st_mode & needed:
                return False
        return True


def servers_account(data: Path) -> Account:
    """Us; or, when we are root, the owner of the servers' `data`, and `nobody` where there is none yet."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    if data.exists() and (status := data.stat()).st_uid != 0:
        return Account(status.st_uid, status.st_gid)
    entry = pwd.getpwnam(UNPRIVILEGED_ACCOUNT)
    return Account(entry.pw_uid, entry.pw_gid)


def guarded(
    command: Sequence[str | Path],
    *,
    death_signal: signal.Signals = signal.SIGTERM,
    account: Account | None = None,
    paths: Sequence[Path] = (),
) -> list[str]:
    """`command` wrapped so that the kernel sends it `death_signal` when we die, as `account`.

    `paths` are what the account must reach; below folders that are closed to it (root's home, for one)
    it gets the right to search them, and no other. Without `setpriv` (outside Linux) children may outlive
    a killed parent: the next start finds and stops them.
    """
    plain = [str(part) for part in command]
    setpriv = shutil.which("setpriv")
    if not sys.platform.startswith("linux") or setpriv is None:
        return plain
    wrapped = [setpriv, "--pdeathsig", death_signal.name.removeprefix("SIG")]
    if account is not None and os.geteuid() == 0:
        wrapped += [f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups"]
        if not all(account.reaches(path) for path in (Path(plain[0]), *paths)):
            # initdb looks for its binaries by access(), which heeds the right only with this bit set.
            wrapped += ["--securebits=+no_setuid_fixup"]
            wrapped += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return [*wrapped, "--", *plain]


def die_with_parent() -> None:
    """Ask the kernel to end this process when the one that started it dies, however it dies (Linux)."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def spawn(
    command: Sequence[str],
    *,
    output: IO[bytes],
    folder: Path,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start `command` in a process group of its own, so that Ctrl-C in the terminal reaches only us."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env=dict(environment) if environment is not None else None,
        process_group=0,
    )


def stop(process: subprocess.Popen[bytes], with_signal: signal.Signals, *, timeout_seconds: float) -> None:
    """Ask `process` to end, and kill it when it has not within the time."""
    if process.poll() is not None:
        return
    process.send_signal(with_signal)
    try:
        process.wait(timeout_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def stop_stranger(pid: int, with_signal: signal.Signals, *, timeout_seconds: float) -> None:
    """Like `stop`, for a process that an earlier run of ours left behind."""
    try:
        process = psutil.Process(pid)
        process.send_signal(with_signal)
        try:
            process.wait(timeout_seconds)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(timeout_seconds)
    except psutil.NoSuchProcess:
        return


def wait_until(
    ready: Callable[[], bool],
    process: subprocess.Popen[bytes],
    *,
    timeout_seconds: float,
    interval_seconds: float = 0.02,
) -> bool:
    """Whether `ready` came true before the time was over and before `process` ended."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        if ready():
            return True
        if process.poll() is not None:
            return False
        time.sleep(interval_seconds)
    return False


def last_lines(log: Path, count: int = 3) -> str:
    try:
        return " / ".join(line.strip() for line in log.read_text(errors="replace").splitlines()[-count:])
    except OSError:
        return ""
