"""What several charges that share an allowance would cost together, each for a quantity."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core import limits
from core.currencies import exponent_of, parse_currency
from core.fields import Fields
from core.money import ZERO, AmountTooLarge, exact, from_minor, plain
from core.problems import Invalid
from pricing.charge_errors import field_errors
from pricing.cost_currency import fields_that_follow_cost, in_another_currency
from pricing.engine.allowance import Allowance, MeasuredCharge, check_allowances, parse_allowance, pool_parts
from pricing.engine.charge import Charge, parse_charge
from pricing.engine.contributions import contribution
from pricing.engine.fields import ChargeError
from pricing.engine.rating import rate_charge
from pricing.engine.usage import EventFacts, UnpricedEvent, Usage
from pricing.preview import EVENTS_NEEDED, rated_json


@dataclass(frozen=True)
class PlanPreviewRequest:
    """What is asked: charges in a plan's order, each with a quantity, and the allowances they share."""

    currency: str
    charges: tuple[tuple[Charge, Decimal], ...]
    allowances: tuple[Allowance, ...]


def read_plan_preview(data: Any) -> PlanPreviewRequest:
    """The request from its JSON. Raises ``Invalid`` with every field that is wrong."""
    fields = Fields(data)
    currency = fields.parsed("currency", parse_currency, "USD", code="currency", stand_in="USD")
    charges: list[tuple[Charge, Decimal]] = []
    allowances: list[Allowance] = []
    for index, item in enumerate(fields.objects("charges", most=limits.PLAN_CHARGES_MAX)):
        quantity = item.number("quantity", least=ZERO)
        written = item.raw("charge")
        item.close()
        charge = _charge(fields, written, f"charges[{index}].charge")
        if charge is not None:
            following = fields_that_follow_cost(charge, f"charges[{index}].charge.")
            fields.errors += in_another_currency(currency, following)
            charges.append((charge, quantity))
    try:
        for index, one in enumerate(fields.items("allowances", most=limits.PLAN_ALLOWANCES_MAX)):
            allowances.append(parse_allowance(one, path=f"allowances[{index}]."))
        if not fields.errors:
            check_allowances(allowances, [charge for charge, _ in charges])
    except ChargeError as error:
        fields.errors += field_errors(error)
    fields.done()
    return PlanPreviewRequest(currency, tuple(charges), tuple(allowances))


def _charge(fields: Fields, written: Any, place: str) -> Charge | None:
    try:
        charge = parse_charge(written, path=f"{place}.")
    except ChargeError as error:
        fields.errors += field_errors(error)
        return None
    if charge.model.name in EVENTS_NEEDED:
        detail = f"{charge.model.name} prices events: preview it alone, with its events."
        fields.refuse(f"{place}.model", "events_needed", detail)
    return charge


@exact
def preview_plan(request: PlanPreviewRequest) -> dict[str, Any]:
    """Each charge's amount, and their sum. Raises ``Invalid`` for a quantity without a price, or an amount beyond bounds."""
    exponent = exponent_of(request.currency)
    measured = []
    for index, (charge, quantity) in enumerate(request.charges):
        try:
            used = contribution(charge, EventFacts(quantity, credits=quantity), Usage())
        except UnpricedEvent as error:
            raise Invalid.one(f"charges[{index}]", "unpriced", str(error)) from None
        measured.append(MeasuredCharge(charge, [] if used is None else [used]))
    pools = pool_parts(request.allowances, measured)
    told, sum_minor, unrounded = [], 0, ZERO
    for index, item in enumerate(measured):
        try:
            rated = rate_charge(item.charge, item.usage, exponent=exponent, pool=pools.get(item.charge.key))
        except AmountTooLarge as error:
            raise Invalid.one(f"charges[{index}]", "too_large", str(error)) from None
        sum_minor += rated.amount_minor
        unrounded += rated.amount_unrounded
        told.append({"charge": item.charge.key, **rated_json(exponent, rated)})
    return {
        "currency": request.currency,
        "amount": format(from_minor(sum_minor, exponent), "f"),
        "amount_minor": sum_minor,
        "unrounded": plain(unrounded),
        "charges": told,
    }
