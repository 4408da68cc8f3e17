"""The API itself: from a request to an answer, through faults, idempotency and one transaction."""

import base64
import logging
import threading
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

from billing.stripe.double.call import Call
from billing.stripe.double.clock import Clock
from billing.stripe.double.errors import Refusal, server_error
from billing.stripe.double.events import Announcer
from billing.stripe.double.expansion import expanded
from billing.stripe.double.faults import BEFORE_EXECUTION, IN_EXECUTION, ON_REPLY, Fault, Faults
from billing.stripe.double.forms import Pairs, nest, read_pairs
from billing.stripe.double.idempotency import IdempotencyKeys, Reply
from billing.stripe.double.parameters import check, parameters_of
from billing.stripe.double.routes import Route, route_for
from billing.stripe.double.shapes import VERSION, new_id, public
from billing.stripe.double.state import State

logger = logging.getLogger(__name__)

CALLS_REMEMBERED = 10_000


@dataclass(frozen=True)
class Request:
    """One HTTP request to ``/v1/…``; header names in lower case."""

    method: str
    path: str
    query: str = ""
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def idempotency_key(self) -> str | None:
        """Keys mean something on POST alone."""
        return self.headers.get("idempotency-key") if self.method == "POST" else None


@dataclass(frozen=True)
class Answer:
    status: int
    body: dict[str, Any]
    headers: dict[str, str]


@dataclass(frozen=True)
class CallRecord:
    """What came in and what went out; ``status`` None where the connection was closed without an answer."""

    method: str
    path: str
    idempotency_key: str | None
    status: int | None
    replayed: bool


class Api:
    """Answers requests one after another on the state; remembers the last calls for tests."""

    def __init__(self, state: State, clock: Clock, announcer: Announcer) -> None:
        self.state = state
        self.clock = clock
        self.announcer = announcer
        self.faults = Faults()
        self.keys = IdempotencyKeys(state)
        self.calls: deque[CallRecord] = deque(maxlen=CALLS_REMEMBERED)
        self.base_url = ""
        self.stopped = threading.Event()

    def answer(self, request: Request) -> Answer | None:
        """The answer, or None where a fault closes the connection instead."""
        request_id = new_id("req")
        more: dict[str, str] = {}
        replayed = False
        try:
            taken = self.take(request, request_id)
            if taken is None:
                self.remember(request, None, False)
                return None
            reply, replayed = taken
        except Refusal as refusal:
            reply, more = Reply(refusal.status, refusal.body, request_id), refusal.headers
        except Exception:
            logger.exception("the Stripe double broke on %s %s", request.method, request.path)
            broken = Refusal("The Stripe double itself broke; see its log.", status=500, kind="api_error")
            reply = Reply(500, broken.body, request_id)
        self.remember(request, reply.status, replayed)
        headers = {"Request-Id": request_id, "Stripe-Version": VERSION, **more}
        if request.idempotency_key:
            headers |= {"Idempotency-Key": request.idempotency_key, "Original-Request": reply.request_id}
        if reply.kept and reply.status >= 500:
            # Stripe says so too: with this key, a retry would only bring the same 500 again.
            headers["Stripe-Should-Retry"] = "false"
        if replayed:
            headers["Idempotent-Replayed"] = "true"
        return Answer(reply.status, reply.body, headers)

    def take(self, request: Request, request_id: str) -> tuple[Reply, bool] | None:
        check_headers(request)
        route, ids = route_for(request.method, request.path)
        pairs = read_pairs(request.query) + read_pairs(request.body)
        fault = self.faults.take(BEFORE_EXECUTION, request.method, request.path)
        if fault is not None and fault.kind == "timeout_before_commit":
            return None
        if fault is not None:
            raise Refusal(
                "Request rate limit exceeded.",
                status=429,
                code="rate_limit",
                headers={"Retry-After": str(fault.retry_after), "Stripe-Rate-Limited-Reason": "global-rate"},
            )
        with self.keys.held(request.idempotency_key):
            replied = self.reply(request, request_id, route, ids, pairs)
            self.announcer.nudge()
            fault = self.faults.take(ON_REPLY, request.method, request.path)
            if fault is not None and fault.kind == "latency":
                self.stopped.wait(fault.seconds)
            return None if fault is not None and fault.kind == "timeout_after_commit" else replied

    def reply(
        self, request: Request, request_id: str, route: Route, ids: dict[str, str], pairs: Pairs
    ) -> tuple[Reply, bool]:
        """The reply, and whether it was replayed from an earlier call with the same key."""
        key, endpoint = request.idempotency_key, request.path
        with self.state.lock:
            now = self.clock.now()
            kept = self.keys.kept(key, endpoint, pairs, now) if key else None
            if kept is not None:
                return kept, True
            params = check(parameters_of(route.parameters), nest(pairs))
            fault = self.faults.take(IN_EXECUTION, request.method, request.path)
            expand = params.pop("expand", [])
            call = Call(self.state, now, params, self.announcer, self.base_url, request_id, key, request.path)
            with self.state.transaction():
                reply = self.execute(call, route, ids, expand, fault)
                if key and not (fault and fault.kind == "error_before_commit" and not fault.saved):
                    self.keys.keep(key, endpoint, pairs, reply, now)
                    reply = replace(reply, kept=True)
        return reply, False

    def execute(
        self, call: Call, route: Route, ids: dict[str, str], expand: list[str], fault: Fault | None
    ) -> Reply:
        """Run the route's function; a refusal takes back what it wrote, unless the refusal says otherwise."""
        identity = call.request_id or ""
        if fault is not None and fault.kind == "error_before_commit":
            return Reply(500, server_error().body, identity)
        self.state.connection.execute("savepoint run")
        try:
            body = expanded(self.state, public(route.run(call, **ids)), expand)
        except Refusal as refusal:
            if not refusal.keeps_effects:
                self.state.connection.execute("rollback to run")
            return Reply(refusal.status, refusal.body, identity)
        if fault is not None:
            return Reply(500, server_error().body, identity)
        return Reply(200, body, identity)

    def remember(self, request: Request, status: int | None, replayed: bool) -> None:
        self.calls.append(CallRecord(request.method, request.path, request.idempotency_key, status, replayed))

    def own_call(self) -> Call:
        """A call by the double itself, for what happens without a request. Use inside a transaction."""
        return Call(self.state, self.clock.now(), {}, self.announcer, self.base_url)


def check_headers(request: Request) -> None:
    """A test key and, where a version is asked for, the one the double speaks."""
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            credential = base64.b64decode(credential, validate=True).decode().partition(":")[0]
        except ValueError:
            credential = ""
    if not credential.strip():
        raise Refusal("You did not provide an API key.", status=401)
    if not credential.startswith(("sk_test_", "rk_test_")):
        raise Refusal(
            "Invalid API Key provided: the double takes test keys alone (sk_test_… or rk_test_…). "
            "Never send it a live key.",
            status=401,
        )
    asked = request.headers.get("stripe-version", VERSION)
    if asked != VERSION:
        raise Refusal(f"Invalid Stripe API version: {asked}. The double speaks {VERSION} alone.")
