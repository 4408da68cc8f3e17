"""Calls to addresses that others chose, such as webhooks and price lists: never into our own network, never without an end.

The host is resolved once, every address it has must be public, and the connection goes to that very address
under the host's name: an answer that changes between check and call gains nothing. Redirects are not
followed.
"""

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import SplitResult, urlsplit

PORTS = frozenset({443, 8443})
SECONDS_MAX = 10
REPLY_BYTES_MAX = 64 * 1024
CHUNK_BYTES = 8 * 1024

# The standard library takes these for global, yet they lead to addresses written inside them.
_CARRIERS = (ip_network("64:ff9b::/96"), ip_network("2002::/16"))

Resolve = Callable[[str, int], list[str]]


class AddressRefused(ValueError):
    """Not an address that we call; the message says what would do."""


class DeliveryFailed(Exception):
    """No answer came: the host was away, too slow, or its certificate is wrong."""


@dataclass(frozen=True)
class Reply:
    """What came back; what is posted is answered in at most 64 kB, the rest is cut."""

    status: int
    body: bytes


def check_url(url: str, *, private: bool = False) -> SplitResult:
    """The URL in parts, when we would call it: https, on port 443 or 8443, without a user name. Resolves
    nothing.

    ``private`` is for one's own machine: it takes http, any port and any host. Raises ``AddressRefused``.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressRefused("Write a URL, such as https://example.com/hooks.") from None
    schemes = ("https", "http") if private else ("https",)
    if (
        not url.isascii()
        or not url.isprintable()
        or " " in url
        or parts.scheme not in schemes
        or not parts.hostname
    ):
        raise AddressRefused(
            "Write a URL that begins with https:// and a host, such as https://example.com/hooks."
        )
    if parts.username is not None or parts.password is not None:
        raise AddressRefused("Leave user name and password out of the URL; deliveries are signed.")
    if not private and (port or 443) not in PORTS:
        raise AddressRefused(f"Use one of the ports {', '.join(map(str, sorted(PORTS)))}.")
    return parts


def is_public(address: str) -> bool:
    """Whether the address is one of the open internet's.

    >>> is_public("93.184.216.34"), is_public("100.64.0.1"), is_public("::ffff:127.0.0.1"), is_public("64:ff9b::7f00:1")
    (True, False, False, False)
    """
    try:
        found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        elif any(found in carrier for carrier in _CARRIERS):
            return False
    return found.is_global and not found.is_multicast


def resolve(host: str, port: int) -> list[str]:
    """Every address that the host has now."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise DeliveryFailed(f"The host {host[:100]} has no address.") from None
    return [str(entry[4][0]) for entry in found]


def post(
    url: str, body: bytes, headers: Mapping[str, str], *, private: bool = False, resolve: Resolve = resolve
) -> Reply:
    """Send the body, and wait at most ten seconds for the whole of the answer.

    Raises ``AddressRefused`` when any address of the host is not public, ``DeliveryFailed`` when no answer
    comes.
    """
    return _exchange("POST", url, body, headers, REPLY_BYTES_MAX, private=private, resolve=resolve)


def fetch(url: str, *, most: int, private: bool = False, resolve: Resolve = resolve) -> Reply:
    """Read what is at the address, at most ``most`` bytes of it, within ten seconds.

    Raises as ``post`` does, and ``DeliveryFailed`` for an answer that is longer.
    """
    reply = _exchange("GET", url, None, {}, most + 1, private=private, resolve=resolve)
    if len(reply.body) > most:
        raise DeliveryFailed(f"The answer is longer than {most:,} bytes.")
    return reply


def _exchange(
    method: str,
    url: str,
    body: bytes | None,
    headers: Mapping[str, str],
    most: int,
    *,
    private: bool,
    resolve: Resolve,
) -> Reply:
    parts = check_url(url, private=private)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    addresses = resolve(host, port)
    if not addresses or not (private or all(is_public(address) for address in addresses)):
        raise AddressRefused(f"The host {host[:100]} leads into a private network.")
    deadline = time.monotonic() + SECONDS_MAX
    connection = _Pinned(host, port, addresses[0], tls=parts.scheme == "https")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(method, target, body, dict(headers))
        response = connection.getresponse()
        return Reply(response.status, _read(response, deadline, most))
    except (OSError, http.client.HTTPException) as error:
        raise DeliveryFailed(f"{type(error).__name__}: {error}"[:300]) from None
    finally:
        connection.close()


def _read(response: http.client.HTTPResponse, deadline: float, most: int) -> bytes:
    parts: list[bytes] = []
    left = most
    while left > 0:
        if time.monotonic() > deadline:
            raise TimeoutError("the answer took too long")
        chunk = response.read1(min(CHUNK_BYTES, left))
        if not chunk:
            break
        parts.append(chunk)
        left -= len(chunk)
    return b"".join(parts)


class _Pinned(http.client.HTTPConnection):
    """A connection to one address, under the name of its host."""

    def __init__(self, host: str, port: int, address: str, *, tls: bool) -> None:
        super().__init__(host, port, timeout=SECONDS_MAX)
        self.address = address
        self.tls = tls
        if tls:
            self.default_port = 443

    def connect(self) -> None:
        plain: Any = socket.create_connection((self.address, self.port), SECONDS_MAX)
        self.sock = (
            ssl.create_default_context().wrap_socket(plain, server_hostname=self.host) if self.tls else plain
        )
