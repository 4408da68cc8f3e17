"""What several of billing's views read alike."""

from typing import Any

from rest_framework.request import Request

from core import limits, texts
from core.fields import Fields
from core.http.credentials import Credential
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


def visible_text(written: str, what: str) -> str:
    """An id from an address. Raises ``NotFound`` for one that no object can have."""
    if not texts.VISIBLE_ASCII.fullmatch(written) or len(written) > limits.ID_CHARACTERS_MAX:
        raise NotFound(f"There is no such {what}.")
    return written


def nothing_to_read(request: Request) -> None:
    """Refuse fields in a body that has none."""
    data: Any = request.data
    Fields({} if data is None or data == {} else data).done()
