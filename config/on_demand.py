"""Management commands find the embedded servers running, or run them for as long as they need them."""

import fcntl
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from django.conf import settings

from config.places import Places
from config.postgres import postgres_answers
from config.processes import StartFailure
from config.servers import FolderInUse, owned, owner_of, start_servers

COMMANDS_WITHOUT_SERVERS = frozenset(
    {
        "",
        "--help",
        "--version",
        "check",
        "collectstatic",
        "compilemessages",
        "diffsettings",
        "help",
        "makemessages",
        "spectacular",
        "startapp",
        "test",
        "version",
    }
)
SERVERS_WAIT_SECONDS = 60.0
SERVERS_WAIT_INTERVAL_SECONDS = 0.1


@contextmanager
def servers_for(arguments: Sequence[str]) -> Iterator[None]:
    """Around one management command: nothing to do where `make up` runs or the servers are run by others.

    Two commands at once share the servers of the first, which waits for the second before it stops them.
    Raises StartFailure.
    """
    command = arguments[1] if len(arguments) > 1 else ""
    embedded = settings.EMBEDDED_POSTGRES or settings.EMBEDDED_VALKEY
    if not embedded or command in COMMANDS_WITHOUT_SERVERS or "--help" in arguments:
        yield
        return
    places: Places = settings.PLACES
    places.var.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + SERVERS_WAIT_SECONDS
    with (places.var / "commands.lock").open("a") as commands, ExitStack() as ours:
        while True:
            fcntl.flock(commands, fcntl.LOCK_SH)
            if owner_of(places) is None:
                with suppress(FolderInUse):
                    ours.enter_context(owned(places, "command"))
                    servers = start_servers(
                        places, postgres=settings.EMBEDDED_POSTGRES, valkey=settings.EMBEDDED_VALKEY
                    )
                    ours.callback(servers.stop)
                    ours.callback(fcntl.flock, commands, fcntl.LOCK_EX)  # until the others are done
                    break
            elif not settings.EMBEDDED_POSTGRES or postgres_answers(places):
                break
            fcntl.flock(commands, fcntl.LOCK_UN)
            if time.monotonic() > deadline:
                raise StartFailure(
                    f"The servers in {places.var} did not answer within {SERVERS_WAIT_SECONDS:.0f} seconds."
                )
            time.sleep(SERVERS_WAIT_INTERVAL_SECONDS)
        yield
