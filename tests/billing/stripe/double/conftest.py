"""A running double, the official library pointed at it, and a listener that keeps what webhooks bring."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import stripe

from billing.stripe.double import StripeDouble

SECRET = "whsec_test"


class Listener(ThreadingHTTPServer):
    """Keeps each webhook's body and signature; answers the statuses it is given first, then 200."""

    daemon_threads = True

    def __init__(self) -> None:
        self.received: list[tuple[bytes, str]] = []
        self.statuses: list[int] = []
        super().__init__(("127.0.0.1", 0), Receiving)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook"

    def events(self) -> list[stripe.Event]:
        """What came, each verified by the library."""
        return [stripe.Webhook.construct_event(body, signature, SECRET) for body, signature in self.received]

    def types(self) -> list[str]:
        return [event.type for event in self.events()]


class Receiving(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((body, self.headers["Stripe-Signature"]))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = Listener()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def double() -> Iterator[StripeDouble]:
    with StripeDouble() as running:
        yield running


@pytest.fixture
def connect() -> Callable[..., Any]:
    """The library's client for a double."""

    def connected(to: StripeDouble, **options: Any) -> Any:
        return stripe.StripeClient("sk_test_1", base_addresses={"api": to.url}, **options).v1

    return connected


@pytest.fixture
def client(double: StripeDouble, connect: Callable[..., Any]) -> Any:
    return connect(double)


@pytest.fixture
def customer(client: Any) -> Any:
    return client.customers.create({"name": "Acme", "email": "acme@example.com"})


@pytest.fixture
def make_draft(client: Any, customer: Any) -> Callable[..., Any]:
    """A draft invoice with one line for each amount."""

    def made(*amounts: int, **terms: Any) -> Any:
        invoice = client.invoices.create({"customer": customer.id, "currency": "usd", **terms})
        if amounts:
            lines = [{"amount": amount, "description": f"Line of {amount}"} for amount in amounts]
            invoice = client.invoices.add_lines(invoice.id, {"lines": lines})
        return invoice

    return made


@pytest.fixture
def make_open(client: Any, make_draft: Callable[..., Any]) -> Callable[..., Any]:
    def made(*amounts: int, **terms: Any) -> Any:
        return client.invoices.finalize_invoice(make_draft(*amounts, **terms).id)

    return made
