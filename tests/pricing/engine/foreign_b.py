"""Cases of `charges_b.json`, put to the engine. Each function answers what the case asks, in its terms."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

from core.money import plain, round_to_minor
from core.periods import Period, day_share, local_midnight
from pricing.engine.charge import Charge, parse_charge
from pricing.engine.invoice import Fee, PeriodInput, rate_period
from pricing.engine.rating import RatedCharge, rate_charge
from pricing.engine.usage import NOTHING, Usage

Case = dict[str, Any]
Answer = dict[str, Any]

MODELS = {
    "unit": "per_unit",
    "graduated_total": "graduated",
    "volume_exclusive_bound": "volume",
    "package_total": "package",
    "delta_unit": "per_unit",
    "delta_graduated": "graduated",
    "delta_volume": "volume",
    "delta_dynamic": "cost_plus",
    "dynamic": "cost_plus",
    "max_spend": "per_unit",
    "unit_cents": "per_unit",
}


def charge(case: Case) -> Charge:
    given = case["input"]
    model = MODELS.get(case["model"], case["model"])
    written: dict[str, Any] = {"key": "case", "meter": "case", "model": model}
    written |= {"minimum": given.get("min"), "maximum": given.get("max")}
    written["discount_percent"] = given.get("percent_discount")
    if "tiers" in given:
        # They may end the last tier; ours has no end.
        written["tiers"] = [
            {
                "up_to": tier.get("up_to") if tier is not given["tiers"][-1] else None,
                "unit_price": tier.get("unit", 0),
                "flat": tier.get("flat", 0),
            }
            for tier in given["tiers"]
        ]
    elif model == "flat":
        written["amount"] = given["amount"]
    elif model == "package":
        written |= {
            name: given[name] for name in ("package_size", "package_price", "rounding") if name in given
        }
    elif model == "cost_plus":
        written["markup"] = plain(Decimal(given["multiplier"]) - 1)
    else:
        written["unit_price"] = given.get("unit", "1")
    return parse_charge(written)


def use(amount: Any) -> Usage:
    """A quantity, and as much cost: their dynamic price is a factor on a metered amount."""
    return Usage(quantity=Decimal(amount), cost=Decimal(amount), events=1)


def rated(case: Case) -> RatedCharge:
    given = case["input"]
    quantity = given.get("qty", given.get("metered_amount", given.get("line_amount", 0)))
    earlier = given.get("pre_qty", given.get("pre_amount", given.get("billed_before", 0)))
    before = [use(earlier)] if earlier else []
    if not before and given.get("line") in ("mid", "last") and quantity == 0:
        before = [NOTHING]
    return rate_charge(charge(case), [use(quantity)], exponent=2, before=before)


def charge_answer(case: Case) -> Answer:
    result = rated(case)
    total = result.amount_minor
    asked = sum((line.unrounded for line in result.lines), Decimal(0))
    parts = {line.tier_from: line.unrounded for line in result.lines}
    lower = [Decimal(0)]
    lower += [Decimal(tier["up_to"]) for tier in case["input"].get("tiers", []) if tier.get("up_to")]
    return {
        "total": Decimal(total) / 100,
        "lines": len(result.lines) if asked else 0,
        "amount": Decimal(round_to_minor(asked, 2)) / 100,
        "discount": Decimal(round_to_minor(asked - result.amount_unrounded, 2)) / 100,
        "by_tier": [parts.get(bound, Decimal(0)) for bound in lower],
    }


def booked(case: Case) -> Answer:
    parts, before = [], []
    for quantity in case["input"]["cumulative_qty"]:
        past = sum(usage.quantity for usage in before)
        step = use(quantity - past)
        parts.append(rate_charge(charge(case), [step], exponent=2, before=before).amount_unrounded)
        before.append(step)
    return {"booked": parts}


def packs(case: Case) -> Answer:
    written = {"key": "c", "meter": "m", "model": "package", "package_price": 1, "rounding": "down"}
    written["package_size"] = case["input"]["factor"]
    rated = rate_charge(parse_charge(written), [use(case["input"]["qty"])], exponent=2)
    return {"qty": rated.amount_unrounded}


def won(case: Case) -> Answer:
    fee = Fee(Decimal(case["input"]["amount"]))
    return {"amount": rate_period(PeriodInput(currency_exponent=0, fees=[fee])).total_minor}


def refund(case: Case) -> Answer:
    march = Period(local_midnight(date(2024, 3, 1), "UTC"), local_midnight(date(2024, 4, 1), "UTC"))
    rest = Period(local_midnight(date(2024, 3, 15), "UTC"), march.end)
    fee = Fee(Decimal(-case["input"]["old"]), day_share(rest, march, "UTC"))
    total = Decimal(rate_period(PeriodInput(currency_exponent=2, fees=[fee])).total_minor) / 100
    return {"credit": total, "net": total}


def cents(case: Case) -> Answer:
    given = case["input"]
    written = {"key": "c", "meter": "m", "model": "per_unit"}
    written["unit_price"] = plain(Decimal(given["unit_cents"]) / 100)
    if given["cap_cents"] is not None:
        written["maximum"] = plain(Decimal(given["cap_cents"]) / 100)
    rated = rate_charge(parse_charge(written), [use(given["qty"])], exponent=2)
    return {"total_cents": rated.amount_minor}


def model_markup(case: Case) -> Answer:
    given = case["input"]
    cost = Decimal(given["input_tokens"]) * given["input_per_million"] / 10**6
    cost += Decimal(given["output_tokens"]) * given["output_per_million"] / 10**6
    plus = {"key": "c", "meter": "m", "model": "cost_plus"}
    plus["markup"] = plain(Decimal(given["model_markup_pct"]) / 100)
    return {"cost": rate_charge(parse_charge(plus), [use(cost)], exponent=2).amount_unrounded}


ANSWERS: dict[str, Callable[[Case], Answer]] = {
    **dict.fromkeys(
        ["flat", "unit", "graduated", "graduated_total", "volume", "package", "package_total", "dynamic"],
        charge_answer,
    ),
    **dict.fromkeys(["max_spend", "volume_exclusive_bound"], charge_answer),
    **dict.fromkeys(["delta_unit", "delta_graduated", "delta_volume", "delta_dynamic"], booked),
    "unit_conversion": packs,
    "currency_rounding": won,
    "proration": refund,
    "unit_cents": cents,
    "llm_markup": model_markup,
}
