"""What single events add to a charge's usage: the step from an event's facts to sums that add up."""

from collections.abc import Iterable
from decimal import ROUND_CEILING, Decimal

from core.money import ONE, ZERO, AmountTooLarge, exact, kept_amount
from pricing.engine.charge import Charge
from pricing.engine.usage import NOTHING, EventFacts, UnpricedEvent, Usage


@exact
def contribution(charge: Charge, facts: EventFacts, so_far: Usage | None = None) -> Usage | None:
    """What one event adds to its charge's usage; ``None`` when the charge does not bill it.

    ``so_far`` is the period's usage before this event, over all dimensions. Only a charge that
    ``counts_in_order`` (a ``percentage`` with free events or a free amount) needs it; without it, such a
    charge raises ``ValueError``. Raises ``UnpricedEvent`` when the charge has no price for the event.

    >>> from pricing.engine.charge import parse_charge
    >>> tokens = parse_charge({"key": "t", "meter": "m", "model": "per_unit", "unit_price": "0.00001",
    ...                        "margin_floor": "0.50"})
    >>> contribution(tokens, EventFacts(Decimal(1000), cost=Decimal("0.008"))).lift
    Decimal('0.006000000000000000')
    """
    if facts.failed and charge.bill_failed == "never":
        return None
    model = charge.model
    if charge.counts_in_order and so_far is None:
        raise ValueError(f"The charge {charge.key} counts events in order, so it needs the usage so far.")
    quantity = facts.credits - facts.credits_covered if charge.measures_credits else facts.quantity
    price = model.event_price(facts, so_far or NOTHING)
    amount, lift = ZERO, ZERO
    if price is not None:
        try:
            amount = kept_amount(price)
            lift = max(ZERO, kept_amount(_floor_price(charge, facts), ROUND_CEILING) - amount)
        except AmountTooLarge as error:
            raise UnpricedEvent(str(error)) from error
    return Usage(
        facts.dimensions, quantity, 1, amount, facts.cost, lift, facts.credits, facts.credits_covered
    )


def contributions(charge: Charge, events: Iterable[EventFacts], so_far: Usage = NOTHING) -> list[Usage]:
    """What each event adds, in the given order, each seeing those before it; unbilled events are left out."""
    added: list[Usage] = []
    for facts in events:
        usage = contribution(charge, facts, so_far)
        if usage is not None:
            added.append(usage)
            so_far = so_far.plus(usage)
    return added


def _floor_price(charge: Charge, facts: EventFacts) -> Decimal:
    if charge.margin_floor is None:
        return ZERO
    cost = facts.cost
    if charge.measures_credits:
        # Credits that grants covered were sold before; only the uncovered part of the event is sold here.
        uncovered = facts.credits - facts.credits_covered
        cost = cost * uncovered / facts.credits if facts.credits else ZERO
    return cost / (ONE - charge.margin_floor)
