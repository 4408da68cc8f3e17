"""What Stripe tells us: verified, stored, answered; handled after. Telling twice, late or out of order changes nothing."""

import time
from datetime import datetime

import stripe
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from msgspec.json import decode

from billing.models import StripeObject
from billing.stripe.sync import METADATA_INVOICE, SOURCE, WEBHOOK_DUE
from core import clock
from core.due_work import schedule
from core.models import InboxMessage
from core.problems import Malformed, Problem
from core.texts import whole_of

TOLERANCE_SECONDS = 300
BODY_MAX = 1024 * 1024


@csrf_exempt
@require_POST
def stripe_webhook(request: HttpRequest) -> HttpResponse:
    """``POST /v1/stripe/webhook``: 200 once the message is stored, 400 for one that is not Stripe's."""
    try:
        body = verified_body(request)
        receive(body, now=clock.now())
    except Problem as problem:
        return JsonResponse(problem.as_json(), status=problem.status, content_type="application/problem+json")
    return JsonResponse({"received": True})


def verified_body(request: HttpRequest) -> bytes:
    """The body, when its signature is right and fresh. Raises ``Malformed``."""
    body = request.body[: BODY_MAX + 1]
    header = request.headers.get("Stripe-Signature", "")
    if not settings.STRIPE_WEBHOOK_SECRET:
        raise Malformed("Stripe's webhook is not set up here: STRIPE_WEBHOOK_SECRET is empty.")
    try:
        stripe.WebhookSignature.verify_header(
            body.decode(), header, settings.STRIPE_WEBHOOK_SECRET, TOLERANCE_SECONDS
        )
    except (stripe.SignatureVerificationError, UnicodeDecodeError) as error:
        raise Malformed("The signature does not fit this body, or is older than five minutes.") from error
    if _stamp(header) > time.time() + TOLERANCE_SECONDS:  # the library refuses old stamps only
        raise Malformed("The signature is dated in the future.")
    return body


def _stamp(header: str) -> int:
    stamps = [part.split("=", 1)[1] for part in header.split(",") if part.strip().startswith("t=")]
    return (whole_of(stamps[0]) or 0) if stamps else 0


@transaction.atomic
def receive(body: bytes, *, now: datetime) -> None:
    """Store the message, once for each event id, and make its object due. Raises ``Malformed``."""
    try:
        event = decode(body)
        event_id, kind, thing = str(event["id"]), str(event["type"]), event["data"]["object"]
        object_id = str(thing["id"])
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed("The body is not one of Stripe's events.") from error
    theirs = object_id if kind.startswith("invoice.") else thing.get("invoice") or object_id
    link = StripeObject.objects.filter(kind="invoice", theirs=theirs).first()
    customer_id = link.customer_id if link is not None else 0
    InboxMessage.objects.bulk_create(
        [
            InboxMessage(
                customer_id=customer_id,
                source=SOURCE,
                external_id=str(event_id)[:255],
                kind=str(kind)[:120],
                payload={"invoice": str(theirs)},
                recorded_at=now,
            )
        ],
        ignore_conflicts=True,
    )
    # One of ours may be told of before we have noted its id; one of others on the same account is none of our business.
    if link is not None or METADATA_INVOICE in (thing.get("metadata") or {}):
        schedule(customer_id, WEBHOOK_DUE, theirs, now, soon=True)
