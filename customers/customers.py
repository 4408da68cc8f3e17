"""Customers: the tenants. Made once under the operator's own key; what they are called may change, their
currency not.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction

from core import texts
from core.http.credentials import Credential
from core.problems import Conflict, NotFound
from customers.models import Customer

Arrival = Callable[[Customer, datetime], None]
_arrivals: list[Arrival] = []


@dataclass(frozen=True)
class CustomerChange:
    """New values; None leaves a field as it is."""

    name: str | None = None
    email: str | None = None
    timezone: str | None = None
    tax_rate: Decimal | None = None
    tax_name: str | None = None
    address: str | None = None


def hand_over_arrival(act: Arrival) -> None:
    """Have ``act(customer, now)`` called in the transaction that creates a customer: for usage that came
    before it.
    """
    if act not in _arrivals:
        _arrivals.append(act)


def create_customer(
    *,
    key: str,
    name: str,
    now: datetime,
    email: str = "",
    currency: str = "USD",
    timezone: str = "UTC",
    tax_rate: Decimal = Decimal(0),
    tax_name: str = "",
    address: str = "",
) -> Customer:
    """Make a customer. Raises ``Conflict`` when the key is taken; the stored customer stays as it is."""
    try:
        with transaction.atomic():
            customer = Customer.objects.create(
                key=key,
                name=name,
                email=email,
                currency=currency,
                timezone=timezone,
                tax_rate=tax_rate,
                tax_name=tax_name,
                address=address,
                created_at=now,
            )
            for act in _arrivals:
                act(customer, now)
    except IntegrityError:
        if Customer.objects.filter(key=key).exists():
            raise Conflict(f"There is a customer with the key {key!r} already.") from None
        raise
    return customer


def change_customer(customer: Customer, change: CustomerChange) -> Customer:
    """Apply the change. A new time zone waits in ``next_timezone`` until the next period, so that no period
    has two.
    """
    given = {item.name: getattr(change, item.name) for item in fields(change)}
    values = {name: value for name, value in given.items() if value is not None}
    if "timezone" in values:
        zone = values.pop("timezone")
        values["next_timezone"] = "" if zone == customer.timezone else zone
    for name, value in values.items():
        setattr(customer, name, value)
    if values:
        customer.save(update_fields=sorted(values))
    return customer


def customer_by_key(key: str, credential: Credential) -> Customer:
    """The customer, when the credential may see it. Another's is as absent as none: ``NotFound``, from the
    same query.
    """
    if not texts.VISIBLE_ASCII.fullmatch(key):
        raise _absent(key)
    rows = Customer.objects.filter(key=key)
    if credential.customer_id is not None:
        rows = rows.filter(id=credential.customer_id)
    customer = rows.first()
    if customer is None:
        raise _absent(key)
    return customer


def _absent(key: str) -> NotFound:
    shown = key[:80].encode("ascii", "backslashreplace").decode()
    return NotFound(f"There is no customer with the key {shown!r}.")
