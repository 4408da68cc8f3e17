import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from core.egress import REPLY_BYTES_MAX, AddressRefused, DeliveryFailed, check_url, fetch, is_public, post

PUBLIC = "93.184.216.34"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "not an address",
    ],
)
def test_addresses_inside_are_not_public(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(AddressRefused):
        post("https://example.com/", b"", {}, resolve=lambda host, port: [PUBLIC, address])


def test_addresses_outside_are_public() -> None:
    assert is_public(PUBLIC) and is_public("2606:2800:220:1:248:1893:25c8:1946")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "http://example.com/",
        "ftp://example.com/",
        "https:///path",
        "https://user:pw@example.com/",
        "https://example.com:22/",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https://example.com/\r\nX: y",
        "https://[::1",
    ],
)
def test_urls_that_we_would_not_call_are_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        check_url(url)


@pytest.mark.parametrize(
    "url", ["https://2130706433/", "https://127.1/", "https://0x7f.0.0.1/", "https://localhost/"]
)
def test_other_ways_to_write_our_own_machine_lead_nowhere(url: str) -> None:
    with pytest.raises((AddressRefused, DeliveryFailed)):
        post(url, b"", {})


class Receiver(BaseHTTPRequestHandler):
    seen: list[tuple[str, str, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.path, self.headers["Host"], body))
        status = {"/moved": 302, "/long": 200}.get(self.path, 204)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        if self.path == "/long":
            self.wfile.write(b"x" * (REPLY_BYTES_MAX * 4))

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"p" * 1_000)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[tuple[str, str, bytes]]]]:
    Receiver.seen = []
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://hooks.example:{server.server_port}", Receiver.seen
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_call_goes_to_the_address_that_was_checked_under_the_hosts_name(
    receiver: tuple[str, list[tuple[str, str, bytes]]],
) -> None:
    base, seen = receiver
    reply = post(
        f"{base}/hooks?a=1", b"{}", {"X-A": "1"}, private=True, resolve=lambda host, port: ["127.0.0.1"]
    )
    assert reply.status == 204
    assert seen == [("/hooks?a=1", base.removeprefix("http://"), b"{}")]


def test_redirects_are_not_followed_and_long_replies_are_cut(
    receiver: tuple[str, list[tuple[str, str, bytes]]],
) -> None:
    base, seen = receiver
    here = {"private": True, "resolve": lambda host, port: ["127.0.0.1"]}
    assert post(f"{base}/moved", b"", {}, **here).status == 302
    assert len(post(f"{base}/long", b"", {}, **here).body) == REPLY_BYTES_MAX
    assert [path for path, _, _ in seen] == ["/moved", "/long"]


def test_an_absent_host_is_a_failed_delivery() -> None:
    with pytest.raises(DeliveryFailed):
        post("http://127.0.0.1:9/", b"", {}, private=True)


def test_what_is_fetched_comes_whole_or_not_at_all(
    receiver: tuple[str, list[tuple[str, str, bytes]]],
) -> None:
    base, _ = receiver
    here = {"private": True, "resolve": lambda host, port: ["127.0.0.1"]}
    assert fetch(f"{base}/list", most=1_000, **here).body == b"p" * 1_000
    with pytest.raises(DeliveryFailed, match="longer than 999 bytes"):
        fetch(f"{base}/list", most=999, **here)
