"""One call to Stripe: written down, made, answered. An unknown outcome is a state, looked up before anything is sent again."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from typing import Any

import stripe

from billing.models import Invoice, StripeCall
from core.due_work import Away
from core.failpoints import failpoint
from core.ids import new_id

PREFIX = "burnline"


class Unanswered(Away):
    """The outcome is not known: the network failed, or Stripe did. The next try looks first."""


class Refused(Exception):
    """Stripe understood and said no; sending the same again would not help."""


@contextmanager
def asking_stripe() -> Iterator[None]:
    """Around lookups: no answer is ``Unanswered`` there too."""
    try:
        yield
    except (stripe.APIConnectionError, stripe.APIError, stripe.RateLimitError) as error:
        raise Unanswered(f"No answer from Stripe: {error}") from error


def call_stripe(
    invoice: Invoice,
    step: str,
    request: dict[str, Any],
    send: Callable[[dict[str, Any], str], Any],
    *,
    now: datetime,
    found: Callable[[], str | None] = lambda: None,
) -> str:
    """Make a call at most once; returns the id of Stripe's object.

    The row is committed before the call, so that a crash between the two leaves a trace. A call that is already answered
    is not repeated. One whose outcome is unknown is first looked up with ``found``; only where Stripe has nothing is it
    sent again, under the same idempotency key while Stripe still remembers it, and under a new one after that.
    """
    call = _latest(invoice, step)
    if call is not None and call.state == StripeCall.State.DONE:
        return call.response_id
    if call is not None and (existing := found()) is not None:
        return _answered(call, existing, now)
    if call is None or call.state == StripeCall.State.REFUSED or _forgotten(call, now):
        call = _open(invoice, step, request, 1 if call is None else call.version + 1, now)
    failpoint(f"billing.stripe.{step}.before_call")
    try:
        answer = send(request, call.idempotency_key)
    except (stripe.InvalidRequestError, stripe.AuthenticationError, stripe.PermissionError) as error:
        _close(call, StripeCall.State.REFUSED, str(error), now)
        raise Refused(f"Stripe refused to {step}: {error.user_message or error}") from error
    except stripe.StripeError as error:
        _close(call, StripeCall.State.UNKNOWN, str(error), now)
        raise Unanswered(f"No answer from Stripe to {step}: {error}") from error
    failpoint(f"billing.stripe.{step}.after_call")
    return _answered(call, str(answer.id), now)


# Stripe keeps idempotency keys for at least 24 hours; a saved 500 would be replayed all that time, so after an unknown
# outcome the object is looked for first and a new key is used once an hour has passed.
KEY_REUSED_FOR_SECONDS = 3600


def _forgotten(call: StripeCall, now: datetime) -> bool:
    return (now - call.requested_at).total_seconds() > KEY_REUSED_FOR_SECONDS


def _latest(invoice: Invoice, step: str) -> StripeCall | None:
    calls = StripeCall.objects.filter(customer_id=invoice.customer_id, invoice_id=invoice.id, step=step)
    return calls.order_by("-version").first()


def _open(invoice: Invoice, step: str, request: dict[str, Any], version: int, now: datetime) -> StripeCall:
    text = json.dumps(request, sort_keys=True, default=str)
    return StripeCall.objects.create(
        customer_id=invoice.customer_id,
        id=new_id(),
        invoice_id=invoice.id,
        step=step,
        version=version,
        idempotency_key=f"{PREFIX}:{invoice.id.hex}:{step}:v{version}",
        request_hash=sha256(text.encode()).hexdigest(),
        requested_at=now,
    )


def _answered(call: StripeCall, theirs: str, now: datetime) -> str:
    call.state, call.response_id, call.answered_at, call.error = StripeCall.State.DONE, theirs, now, ""
    call.save(update_fields=["state", "response_id", "answered_at", "error"])
    return theirs


def _close(call: StripeCall, state: str, error: str, now: datetime) -> None:
    call.state, call.error, call.answered_at = state, error[:2000], now
    call.save(update_fields=["state", "error", "answered_at"])
