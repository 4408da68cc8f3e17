"""Bare objects: every field that the official library declares for a resource, null until filled."""

import hashlib
import secrets
from typing import Any

import stripe

VERSION: str = stripe.api_version
"""The one API version the double speaks: the one that the installed library pins."""

WITHHELD = frozenset({"deleted", "payments"})
"""Fields that Stripe leaves out of an ordinary answer."""


def field_names(resource: type[stripe.StripeObject]) -> tuple[str, ...]:
    names = resource.__annotations__
    return tuple(
        name for name in names if name.islower() and not name.startswith("_") and name not in WITHHELD
    )


def bare(resource: type[stripe.StripeObject], **filled: Any) -> dict[str, Any]:
    """An object of the resource with the given fields, test mode, and null elsewhere."""
    body: dict[str, Any] = dict.fromkeys(field_names(resource))
    body["livemode"] = False
    body.update(filled)
    return body


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


def id_from(prefix: str, *facts: object) -> str:
    """The same id for the same facts."""
    return f"{prefix}_{hashlib.sha256(repr(facts).encode()).hexdigest()[:24]}"


def page(items: list[dict[str, Any]], url: str, *, has_more: bool = False, **more: Any) -> dict[str, Any]:
    """Stripe's list envelope."""
    return {"object": "list", "data": items, "has_more": has_more, "url": url, **more}


EMBEDDED_LINES = 10
"""An invoice embeds only its first lines; the rest is a list of its own, page by page."""


def public(body: dict[str, Any]) -> dict[str, Any]:
    """An object as the API shows it: without the double's own ``_`` fields, lines embedded."""
    if body.get("object") == "list":
        return {**body, "data": [public(item) for item in body["data"]]}
    shown = {name: value for name, value in body.items() if not name.startswith("_")}
    if "_lines" in body:
        collection = "invoices" if body["object"] == "invoice" else "credit_notes"
        shown["lines"] = page(
            body["_lines"][:EMBEDDED_LINES],
            f"/v1/{collection}/{body['id']}/lines",
            has_more=len(body["_lines"]) > EMBEDDED_LINES,
            total_count=len(body["_lines"]),
        )
    return shown
