"""A second, naive reading of docs/pricing.md, in fractions, event by event; it shares no code."""

from fractions import Fraction
from typing import Any

Event = dict[str, Any]


def number(written: Any) -> Fraction:
    return Fraction(0) if written is None else Fraction(str(written))


def half_away(value: Fraction, decimals: int) -> Fraction:
    scaled = abs(value) * 10**decimals
    whole = scaled.numerator // scaled.denominator
    if scaled - whole >= Fraction(1, 2):
        whole += 1
    return Fraction(whole if value >= 0 else -whole, 10**decimals)


def owed(charge: dict[str, Any], events: list[Event], used: int = 1, whole: int = 1) -> Fraction:
    """The unrounded amount, to 18 decimals."""
    share = Fraction(used, whole) if charge.get("prorate", True) else Fraction(1)
    billed = [e for e in events if not e.get("failed") or charge.get("bill_failed") == "always"]
    included = number(charge.get("included")) * share
    measured = sum(
        (overage(e) if charge["model"] == "credits" else number(e["quantity"]) for e in billed), Fraction(0)
    )
    quantity = max(Fraction(0), measured - included)
    part = Fraction(1)
    if included:
        part = quantity / measured if measured > 0 else Fraction(0)
    amount = max(Fraction(0), PRICES[charge["model"]](charge, billed, quantity, part, share))
    amount = lifted(charge, billed, amount, part)
    if charge.get("minimum") is not None:
        amount = max(amount, number(charge["minimum"]) * share)
    if charge.get("maximum") is not None:
        amount = min(amount, number(charge["maximum"]) * share)
    amount *= 1 - number(charge.get("discount_percent")) / 100
    return half_away(amount, 18)


def overage(event: Event) -> Fraction:
    return number(event.get("credits")) - number(event.get("covered"))


def lifted(charge: dict[str, Any], events: list[Event], amount: Fraction, part: Fraction) -> Fraction:
    if charge.get("margin_floor") is None:
        return amount
    divisor = 1 - number(charge["margin_floor"])
    model = charge["model"]
    if model in ("per_unit", "matrix", "percentage", "dynamic", "cost_plus") or "unit_price" in charge:
        lift = Fraction(0)
        for position, event in enumerate(events):
            cost = number(event.get("cost"))
            if model == "credits":
                credits = number(event.get("credits"))
                cost = cost * overage(event) / credits if credits else Fraction(0)
            least = cost / divisor
            price = half_away(own_price(charge, event, events[:position]), 18)
            if least > price:
                lift += ceiling(least) - price
        return amount + lift * part
    cost = sum((number(event.get("cost")) for event in events), Fraction(0))
    if model == "credits":
        credits = sum((number(event.get("credits")) for event in events), Fraction(0))
        cost = cost * sum(map(overage, events), Fraction(0)) / credits if credits else Fraction(0)
    return max(amount, cost * part / divisor)


def ceiling(value: Fraction) -> Fraction:
    scaled = value * 10**18
    return Fraction(-(-scaled.numerator // scaled.denominator), 10**18)


def own_price(charge: dict[str, Any], event: Event, earlier: list[Event]) -> Fraction:
    model, quantity = charge["model"], number(event["quantity"])
    if model == "per_unit":
        return quantity * number(charge["unit_price"])
    if model == "matrix":
        return quantity * cell_price(charge, event)
    if model == "cost_plus":
        return number(event["cost"]) * (1 + number(charge["markup"]))
    if model == "dynamic":
        return number(event["amount"])
    if model == "credits":
        return overage(event) * number(charge["unit_price"])
    return percentage_price(charge, quantity, earlier)


def percentage_price(charge: dict[str, Any], value: Fraction, earlier: list[Event]) -> Fraction:
    free_events, free_amount = charge.get("free_events"), charge.get("free_amount")
    spent = sum((number(event["quantity"]) for event in earlier), Fraction(0))
    free_value = Fraction(0)
    is_free = False
    if free_events is not None or free_amount is not None:
        allowances = [value]
        if free_events is not None:
            allowances.append(value if len(earlier) < free_events else Fraction(0))
        if free_amount is not None:
            allowances.append(max(Fraction(0), number(free_amount) - spent))
        free_value = min(allowances)
        is_free = (free_events is None or len(earlier) < free_events) and (
            free_amount is None or spent + value <= number(free_amount)
        )
    if is_free:
        return Fraction(0)
    price = (value - free_value) * number(charge["rate"]) + number(charge.get("fixed"))
    if charge.get("min_per_event") is not None:
        price = max(price, number(charge["min_per_event"]))
    if charge.get("max_per_event") is not None:
        price = min(price, number(charge["max_per_event"]))
    return price


def cell_price(charge: dict[str, Any], event: Event) -> Fraction:
    dimensions = event.get("dimensions", {})
    matching = [cell for cell in charge["cells"] if set(cell["match"].items()) <= set(dimensions.items())]
    if not matching:
        return number(charge.get("default_unit_price"))
    most = max(len(cell["match"]) for cell in matching)
    return number(next(cell for cell in matching if len(cell["match"]) == most)["unit_price"])


def graduated(tiers: list[dict[str, Any]], quantity: Fraction, price: str, flat_at_zero: bool) -> Fraction:
    amount, lower = Fraction(0), Fraction(0)
    for index, tier in enumerate(tiers):
        if quantity > lower or (index == 0 and flat_at_zero):
            upper = quantity if tier["up_to"] is None else min(quantity, number(tier["up_to"]))
            amount += (upper - lower) * number(tier.get(price)) + number(tier.get("flat"))
        if tier["up_to"] is not None:
            lower = number(tier["up_to"])
    return amount


def volume(tiers: list[dict[str, Any]], quantity: Fraction, flat_at_zero: bool) -> Fraction:
    if quantity == 0 and not flat_at_zero:
        return Fraction(0)
    tier = next(t for t in tiers if t["up_to"] is None or quantity <= number(t["up_to"]))
    return quantity * number(tier.get("unit_price")) + number(tier.get("flat"))


def packages(charge: dict[str, Any], quantity: Fraction) -> Fraction:
    packs = quantity / number(charge["package_size"])
    full = packs.numerator // packs.denominator
    if charge.get("rounding", "up") == "up" and packs != full:
        full += 1
    return full * number(charge["package_price"])


def own_prices(charge: dict[str, Any], events: list[Event], part: Fraction) -> Fraction:
    """The sum of the events' own prices, each kept to 18 decimals."""
    prices = [
        half_away(own_price(charge, event, events[:position]), 18) for position, event in enumerate(events)
    ]
    return sum(prices, Fraction(0)) * part


def percentage(charge: dict[str, Any], events: list[Event], quantity: Fraction, part: Fraction) -> Fraction:
    if any(
        charge.get(name) is not None
        for name in ("free_events", "free_amount", "min_per_event", "max_per_event")
    ):
        return own_prices(charge, events, part)
    return quantity * number(charge["rate"]) + number(charge.get("fixed")) * len(events)


def credits(charge: dict[str, Any], quantity: Fraction) -> Fraction:
    if charge.get("tiers"):
        return graduated(charge["tiers"], quantity, "unit_price", charge.get("flat_at_zero", False))
    return quantity * number(charge["unit_price"])


PRICES = {
    "flat": lambda c, events, q, part, share: number(c["amount"]) * share,
    "per_unit": lambda c, events, q, part, share: q * number(c["unit_price"]),
    "graduated": lambda c, events, q, part, share: graduated(
        c["tiers"], q, "unit_price", c.get("flat_at_zero", False)
    ),
    "graduated_percentage": lambda c, events, q, part, share: graduated(
        c["tiers"], q, "rate", c.get("flat_at_zero", False)
    ),
    "volume": lambda c, events, q, part, share: volume(c["tiers"], q, c.get("flat_at_zero", False)),
    "package": lambda c, events, q, part, share: packages(c, q),
    "percentage": lambda c, events, q, part, share: percentage(c, events, q, part),
    "matrix": lambda c, events, q, part, share: (
        part * sum((number(e["quantity"]) * cell_price(c, e) for e in events), Fraction(0))
    ),
    "cost_plus": lambda c, events, q, part, share: (
        part * sum((number(e["cost"]) for e in events), Fraction(0)) * (1 + number(c["markup"]))
    ),
    "dynamic": lambda c, events, q, part, share: own_prices(c, events, part),
    "credits": lambda c, events, q, part, share: credits(c, q),
}
