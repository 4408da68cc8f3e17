"""Events that are tried out: read as strictly as real ones, priced by the price book, and not stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from core import limits
from core.fields import Fields
from core.money import NumberError, parse_number
from pricing.price_book import cost_of_usage

CONTEXTS = ("standard", "batch", "flex", "priority")
# An event may be pasted as it was sent; these fields say nothing about its price.
WITHOUT_PRICE = ("id", "source", "customer", "latency_ms", "hold", "run")


@dataclass(frozen=True)
class PreviewEvent:
    """An event as a meter and a price see it; ``cost`` is in USD."""

    type: str
    provider: str
    model: str
    context: str
    status: str
    quantity: Decimal
    usage: Mapping[str, Decimal]
    properties: Mapping[str, Any]
    dimensions: dict[str, str]
    occurred_at: datetime
    cost: Decimal
    amount: Decimal | None
    credits: Decimal | None
    source: str = "preview"
    run_id: str = ""
    latency_ms: int | None = None

    @property
    def failed(self) -> bool:
        return self.status != "ok"


def read_preview_event(fields: Fields, now: datetime) -> PreviewEvent:
    """One event; what is wrong is noted in the fields' errors. Without ``cost`` the price book prices its
    usage.
    """
    for name in WITHOUT_PRICE:
        fields.raw(name)
    provider, model = fields.text("provider", default=""), fields.text("model", default="")
    context = fields.choice("service_tier", CONTEXTS, "standard")
    usage = _usage(fields)
    at = fields.time("time", now)
    cost: Decimal | None = fields.number("cost", None, least=Decimal(0))
    event = PreviewEvent(
        type=fields.text("type", default=""),
        provider=provider,
        model=model,
        context=context,
        status=fields.text("status", default="ok"),
        quantity=fields.number("quantity", Decimal(1), least=Decimal(0)),
        usage=usage,
        properties=_properties(fields),
        dimensions=_dimensions(fields),
        occurred_at=at,
        cost=cost if cost is not None else _book_cost(provider, model, usage, context, at),
        amount=fields.number("amount", None, least=Decimal(0)),
        credits=fields.number("credits", None, least=Decimal(0)),
    )
    fields.close()
    return event


def _book_cost(
    provider: str, model: str, usage: Mapping[str, Decimal], context: str, at: datetime
) -> Decimal:
    return cost_of_usage(provider, model, usage, at=at, context=context).amount if usage else Decimal(0)


def _usage(fields: Fields) -> dict[str, Decimal]:
    """Buckets and counts; a nested object (``cache_write`` by lifetime) makes ``cache_write_5m`` and the
    like.
    """
    given = fields.raw("usage")
    if given is None:
        return {}
    if not isinstance(given, dict):
        fields.refuse("usage", "object", 'Write an object of counts: {"input": 1200, "output": 300}.')
        return {}
    flat: dict[str, Any] = {}
    for name, value in given.items():
        nested = value if isinstance(value, dict) else None
        flat |= (
            {f"{name}_{part}": count for part, count in nested.items()}
            if nested is not None
            else {name: value}
        )
    return {name: count for name, value in flat.items() if (count := _count(fields, name, value)) is not None}


def _count(fields: Fields, name: str, value: Any) -> Decimal | None:
    try:
        return parse_number(value, negative=False)
    except NumberError as error:
        fields.refuse(f"usage.{name}", "number", str(error))
        return None


def _properties(fields: Fields) -> dict[str, Any]:
    given = fields.raw("properties")
    if given is None:
        return {}
    if not isinstance(given, dict) or len(given) > limits.EVENT_PROPERTIES_MAX:
        detail = f'Write an object of at most {limits.EVENT_PROPERTIES_MAX} names: {{"task": "fix-bug"}}.'
        fields.refuse("properties", "object", detail)
        return {}
    return given


def _dimensions(fields: Fields) -> dict[str, str]:
    given = fields.raw("dimensions")
    if given is None:
        return {}
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        fields.refuse("dimensions", "object", 'Write an object of texts: {"model": "gpt-5"}.')
        return {}
    return dict(given)
