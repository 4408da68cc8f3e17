"""Ports for servers that tests start, stop and start again."""

import secrets
import socket

# The system gives connections that go out a port from its own range, which begins above these: a server that is down
# for a moment would find its port taken.
FIRST, LAST = 20_000, 30_000


def free_port() -> int:
    """A port of the loopback that nobody listens on, and that stays free while a test's server is down."""
    while True:
        port = FIRST + secrets.randbelow(LAST - FIRST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
