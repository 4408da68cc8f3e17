"""Events pasted by a person: what would become of them, and, asked for by name, sent for real."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST

from console.access import staff_page
from core import limits
from core.clock import now as present
from core.http.credentials import Credential
from core.pages.tables import storable
from core.problems import FieldError, Invalid, Problem, TooLarge
from customers.models import Customer
from metering.deliveries import Delivery
from metering.dry_run import receipts_of
from metering.formats.bodies import READERS, read_as
from metering.intake import take_in
from metering.reading import Reading

DOORS = {
    "native": "Burnline’s own: POST /v1/events",
    "cloudevents": "CloudEvents: POST /v1/events",
    "otlp": "OpenTelemetry, JSON: POST /v1/traces",
    "litellm": "LiteLLM’s callback: POST /v1/litellm",
    "lago": "Lago’s clients: POST /api/v1/events",
    "openmeter": "OpenMeter’s clients: POST /api/v1/events",
}
EVENTS_MAX = 100
# No API key brought it: a person did, whose name stands in the request's log.
NO_KEY = 0


@dataclass(frozen=True)
class Pasted:
    """What stands in the form. ``customer`` is the only one whose events it may hold; empty: whom the events name."""

    door: str
    body: str
    customer: str


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page
def try_events(request: HttpRequest) -> HttpResponse:
    """Receipts of what is pasted, as if it came now; nothing is stored."""
    pasted = _pasted(request)
    context: dict[str, Any] = {"pasted": pasted, "doors": DOORS.items(), "example": EXAMPLE}
    if request.method != "POST":
        return render(request, "console/try_events.html", context)
    try:
        reading = _read(pasted)
    except Problem as problem:
        errors = problem.errors or (FieldError("", problem.code, problem.detail),)
        return render(request, "console/try_events.html", context | {"errors": [e.as_json() for e in errors]})
    receipts = receipts_of(reading.events, for_operator=True)
    errors = tuple(error for refused in reading.refusals for error in refused.errors)
    return render(
        request,
        "console/try_events.html",
        context
        | {
            "receipts": receipts,
            "errors": [error.as_json() for error in errors],
            "refused": len(reading.refusals),
            "customer": Customer.objects.filter(key=pasted.customer).first() if pasted.customer else None,
        },
    )


@require_POST
@staff_page
def send(request: HttpRequest) -> HttpResponse:
    """Store what was tried, for the one customer that was named, as if its own key had sent it."""
    pasted = _pasted(request)
    customer = Customer.objects.filter(key=pasted.customer).first()
    if customer is None or request.POST.get("sure") != customer.key:
        messages.error(
            request, "Nothing was sent: name the customer, and write its key once more to confirm."
        )
        return redirect("console:try_events")
    delivery = Delivery(pasted.door, Credential(NO_KEY, customer.id, frozenset({"ingest"})), present())
    try:
        intake = take_in(_read(pasted), delivery)
    except Problem as problem:
        messages.error(request, f"Nothing was sent: {problem.detail}")
        return redirect("console:try_events")
    told = [f"{intake.accepted:,} stored"]
    told += [f"{intake.duplicates:,} stored already"] if intake.duplicates else []
    told += [f"{len(intake.refusals):,} refused: {intake.refusals[0].detail}"] if intake.refusals else []
    level = messages.ERROR if intake.refusals and not intake.accepted else messages.SUCCESS
    messages.add_message(request, level, f"{', '.join(told)}."[:500].replace("..", "."))
    return redirect(f"{reverse('console:events')}?{urlencode({'customer': customer.key})}")


def _pasted(request: HttpRequest) -> Pasted:
    given = request.POST
    door = given.get("door", "native")
    customer = storable(given.get("customer", ""))
    return Pasted(door if door in READERS else "native", given.get("body", ""), customer)


def _read(pasted: Pasted) -> Reading:
    """The pasted events. Raises ``Problem`` where they cannot be read, are too many, or name no known customer."""
    body = pasted.body.encode(errors="surrogatepass")
    if len(body) > limits.TRIED_BYTES_MAX:
        raise TooLarge(f"At most {limits.TRIED_BYTES_MAX:,} bytes are tried here.")
    if pasted.customer and not Customer.objects.filter(key=pasted.customer).exists():
        raise Invalid.one("customer", "unknown_customer", f"No customer has the key {pasted.customer!r}.")
    reading = read_as(pasted.door, body, now=present(), customer=pasted.customer or None)
    if len(reading.events) > EVENTS_MAX:
        raise Invalid.one("events", "too_many", f"At most {EVENTS_MAX} events are tried at once.")
    return reading


EXAMPLE = """{"id": "msg_01", "customer": "acme", "type": "llm.call",
 "provider": "anthropic", "model": "claude-opus-4-5",
 "usage": {"input": 1200, "cache_read": 800, "output": 300}}"""
