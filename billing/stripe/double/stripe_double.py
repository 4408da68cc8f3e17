"""The double in one object: started and stopped, watched and steered."""

import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Self

from billing.stripe.double.api import Api, CallRecord
from billing.stripe.double.clock import Clock
from billing.stripe.double.courier import RETRY_DELAYS_SECONDS, Courier
from billing.stripe.double.events import Announcer
from billing.stripe.double.faults import Faults
from billing.stripe.double.invoice_status import invoice_for, settle
from billing.stripe.double.schedule import run_due
from billing.stripe.double.server import Server
from billing.stripe.double.shapes import id_from, public
from billing.stripe.double.state import Body, State
from billing.stripe.double.webhook_endpoints import new_endpoint


class StripeDouble:
    """A stand-in for Stripe over HTTP, on this machine.

    >>> import stripe
    >>> with StripeDouble() as double:
    ...     client = stripe.StripeClient("sk_test_1", base_addresses={"api": double.url})
    ...     customer = client.v1.customers.create({"name": "Acme"})
    ...     double.objects("customer")[0]["name"]
    'Acme'

    ``state``: a file that survives a restart; None keeps everything in memory. With ``webhook_url`` every
    event is posted there, signed with ``webhook_secret``.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        state: str | None = None,
        webhook_url: str | None = None,
        webhook_secret: str | None = None,
        retry_delays_seconds: Sequence[int] = RETRY_DELAYS_SECONDS,
    ) -> None:
        self.state = State(state)
        self.clock = Clock(self.state)
        self.announcer = Announcer(self.state)
        self.api = Api(self.state, self.clock, self.announcer)
        self.courier = Courier(self.state, self.clock, self.announcer, retry_delays_seconds)
        self.server = Server((host, port), self)
        self.url = f"http://{host}:{self.server.server_address[1]}"
        self.api.base_url = self.url
        self.thread = threading.Thread(
            target=self.server.serve_forever, args=(0.05,), name="stripe-double", daemon=True
        )
        if webhook_url is not None:
            self.listen(webhook_url, webhook_secret)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop()

    def start(self) -> None:
        self.courier.start()
        self.thread.start()

    def stop(self) -> None:
        """Close every connection and stop; what was committed is in the state file."""
        self.api.stopped.set()
        self.server.stop()
        self.courier.stop()
        self.state.close()

    def listen(self, url: str, secret: str | None = None) -> str:
        """Post every event to this address from now on; gives the secret that signs them.

        The same address again, as after a restart, is the same endpoint.
        """
        with self.state.transaction():
            endpoint = {**new_endpoint(self.now, url, secret), "id": id_from("we", url)}
            self.state.put(endpoint)
        return str(endpoint["_secret"])

    @property
    def faults(self) -> Faults:
        """``double.faults.add("rate_limited", path="/v1/invoices", times=2)``"""
        return self.api.faults

    @property
    def calls(self) -> list[CallRecord]:
        """The API calls that came in, oldest first."""
        return list(self.api.calls)

    @property
    def now(self) -> int:
        return self.clock.now()

    def objects(self, kind: str, **equal: Any) -> list[Body]:
        """What is stored of a kind (``invoice``, ``event``, …), oldest first, as the API shows it."""
        return [public(body) for body in reversed(self.state.all_of(kind, **equal))]

    def advance(self, by: int | timedelta) -> int:
        """Move the clock forward by seconds or a timedelta, do what comes due, and give the new time."""
        seconds = int(by.total_seconds()) if isinstance(by, timedelta) else by
        with self.state.transaction():
            now = self.clock.advance(seconds)
            run_due(self.api.own_call())
        self.announcer.nudge()
        return now

    def pay(self, invoice: str) -> Body:
        """Pay what remains, as the customer does on the hosted page. Raises Refusal where it cannot be."""
        with self.state.transaction():
            call = self.api.own_call()
            paid = settle(call, invoice_for(call, invoice, "pay"))
        self.announcer.nudge()
        return public(paid)

    def deliver(self, mode: str, *, count: int = 0, seconds: int = 0) -> None:
        """How the next ``count`` events are sent (0: all from now on); the modes are in events.py."""
        self.announcer.set_plan(mode, count=count, seconds=seconds)

    def release(self, order: list[str] | None = None) -> None:
        """Send what ``out_of_order`` held back: last first, or in this order of event ids."""
        with self.state.transaction():
            self.announcer.release(order)
        self.announcer.nudge()

    def resend(self, event: str) -> int:
        """Send a recorded event again; gives to how many endpoints. Raises ValueError for no such event."""
        with self.state.transaction():
            sent = self.announcer.resend(event, self.now)
        self.announcer.nudge()
        return sent

    def settle(self, timeout_seconds: float = 30) -> None:
        """Wait until every webhook that is due has been sent. Raises TimeoutError."""
        self.courier.settle(timeout_seconds)
