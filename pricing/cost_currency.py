"""The currency of providers' costs. No exchange rate is kept, so what follows a cost is sold in that currency alone."""

from collections.abc import Iterable

from core.problems import FieldError
from pricing.engine.charge import Charge

COST_CURRENCY = "USD"


def fields_that_follow_cost(charge: Charge, prefix: str) -> list[str]:
    """Which of the charge's fields, named with the prefix, make its price follow the provider's cost."""
    found = ["model"] if charge.model.name == "cost_plus" else []
    found += ["margin_floor"] if charge.margin_floor is not None else []
    return [f"{prefix}{name}" for name in found]


def in_another_currency(currency: str, fields: Iterable[str]) -> list[FieldError]:
    """A refusal of each of the fields, where what is sold is not sold in the cost's currency.

    >>> in_another_currency("EUR", ["margin_floor"])[0].code
    'cost_currency'
    """
    if currency == COST_CURRENCY:
        return []
    detail = f"It follows the provider's cost, which is in {COST_CURRENCY}; this is sold in {currency}."
    return [FieldError(field, "cost_currency", detail) for field in fields]
