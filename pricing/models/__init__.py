from pricing.models.burn_table import BurnTable, BurnTableVersion
from pricing.models.plan import Plan, PlanVersion
from pricing.models.price import ModelAlias, PriceRow, PriceSnapshot, PriceSync

__all__ = [
    "BurnTable",
    "BurnTableVersion",
    "ModelAlias",
    "Plan",
    "PlanVersion",
    "PriceRow",
    "PriceSnapshot",
    "PriceSync",
]
