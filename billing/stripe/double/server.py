"""The HTTP server: sockets and headers, and nothing of what the answers mean."""

import json
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from billing.stripe.double.api import Request
from billing.stripe.double.control import answer_control
from billing.stripe.double.errors import Refusal
from billing.stripe.double.pages import page_at
from core.texts import whole_of

if TYPE_CHECKING:
    from billing.stripe.double.stripe_double import StripeDouble

BODY_BYTES_MAX = 5 * 1024 * 1024
HTML = "text/html; charset=utf-8"
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"
}


class Server(ThreadingHTTPServer):
    """Knows its open connections, so that stopping it leaves none behind."""

    daemon_threads = True
    # The default of 5 refuses connections under a burst of clients.
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], double: "StripeDouble") -> None:
        self.double = double
        self.connections: set[socket.socket] = set()
        self.guard = threading.Lock()
        super().__init__(address, Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        with self.guard:
            self.connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        with self.guard:
            self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is no error of ours."""

    def stop(self) -> None:
        self.shutdown()
        with self.guard:
            left = list(self.connections)
        for connection in left:
            self.shutdown_request(connection)
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body leave in two writes; without this each answer would wait for the client's ACK.
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: ``/_double/calls`` tells what was asked."""

    def do_GET(self) -> None:
        self.dispatch()

    def do_POST(self) -> None:
        self.dispatch()

    def do_DELETE(self) -> None:
        self.dispatch()

    def dispatch(self) -> None:
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        body = self.read_body()
        if body is None:
            return
        if path.startswith("/v1/"):
            self.answer_api(path, parts.query, body)
        elif path.startswith("/_double/"):
            self.answer_control(path, body)
        else:
            self.answer_page(path)

    def read_body(self) -> str | None:
        """The body as text; None after an answer that says why it cannot be read."""
        length = whole_of(self.headers.get("Content-Length", "0"))
        if length is None or length > BODY_BYTES_MAX:
            self.close_connection = True
            self.send_json(413, Refusal(f"The body must be at most {BODY_BYTES_MAX} bytes long.").body)
            return None
        try:
            return self.rfile.read(length).decode()
        except UnicodeDecodeError:
            self.send_json(400, Refusal("The body must be UTF-8.").body)
            return None

    def answer_api(self, path: str, query: str, body: str) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.double.api.answer(Request(self.command, path, query, body, headers))
        if answer is None:
            self.close_connection = True
            return
        self.send_json(answer.status, answer.body, answer.headers)

    def answer_control(self, path: str, body: str) -> None:
        # A browser does not send this type across sites unasked, so no foreign page steers the double.
        if self.command == "POST" and self.headers.get_content_type() != "application/json":
            self.send_json(415, {"error": "Content-Type: application/json is required"})
            return
        try:
            status, answer = answer_control(self.server.double, self.command, path, body)
        except Refusal as refusal:
            status, answer = refusal.status, refusal.body
        self.send_json(status, answer)

    def answer_page(self, path: str) -> None:
        pay = re.fullmatch(r"/invoice/(\w+)/pay", path)
        if self.command == "POST" and pay:
            self.pay_and_return(pay[1])
            return
        shown = page_at(self.server.double.state, path) if self.command == "GET" else None
        if shown is None:
            self.send(404, b"<!doctype html><title>Not found</title><p>There is no such page.</p>", HTML)
        else:
            self.send(200, shown.encode(), HTML, PAGE_HEADERS)

    def pay_and_return(self, invoice: str) -> None:
        try:
            self.server.double.pay(invoice)
        except Refusal:
            pass  # The page that follows shows the invoice as it is.
        self.send(303, b"", HTML, {"Location": f"/invoice/{invoice}"})

    def send_json(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self.send(status, json.dumps(body, indent=2).encode() + b"\n", "application/json", headers)

    def send(
        self, status: int, body: bytes, content_type: str, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
