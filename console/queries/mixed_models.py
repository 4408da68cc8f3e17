"""A response that several models answered: what each did, and what that costs by its own prices.

An event has one model to be priced, billed and asked for by. So such a response waits for a person, who is told here what
it comes to.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from core.money import ZERO, exact
from metering.formats.reported_usage import MODELS_MIXED
from metering.formats.usage import UsageError, normalize
from metering.models import Event
from pricing.price_book import cost_of_usage


@dataclass(frozen=True)
class ModelPart:
    """One model's part of the response. ``cost`` in USD, as far as the book prices it; ``unpriced`` is what it does not."""

    model: str
    buckets: Mapping[str, Decimal]
    cost: Decimal
    unpriced: tuple[str, ...]


@dataclass(frozen=True)
class MixedModels:
    """All parts, the event's own model first, and their cost together."""

    parts: tuple[ModelPart, ...]

    @property
    def cost(self) -> Decimal:
        return sum((part.cost for part in self.parts), ZERO)

    @property
    def is_priced(self) -> bool:
        return not any(part.unpriced for part in self.parts)


@exact
def mixed_models(event: Event) -> MixedModels | None:
    """What several models did for the event's response; ``None`` where it names one."""
    raw = event.raw or {}
    if MODELS_MIXED not in raw.get("flags", ()) or "usage" not in raw:
        return None
    try:
        usage = normalize(event.provider, raw.get("api", ""), raw["usage"])
    except UsageError:
        return None  # read by rules of another day
    return MixedModels(
        tuple(_part(event, part.model or event.model, part.buckets) for part in usage.parts if part.buckets)
    )


def _part(event: Event, model: str, buckets: Mapping[str, Decimal]) -> ModelPart:
    cost = cost_of_usage(event.provider, model, buckets, context=event.context, at=event.occurred_at)
    counted = {name: number for name, number in buckets.items() if number}
    return ModelPart(model, counted, cost.amount, tuple(cost.unpriced))
