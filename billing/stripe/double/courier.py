"""The courier: one background thread that posts signed events to the endpoints that listen."""

import json
import threading
import time
from collections.abc import Sequence
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

import stripe

from billing.stripe.double.clock import Clock
from billing.stripe.double.events import Announcer
from billing.stripe.double.state import State

POST_TIMEOUT_SECONDS = 10
RETRY_DELAYS_SECONDS = (10, 60, 3600)
"""Sooner than Stripe's own sandbox (three tries over hours), so that a demo heals while someone watches."""


class NoRedirects(HTTPRedirectHandler):
    """Stripe counts a redirect as a failed delivery."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class Courier:
    """Sends what is due, in the order it was written; a failure is tried again after each retry delay."""

    def __init__(
        self,
        state: State,
        clock: Clock,
        announcer: Announcer,
        retry_delays_seconds: Sequence[int] = RETRY_DELAYS_SECONDS,
    ) -> None:
        self.state = state
        self.clock = clock
        self.announcer = announcer
        self.retry_delays_seconds = tuple(retry_delays_seconds)
        self.opener: OpenerDirector = build_opener(ProxyHandler({}), NoRedirects())
        self.stopping = False
        self.sending = False
        self.thread = threading.Thread(target=self.run, name="stripe-double-courier", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        self.stopping = True
        self.announcer.nudge()
        if self.thread.is_alive():
            self.thread.join(POST_TIMEOUT_SECONDS + 1)

    def run(self) -> None:
        while not self.stopping:
            with self.announcer.wake:
                due = self.due()
                if due is None:
                    self.sending = False
                    self.announcer.wake.notify_all()
                    if not self.stopping:
                        self.announcer.wake.wait(self.seconds_to_next())
                    continue
                self.sending = True
            self.deliver(due)

    def due(self) -> dict[str, Any] | None:
        found = self.state.rows(
            "select * from deliveries where state = 'waiting' and due_at <= ? order by seq limit 1",
            self.clock.now(),
        )
        return dict(found[0]) if found else None

    def seconds_to_next(self) -> float | None:
        (row,) = self.state.rows("select min(due_at) as due_at from deliveries where state = 'waiting'")
        return None if row["due_at"] is None else max(row["due_at"] - self.clock.now(), 0.05)

    def deliver(self, delivery: dict[str, Any]) -> None:
        """Post one event once and write down how it went."""
        event = self.state.get("event", delivery["event"])
        endpoint = self.state.get("webhook_endpoint", delivery["endpoint"])
        if event is None or endpoint is None:
            self.record(delivery, "dropped", "the event or the endpoint is gone")
            return
        problem = self.post(json.dumps(event, indent=2), endpoint["url"], endpoint["_secret"])
        if problem == "":
            with self.state.transaction():
                event["pending_webhooks"] = max(event["pending_webhooks"] - 1, 0)
                self.state.put(event)
            self.record(delivery, "delivered", "")
        elif delivery["attempts"] < len(self.retry_delays_seconds):
            delay = self.retry_delays_seconds[delivery["attempts"]]
            self.record(delivery, "waiting", problem, due_at=self.clock.now() + delay)
        else:
            self.record(delivery, "failed", problem)

    def post(self, payload: str, url: str, secret: str) -> str:
        """Empty on a 2xx, otherwise what went wrong. The signature carries the machine's real time."""
        signature = stripe.WebhookSignature.generate_signature_header(payload, secret, int(time.time()))
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature,
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        try:
            request = Request(url, payload.encode(), headers, method="POST")
            with self.opener.open(request, timeout=POST_TIMEOUT_SECONDS) as answer:
                answer.read(65_536)
            return ""
        except HTTPError as error:
            with error:
                return f"HTTP {error.code}"
        except (URLError, OSError, ValueError) as error:
            return str(error)[:200]

    def record(self, delivery: dict[str, Any], state: str, detail: str, due_at: int | None = None) -> None:
        self.state.rows(
            "update deliveries set state = ?, detail = ?, attempts = attempts + 1,"
            " due_at = coalesce(?, due_at) where seq = ? returning seq",
            state,
            detail,
            due_at,
            delivery["seq"],
        )

    def settle(self, timeout_seconds: float = 30) -> None:
        """Wait until nothing that is due is left to send. Raises TimeoutError."""
        with self.announcer.wake:
            self.announcer.wake.notify_all()
            calm = self.announcer.wake.wait_for(
                lambda: not self.sending and self.due() is None, timeout_seconds
            )
        if not calm:
            raise TimeoutError(f"webhooks are still under way after {timeout_seconds} s")
