"""Places where a test may make the program die, fail or linger, to prove that nothing is lost there.

``failpoint("metering.after_commit")`` does nothing unless the environment arms it:
``BURNLINE_FAILPOINT=name:kill``, ``name:raise`` or ``name:sleep`` (one second; ``name:sleep:0.2`` for another
time). Several are separated by commas.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SLEEP_SECONDS_DEFAULT = 1.0


class FailpointReached(RuntimeError):
    """Raised where a failpoint is armed with ``raise``."""


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _action(name: str, words: list[str]) -> Callable[[], None]:
    match words:
        case ["kill"]:
            return _kill
        case ["raise"]:

            def fail() -> None:
                raise FailpointReached(name)

            return fail
        case ["sleep"]:
            return lambda: time.sleep(SLEEP_SECONDS_DEFAULT)
        case ["sleep", seconds]:
            return lambda: time.sleep(float(seconds))
        case _:
            raise ValueError(f"BURNLINE_FAILPOINT: {name} must be followed by :kill, :raise or :sleep.")


def _read(setting: str) -> dict[str, Callable[[], None]]:
    armed = {}
    for part in filter(None, setting.split(",")):
        name, *words = part.strip().split(":")
        armed[name] = _action(name, words)
    return armed


_armed = _read(os.environ.get("BURNLINE_FAILPOINT", ""))


def failpoint(name: str) -> None:
    """Do what this place is armed for; in production that is nothing."""
    if _armed and name in _armed:
        _armed[name]()


@contextmanager
def armed(name: str, act: Callable[[], None]) -> Iterator[None]:
    """For tests inside one process: run ``act`` whenever the failpoint is reached."""
    _armed[name] = act
    try:
        yield
    finally:
        del _armed[name]
