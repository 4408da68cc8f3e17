"""``/_double/…``: how a test or a demo script steers the double from outside."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from billing.stripe.double.stripe_double import StripeDouble

Body = dict[str, Any]


def answer_control(double: "StripeDouble", method: str, path: str, body: str) -> tuple[int, Body]:
    """Status and JSON. Bad input is 400 with ``{"error": …}`` saying what would be right."""
    run = COMMANDS.get((method, path))
    if run is None:
        known = ", ".join(f"{verb} {place}" for verb, place in COMMANDS)
        return 404, {"error": f"no such command; there are {known}"}
    try:
        sent = json.loads(body) if body.strip() else {}
        if not isinstance(sent, dict):
            raise ValueError("the body must be a JSON object")
        return 200, run(double, sent)
    except KeyError as error:
        return 400, {"error": f"{error.args[0]}: required"}
    except (TypeError, ValueError) as error:
        return 400, {"error": str(error)}


def add_fault(double: "StripeDouble", sent: Body) -> Body:
    return asdict(double.faults.add(**sent))


def show_faults(double: "StripeDouble", sent: Body) -> Body:
    return {"faults": [asdict(fault) for fault in double.faults.waiting]}


def clear_faults(double: "StripeDouble", sent: Body) -> Body:
    double.faults.clear()
    return {"faults": []}


def show_clock(double: "StripeDouble", sent: Body) -> Body:
    return {"now": double.now}


def move_clock(double: "StripeDouble", sent: Body) -> Body:
    return {"now": double.advance(int(sent["advance_seconds"]))}


def show_webhooks(double: "StripeDouble", sent: Body) -> Body:
    return double.announcer.snapshot()


def set_webhooks(double: "StripeDouble", sent: Body) -> Body:
    return asdict(double.announcer.set_plan(**sent))


def release_webhooks(double: "StripeDouble", sent: Body) -> Body:
    double.release(sent.get("order"))
    return double.announcer.snapshot()


def resend_webhook(double: "StripeDouble", sent: Body) -> Body:
    return {"sent": double.resend(sent["event"])}


def pay(double: "StripeDouble", sent: Body) -> Body:
    return double.pay(sent["invoice"])


def show_calls(double: "StripeDouble", sent: Body) -> Body:
    return {"calls": [asdict(call) for call in double.calls]}


COMMANDS = {
    ("GET", "/_double/faults"): show_faults,
    ("POST", "/_double/faults"): add_fault,
    ("DELETE", "/_double/faults"): clear_faults,
    ("GET", "/_double/clock"): show_clock,
    ("POST", "/_double/clock"): move_clock,
    ("GET", "/_double/webhooks"): show_webhooks,
    ("POST", "/_double/webhooks"): set_webhooks,
    ("POST", "/_double/webhooks/release"): release_webhooks,
    ("POST", "/_double/webhooks/resend"): resend_webhook,
    ("POST", "/_double/pay"): pay,
    ("GET", "/_double/calls"): show_calls,
}
