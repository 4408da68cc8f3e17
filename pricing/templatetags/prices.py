"""How pages write a provider's prices and an event's tokens."""

from decimal import Decimal

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from core.pages.figures import exact, percent
from pricing.models import PriceRow
from pricing.price_units import is_token

register = template.Library()

register.filter("is_token", is_token)


@register.filter
def tokens(usage: dict[str, object]) -> Decimal | None:
    """All tokens of an event's buckets together; None where the event has none."""
    counted = [Decimal(str(number)) for unit, number in usage.items() if is_token(unit)]
    return sum(counted, Decimal(0)) if counted else None


@register.simple_tag
def price_of(row: PriceRow) -> SafeString:
    """A price as its provider prints it: by the million for tokens, by the piece for the rest."""
    if row.is_percent:
        return SafeString(percent(row.price, 2))
    if not is_token(row.unit):
        return format_html('{} <span class="unit">{} each</span>', exact(row.price), row.currency)
    return format_html(
        '<span title="{} {} each">{} <span class="unit">{} a million</span></span>',
        exact(row.price),
        row.currency,
        exact(row.price.scaleb(6)),
        row.currency,
    )
