"""Customers as the API and the pages write them: fields read and checked before anything is made or changed."""

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from core import limits
from core.currencies import parse_currency
from core.fields import Fields
from core.money import ZERO, parse_number
from core.times import parse_zone
from customers.customers import CustomerChange

TAX_RATE_DIGITS = 6
EMAIL_CHARACTERS_MAX = 254


def read_new_customer(fields: Fields) -> dict[str, Any]:
    """What ``create_customer`` takes. Raises ``Invalid``."""
    new: dict[str, Any] = {
        "key": fields.path_id("key"),
        "name": fields.text("name"),
        "email": read_email(fields),
        "currency": fields.parsed("currency", parse_currency, "USD", code="currency", stand_in="USD"),
        "timezone": fields.parsed("timezone", parse_zone, "UTC", code="timezone", stand_in="UTC"),
        "tax_rate": read_tax_rate(fields) or ZERO,
        "tax_name": fields.text("tax_name", most=limits.TAX_NAME_CHARACTERS_MAX, default=""),
        "address": read_address(fields),
    }
    fields.done()
    return new


def read_change(fields: Fields) -> CustomerChange:
    """The fields sent, checked. Raises ``Invalid``, also for the ones that are fixed."""
    for name in ("key", "currency"):
        if fields.raw(name) is not None:
            fields.refuse(name, "fixed", "It is fixed once the customer exists; leave it out.")
    zone: str | None = fields.parsed("timezone", parse_zone, None, code="timezone", stand_in="UTC")
    change = CustomerChange(
        name=fields.text("name") if fields.has("name") else None,
        email=read_email(fields) if fields.has("email") else None,
        timezone=zone,
        tax_rate=read_tax_rate(fields),
        tax_name=fields.text("tax_name", most=limits.TAX_NAME_CHARACTERS_MAX, default="")
        if fields.has("tax_name")
        else None,
        address=read_address(fields) if fields.has("address") else None,
    )
    fields.done()
    return change


def read_email(fields: Fields) -> str:
    """An e-mail address, or an empty text."""

    def checked(value: Any) -> str:
        try:
            validate_email(value)
        except (ValidationError, TypeError):
            raise ValueError("Write one e-mail address, such as billing@example.com.") from None
        if len(value) > EMAIL_CHARACTERS_MAX:
            raise ValueError(f"It has {len(value)} characters; at most {EMAIL_CHARACTERS_MAX} fit.")
        return str(value)

    if fields.raw("email") == "":
        return ""
    return fields.parsed("email", checked, "", code="email", stand_in="")


def read_tax_rate(fields: Fields) -> Decimal | None:
    """A share from 0 up to, not including, 1, of at most six decimals; None where it is absent."""

    def checked(value: Any) -> Decimal:
        rate = parse_number(value)
        if not 0 <= rate < 1 or rate != round(rate, TAX_RATE_DIGITS):
            raise ValueError(
                f"Write a share from 0 to below 1 with at most {TAX_RATE_DIGITS} decimals: 0.19 is 19 %."
            )
        return rate

    return fields.parsed("tax_rate", checked, None, code="number", stand_in=ZERO)


def read_address(fields: Fields) -> str:
    """A postal address, in lines."""
    return fields.text("address", most=limits.ADDRESS_CHARACTERS_MAX, default="", lines=True)
