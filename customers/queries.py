"""Reads of customers for the API and for pages."""

from typing import Any

from django.db.models import Q, QuerySet

from core.http.credentials import Credential
from core.money import plain
from core.problems import NotFound
from core.times import render_time
from customers.models import Customer


def customers_seen_by(credential: Credential, *, words: str = "") -> QuerySet[Customer]:
    """The customers that the credential may see; with words, those whose key, name or e-mail holds them."""
    rows = Customer.objects.all()
    if credential.customer_id is not None:
        rows = rows.filter(id=credential.customer_id)
    if words:
        rows = rows.filter(Q(key__icontains=words) | Q(name__icontains=words) | Q(email__icontains=words))
    return rows


def customer_by_id(customer_id: int) -> Customer:
    """The customer, for pages of the operator's own people. Raises ``NotFound``."""
    found = Customer.objects.filter(id=customer_id).first()
    if found is None:
        raise NotFound("There is no such customer.")
    return found


def customer_json(customer: Customer) -> dict[str, Any]:
    """The customer as the API shows it."""
    return {
        "key": customer.key,
        "name": customer.name,
        "email": customer.email,
        "currency": customer.currency,
        "timezone": customer.timezone,
        "next_timezone": customer.next_timezone or None,
        "tax_rate": plain(customer.tax_rate),
        "tax_name": customer.tax_name,
        "address": customer.address,
        "created_at": render_time(customer.created_at),
    }
