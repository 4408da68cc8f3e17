"""The prices that one model goes by at an instant: for each kind of use the row that wins."""

from datetime import datetime
from typing import NamedTuple

from django.db.models import Q

from pricing.models import PriceRow


class Place(NamedTuple):
    """What tells two prices of a model apart."""

    unit: str
    context: str
    region: str
    input_over: int

    @property
    def name(self) -> str:
        """As a form's field calls it."""
        return "|".join(map(str, self))


def prices_of_model(provider: str, model: str, at: datetime) -> dict[Place, PriceRow]:
    """By place, the row that holds at the instant: an operator's first, then what agreed, then the latest.

    Overheads in percent and prices for some hours of the day are left out: they are no single price to change.
    """
    rows = PriceRow.objects.filter(
        Q(effective_to=None) | Q(effective_to__gt=at),
        provider=provider,
        model=model,
        effective_from__lte=at,
        is_percent=False,
        window_start=None,
    )
    found: dict[Place, PriceRow] = {}
    # The first row of a place wins: the order is the price book's own (pricing.price_card.in_precedence).
    for row in rows.order_by("unit", "context", "region", "input_over", "-layer", "-effective_from", "-id"):
        found.setdefault(Place(row.unit, row.context, row.region, row.input_over), row)
    return found
