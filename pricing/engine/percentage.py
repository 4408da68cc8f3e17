"""``percentage``: the quantity is money, and each event pays a rate of its value and a fixed part.

Free events and the free amount go to the first events of the period, in the order in which they were
recorded. An event is free while every allowance that is set still covers it; the event that crosses the
free amount pays for the rest of its value. ``min_per_event`` and ``max_per_event`` bound what an event
pays that is not free.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.money import ZERO, plain, plain_or_none
from pricing.engine.fields import Fields
from pricing.engine.model import Billable, RatedLine
from pricing.engine.usage import EventFacts, Usage


@dataclass(frozen=True, slots=True)
class Percentage:
    """``rate`` is a fraction; the amounts are in the currency's major unit."""

    rate: Decimal
    fixed: Decimal
    free_events: int | None
    free_amount: Decimal | None
    min_per_event: Decimal | None
    max_per_event: Decimal | None
    name = "percentage"

    @staticmethod
    def read(fields: Fields) -> "Percentage":
        least, most = fields.optional_number("min_per_event"), fields.optional_number("max_per_event")
        if least is not None and most is not None and least > most:
            fields.refuse("max_per_event", "too_small", f"max_per_event is at least {plain(least)}.")
        return Percentage(
            fields.fraction("rate"),
            fields.number_or_zero("fixed"),
            fields.count("free_events"),
            fields.optional_number("free_amount"),
            least,
            most,
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "rate": plain(self.rate),
            "fixed": plain(self.fixed),
            "free_events": self.free_events,
            "free_amount": plain_or_none(self.free_amount),
            "min_per_event": plain_or_none(self.min_per_event),
            "max_per_event": plain_or_none(self.max_per_event),
        }

    @property
    def counts_in_order(self) -> bool:
        return self.free_events is not None or self.free_amount is not None

    @property
    def bounds_events(self) -> bool:
        return self.min_per_event is not None or self.max_per_event is not None

    def lines(self, billable: Billable) -> list[RatedLine]:
        quantity = billable.quantity
        if self.counts_in_order or self.bounds_events:
            amount = billable.portion(billable.total.amount)
            return [RatedLine("Rate of each event's value", quantity, amount)]
        flat = self.fixed * billable.total.events
        return [RatedLine("Rate of the value", quantity, quantity * self.rate + flat, self.rate, flat)]

    def event_price(self, facts: EventFacts, so_far: Usage) -> Decimal:
        if self._is_free(facts.quantity, so_far):
            return ZERO
        billed = facts.quantity - self._free_value(facts.quantity, so_far)
        price = billed * self.rate + self.fixed
        if self.min_per_event is not None:
            price = max(price, self.min_per_event)
        if self.max_per_event is not None:
            price = min(price, self.max_per_event)
        return price

    def _is_free(self, value: Decimal, so_far: Usage) -> bool:
        if self.free_events is not None and so_far.events >= self.free_events:
            return False
        if self.free_amount is not None and so_far.quantity + value > self.free_amount:
            return False
        return self.counts_in_order

    def _free_value(self, value: Decimal, so_far: Usage) -> Decimal:
        free = value if self.counts_in_order else ZERO
        if self.free_events is not None and so_far.events >= self.free_events:
            free = ZERO
        if self.free_amount is not None:
            free = min(free, max(ZERO, self.free_amount - so_far.quantity))
        return free
