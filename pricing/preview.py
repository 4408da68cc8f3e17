"""What a charge would cost: the production engine on a quantity, or on events that are tried out and not
stored.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from core import limits
from core.currencies import exponent_of, parse_currency
from core.fields import Fields
from core.money import ZERO, AmountTooLarge, exact, from_minor, plain
from core.problems import Invalid
from pricing.burn_tables import Unlisted, burn, facts_of, version_at
from pricing.charge_errors import field_errors
from pricing.cost_currency import fields_that_follow_cost, in_another_currency
from pricing.engine.charge import Charge, parse_charge
from pricing.engine.contributions import contribution
from pricing.engine.credits import Credits
from pricing.engine.fields import ChargeError
from pricing.engine.rating import RatedCharge, rate_charge
from pricing.engine.usage import EventFacts, UnpricedEvent, Usage
from pricing.models import BurnTable
from pricing.preview_events import PreviewEvent, read_preview_event

Dimensions = tuple[tuple[str, str], ...]
CountEvent = Callable[[Any, Sequence[str]], list[tuple[Dimensions, Decimal]]]
# Models that price what each event cost us, or what it says: a bare quantity tells neither.
EVENTS_NEEDED = {"cost_plus": "cost", "dynamic": "amount"}


@dataclass(frozen=True)
class PreviewRequest:
    """What is asked: a charge, and a quantity or events."""

    currency: str
    charge: Charge
    quantity: Decimal | None
    events: tuple[PreviewEvent, ...]


def _no_meters(key: str) -> CountEvent | None:
    return None


_counting: Callable[[str], CountEvent | None] = _no_meters


def hand_over_counting(counting: Callable[[str], CountEvent | None]) -> None:
    """Name the function that finds a meter by key and says how it counts an event: this room knows no meters."""
    global _counting
    _counting = counting


def read_preview(data: Any, *, now: datetime) -> PreviewRequest:
    """The request from its JSON. Raises ``Invalid`` with every field that is wrong."""
    fields = Fields(data)
    currency = fields.parsed("currency", parse_currency, "USD", code="currency", stand_in="USD")
    charge = _charge(fields)
    quantity: Decimal | None = fields.number("quantity", None, least=ZERO)
    has_events = fields.has("events")
    events = tuple(
        read_preview_event(item, now) for item in fields.objects("events", most=limits.PREVIEW_EVENTS_MAX)
    )
    if has_events == (quantity is not None):
        fields.refuse("quantity", "contradiction", "Write either `quantity` or `events`.")
    elif charge is not None and quantity is not None and charge.model.name in EVENTS_NEEDED:
        needed = EVENTS_NEEDED[charge.model.name]
        detail = f"{charge.model.name} prices each event by its {needed}: write `events`, each with {needed}."
        fields.refuse("quantity", "events_needed", detail)
    if charge is not None:
        fields.errors += in_another_currency(currency, fields_that_follow_cost(charge, "charge."))
    fields.done()
    assert charge is not None
    return PreviewRequest(currency, charge, quantity, events)


@exact
def preview_price(request: PreviewRequest) -> dict[str, Any]:
    """The amount and how it comes about. Raises ``Invalid`` for an event without a price, or an amount beyond
    bounds.
    """
    exponent = exponent_of(request.currency)
    try:
        rated = rate_charge(request.charge, _usage(request), exponent=exponent)
    except AmountTooLarge as error:
        raise Invalid.one("charge", "too_large", str(error)) from None
    return {"currency": request.currency, **rated_json(exponent, rated)}


def rated_json(exponent: int, rated: RatedCharge) -> dict[str, Any]:
    """A charge's amount and how it comes about, as the API shows it."""
    return {
        "amount": format(from_minor(rated.amount_minor, exponent), "f"),
        "amount_minor": rated.amount_minor,
        "unrounded": plain(rated.amount_unrounded),
        "quantity": plain(rated.quantity),
        "lines": [line.as_json() for line in rated.lines],
        "explain": [step.as_json() for step in rated.explain],
    }


def _usage(request: PreviewRequest) -> list[Usage]:
    if request.quantity is not None:
        facts = [("quantity", EventFacts(request.quantity, credits=request.quantity))]
    else:
        facts = _facts(request)
    used: list[Usage] = []
    so_far = Usage()
    for place, fact in facts:
        try:
            added = contribution(request.charge, fact, so_far)
        except UnpricedEvent as error:
            raise Invalid.one(place, "unpriced", str(error)) from None
        if added is not None:
            used.append(added)
            so_far = so_far.plus(added)
    return used


def _facts(request: PreviewRequest) -> list[tuple[str, EventFacts]]:
    charge = request.charge
    names = tuple(getattr(charge.model, "dimensions", ()))
    count = _counting(charge.meter) if charge.meter is not None else None
    facts = []
    for index, event in enumerate(request.events):
        place = f"events[{index}]"
        if isinstance(charge.model, Credits):
            credits = _credits(charge.model, event, place)
            facts.append((place, EventFacts(ZERO, event.cost, failed=event.failed, credits=credits)))
            continue
        parts = _parts(event, names, count)
        whole = sum((quantity for _, quantity in parts), ZERO)
        for dimensions, quantity in parts:
            cost = event.cost if len(parts) == 1 else event.cost * quantity / whole
            facts.append((place, EventFacts(quantity, cost, dict(dimensions), event.amount, event.failed)))
    return facts


def _parts(
    event: PreviewEvent, names: Sequence[str], count: CountEvent | None
) -> list[tuple[Dimensions, Decimal]]:
    """What the charge's meter counts, where there is such a meter; else the event's own quantity."""
    told = {name: text for name in names if (text := _dimension(event, name)) is not None} | event.dimensions
    if count is None:
        return [(tuple(sorted(told.items())), event.quantity)]
    return [
        (tuple(sorted((dict(dimensions) | event.dimensions).items())), quantity)
        for dimensions, quantity in count(event, names)
    ]


def _dimension(event: PreviewEvent, name: str) -> str | None:
    if name in ("model", "provider", "type", "context", "status"):
        return getattr(event, name) or None
    value = event.properties.get(name.removeprefix("properties."))
    return value if isinstance(value, str) else None


def _credits(model: Credits, event: PreviewEvent, place: str) -> Decimal:
    if event.credits is not None:
        return event.credits
    table = BurnTable.objects.filter(key=model.burn_table).first()
    version = None if table is None else version_at(table, event.occurred_at)
    if version is None:
        detail = f"There is no burn table {model.burn_table!r} at that time; write the event's `credits`."
        raise Invalid.one(f"{place}.credits", "unknown_burn_table", detail)
    facts = facts_of(
        provider=event.provider,
        model=event.model,
        at=event.occurred_at,
        buckets=event.usage,
        type=event.type,
        context=event.context,
        status=event.status,
        quantity=event.quantity,
        properties=event.properties,
    )
    try:
        return sum((line.credits for line in burn(version, facts)), ZERO)
    except Unlisted as error:
        raise Invalid.one(place, "unlisted", error.detail) from None


def _charge(fields: Fields) -> Charge | None:
    data = fields.raw("charge")
    if data is None:
        fields.refuse("charge", "required", 'Write a charge: {"model": "per_unit", "unit_price": "0.01"}.')
        return None
    try:
        return parse_charge(data, named=False, path="charge.")
    except ChargeError as error:
        fields.errors += field_errors(error)
        return None
