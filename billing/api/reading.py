"""What several of billing's views read alike: whose object, and how far its usage is known."""

from datetime import datetime
from typing import Any

from rest_framework.request import Request

from billing.rating import is_behind, rate_pending
from core import limits, texts
from core.fields import Fields
from core.http.credentials import Credential
from core.http.queries import query_of
from core.http.views import credential_of
from core.problems import Invalid, NotFound
from customers.customers import customer_by_key
from customers.models import Customer


def catch_up(customer_id: int, now: datetime) -> None:
    """Rate what is stored, so that whoever has just sent usage reads it; a long backlog only in part."""
    if is_behind(customer_id, now=now):
        rate_pending(customer_id, now=now, limit=limits.CATCH_UP_EVENTS)


def customer_named(key: str, credential: Credential) -> Customer:
    """The customer that a body names. Raises ``Invalid`` for one that is not there."""
    try:
        return customer_by_key(key, credential)
    except NotFound as absent:
        raise Invalid.one("customer", "unknown_customer", f"{absent.detail} Create it first.") from None


def customer_asked_for(query: Fields, credential: Credential) -> Customer | None:
    """The customer of ``?customer=``, else the one whose key asks, else none: all customers."""
    key = query.text("customer", most=limits.ID_CHARACTERS_MAX, default="")
    if key and not query.errors:
        return customer_by_key(key, credential)
    if credential.customer_id is None:
        return None
    return Customer.objects.get(id=credential.customer_id)


def customer_of_path(request: Request, key: str) -> Customer:
    """The customer in the address of a request without a query string."""
    query_of(request).done()
    return customer_by_key(key, credential_of(request))


def visible_text(written: str, what: str) -> str:
    """An id from an address. Raises ``NotFound`` for one that no object can have."""
    if not texts.VISIBLE_ASCII.fullmatch(written) or len(written) > limits.ID_CHARACTERS_MAX:
        raise NotFound(f"There is no such {what}.")
    return written


def nothing_to_read(request: Request) -> None:
    """Refuse fields in a body that has none."""
    data: Any = request.data
    Fields({} if data is None or data == {} else data).done()
