"""What several of billing's views read alike."""

from typing import Any

from rest_framework.request import Request

from core import limits, texts
from core.fields import Fields
from core.http.credentials import Credential
from core.http.queries import query_of
from core.http.views import credential_of
from core.problems import NotFound
from customers.customers import customer_by_key
from customers.models import Customer


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
