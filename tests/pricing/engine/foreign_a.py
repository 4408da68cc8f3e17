"""Cases of `charges_and_invoices_a.json`, put to the engine. Each function answers what the case asks, in its terms."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from core.money import allocate, plain, tax_minor
from core.periods import Period, Share, day_share, local_date, local_midnight, termination_edge
from pricing.engine.charge import Charge, parse_charge
from pricing.engine.contributions import contributions
from pricing.engine.invoice import ChargeUsage, Fee, PeriodInput, rate_period
from pricing.engine.rating import RatedCharge, rate_charge
from pricing.engine.usage import EventFacts, Usage

Case = dict[str, Any]
Answer = dict[str, Any]

MODELS = {"standard": "per_unit"}


def charge(params: dict[str, Any]) -> Charge:
    """Their parameters as our charge: percent becomes a fraction, free units become included ones."""
    model = MODELS.get(params["model"], params["model"])
    written: dict[str, Any] = {"key": "case", "meter": "case", "model": model}
    if "ranges" in params:
        written["tiers"] = [
            {"up_to": tier["to"], "flat": tier["flat"]}
            | ({"rate": percent(tier["rate"])} if "rate" in tier else {"unit_price": tier["per_unit"]})
            for tier in params["ranges"]
        ]
        written["flat_at_zero"] = True
    elif model == "per_unit":
        written["unit_price"] = params["amount"]
    elif model == "package":
        written |= {"package_size": params["package_size"], "package_price": params["amount"]}
        written["included"] = params["free_units"]
    elif model == "percentage":
        written |= {"rate": percent(params["rate"]), "fixed": params.get("fixed_amount")}
        written |= {"free_events": params.get("free_events"), "free_amount": params.get("free_total")}
        written |= {"min_per_event": params.get("tx_min"), "max_per_event": params.get("tx_max")}
    return parse_charge(written)


def percent(rate: str) -> str:
    return plain(Decimal(rate) / 100)


def used(case: Case) -> list[Usage]:
    usage = case["usage"]
    if "event_values" in usage:
        facts = [EventFacts(Decimal(value)) for value in usage["event_values"]]
        return contributions(charge(case["params"]), facts)
    quantity = Decimal(usage.get("units", usage.get("events")))
    amount = Decimal(usage.get("sum_precise_cents", 0)) / 100
    return [Usage(quantity=quantity, events=usage.get("events", 1), amount=amount)]


def rated(case: Case) -> RatedCharge:
    return rate_charge(charge(case["params"]), used(case), exponent=2)


def charge_answer(case: Case) -> Answer:
    result = rated(case)
    quantity = result.quantity
    unit = result.amount_unrounded / quantity if quantity else Decimal(0)
    answer: Answer = {
        "units": quantity,
        "amount": result.amount_unrounded,
        "amount_cents": result.amount_minor,
        "unit_amount": unit,
    }
    if "tax_rate" in case["params"]:
        tax = tax_minor(result.amount_minor, Decimal(percent(case["params"]["tax_rate"])))
        answer["total_with_tax_cents"] = result.amount_minor + tax
    if case["id"] == "pct-doc":
        all_events = used(case)
        last = rate_charge(charge(case["params"]), all_events[3:], exponent=2, before=all_events[:3])
        answer["charge_for_4th_event"] = last.amount_unrounded
    return answer


def grouped_dynamic(case: Case) -> Answer:
    events = {e["group"]: Decimal(e["precise_cents"]) / 100 for e in case["usage"]["events"]}
    groups = {
        group: rate_charge(charge(case["params"]), [Usage(quantity=Decimal(1), amount=amount)], exponent=2)
        for group, amount in events.items()
    }
    minor = {group: result.amount_minor for group, result in groups.items()}
    return {"groups": minor, "amount_cents": sum(minor.values())}


MONTHS = {"monthly": 1, "quarterly": 3}


def calendar_period(day: date, interval: str, zone: str) -> Period:
    if interval == "weekly":
        first = day - timedelta(days=day.weekday())
        return Period(local_midnight(first, zone), local_midnight(first + timedelta(days=7), zone))
    months = MONTHS[interval]
    first = date(day.year, (day.month - 1) // months * months + 1, 1)
    year, month = divmod(first.month - 1 + months, 12)
    return Period(local_midnight(first, zone), local_midnight(date(first.year + year, month + 1, 1), zone))


def share_of(case: Case) -> Share:
    params, usage, zone = case["params"], case["usage"], case["params"].get("tz", "UTC")
    start = usage["start"] if len(usage["start"]) > 5 else f"2026-{usage['start']}"
    begun = datetime.fromisoformat(start.replace("Z", "+00:00"))
    begun = begun if begun.tzinfo else begun.replace(tzinfo=UTC)
    whole = calendar_period(local_date(begun, zone), params["interval"], zone)
    if params.get("billing") == "anniversary":
        return Share(1, 1)
    end = whole.end
    if "terminate" in usage:
        end = termination_edge(datetime.fromisoformat(usage["terminate"].replace("Z", "+00:00")), zone)
    return day_share(Period(begun, end), whole, zone)


def fee_answer(case: Case) -> Answer:
    params = case["params"]
    tax_rate = Decimal(percent(params["tax_rate"])) if "tax_rate" in params else None
    fee = Fee(Decimal(params["amount_cents"]) / 100, share_of(case))
    period = rate_period(PeriodInput(currency_exponent=2, fees=[fee], tax_rate=tax_rate))
    return {
        "invoice_total_cents": period.total_minor,
        "fee_cents": period.subtotal_minor,
        "amount": Decimal(period.subtotal_minor) / 100,
    }


def seats_added(case: Case) -> Answer:
    fees = [Fee(Decimal(30), Share(31 - day, 30)) for day in case["usage"]["seat_days"]]
    added = rate_period(PeriodInput(currency_exponent=2, fees=fees))
    renewed = rate_period(PeriodInput(currency_exponent=2, fees=[Fee(Decimal(30))] * len(fees)))
    return {
        "fee_cents": [line.amount_minor for line in added.lines],
        "renewal_2024-07-01_cents": renewed.subtotal_minor,
    }


def fixed_charge_upgrade(case: Case) -> Answer:
    rest = Share(11, 31)
    fees = [Fee(Decimal(100), rest), Fee(Decimal(-15), rest), Fee(Decimal(20), rest)]
    new, paid, other = (
        line.amount_minor for line in rate_period(PeriodInput(currency_exponent=2, fees=fees)).lines
    )
    return {
        "new_prorated": new,
        "already_paid_part": -paid,
        "fee_cents": new + paid,
        "other_addon_2000_cents": other,
    }


def charge_minimum(case: Case) -> Answer:
    written = {"key": "c", "meter": "m", "model": "per_unit", "unit_price": "8", "minimum": "10"}
    item = ChargeUsage(parse_charge(written), [Usage(quantity=Decimal(1))], share=Share(25, 28))
    period = rate_period(PeriodInput(currency_exponent=2, charges=[item], tax_rate=Decimal("0.2")))
    return {"fees": period.subtotal_minor, "taxes": period.tax_minor, "true_up": period.subtotal_minor - 800}


def commitment(case: Case, usage_minor: int = 0, whole: bool = False) -> int:
    params = case["params"]
    share = Share(1, 1) if whole else share_of(case)
    usage = parse_charge({"key": "c", "meter": "m", "model": "per_unit", "unit_price": "1"})
    period = rate_period(
        PeriodInput(
            currency_exponent=2,
            charges=[ChargeUsage(usage, [Usage(quantity=Decimal(usage_minor) / 100)])],
            fees=[Fee(Decimal(params["plan_cents"]) / 100, share)],
            commitment=Decimal(params["commitment_cents"]) / 100,
            commitment_share=share,
        )
    )
    return next(line.amount_minor for line in period.lines if line.kind == "commitment")


def commitment_answer(case: Case) -> Answer:
    if case["id"] == "com-7":
        return {
            "true_up_first_period": commitment(case, usage_minor=3000),
            "true_up_second_period": commitment(case, usage_minor=1000, whole=True),
        }
    return {"true_up_cents": commitment(case)}


def many_fees(case: Case) -> Answer:
    fees = [Fee(Decimal(amount)) for amount in case["usage"]["fees_amount"]]
    rate = Decimal(percent(case["params"]["tax_rate"]))
    period = rate_period(PeriodInput(currency_exponent=2, fees=fees, tax_rate=rate))
    return {
        "fees_cents": period.subtotal_minor,
        "tax_cents": period.tax_minor,
        "prepaid_cents": period.total_minor,
        "total_cents": 0,
        "wallet_after": 10000 - period.total_minor,
    }


def coupon_and_taxes(case: Case) -> Answer:
    fees = case["usage"]["fees"]
    split = allocate(case["params"]["coupon_cents"], [amount for amount, _ in fees])
    nets = [amount - part for (amount, _), part in zip(fees, split, strict=True)]
    taxes = [tax_minor(net, Decimal(percent(rate))) for net, (_, rate) in zip(nets, fees, strict=True)]
    return {
        "coupon_split": split,
        "taxes": taxes,
        "sub_total": sum(nets),
        "taxes_total": sum(taxes),
        "total": sum(nets) + sum(taxes),
    }


def unused_fee(case: Case) -> Answer:
    params = case["params"]
    fee, rate = Decimal(params["plan_cents"]) / 100, Decimal(percent(params["tax_rate"]))
    days = 7 if params.get("interval") == "weekly" else 30
    credited = rate_period(
        PeriodInput(currency_exponent=2, fees=[Fee(-fee, Share(days - 1, days))], tax_rate=rate)
    )
    billed = rate_period(PeriodInput(currency_exponent=2, fees=[Fee(fee)], tax_rate=rate))
    return {
        "sub_total": -credited.subtotal_minor,
        "taxes": -credited.tax_minor,
        "total": -credited.total_minor,
        "invoice_tax": billed.tax_minor,
    }


def two_add_ons(case: Case) -> Answer:
    fees = [Fee(Decimal(amount) / 100) for amount in case["params"]["fees"]]
    invoice = rate_period(PeriodInput(currency_exponent=2, fees=fees, tax_rate=Decimal("0.2")))
    first = rate_period(PeriodInput(currency_exponent=2, fees=fees[:1], tax_rate=Decimal("0.2")))
    return {
        "invoice_total": invoice.total_minor,
        "invoice_tax": invoice.tax_minor,
        "first_credit_tax": first.tax_minor,
        "first_credit_total": first.total_minor,
    }


def order_of_deductions(case: Case) -> Answer:
    fees = [Fee(Decimal(70)), Fee(Decimal(-10), description="Coupon")]
    period = rate_period(PeriodInput(currency_exponent=2, fees=fees, tax_rate=Decimal("0.1")))
    total = Decimal(period.total_minor) / 100
    return {
        "sub_total": Decimal(period.subtotal_minor) / 100,
        "tax": Decimal(period.tax_minor) / 100,
        "after_tax": total,
        "total_due": total - 20 - 30,
    }


def token_money(case: Case) -> Answer:
    """Token prices are a matrix over the kind of token; a factor on cost is a markup of factor − 1."""
    prices, tokens = case["params"]["usd_per_token"], case["usage"]["tokens"]
    cells = [{"match": {"kind": kind}, "unit_price": price} for kind, price in prices.items()]
    matrix = parse_charge(
        {"key": "c", "meter": "m", "model": "matrix", "dimensions": ["kind"], "cells": cells}
    )
    usage = [Usage({"kind": kind}, Decimal(count)) for kind, count in tokens.items()]
    base = rate_charge(matrix, usage, exponent=2)

    def sold(factor: str) -> Decimal:
        plus = {"key": "c", "meter": "m", "model": "cost_plus", "markup": plain(Decimal(factor) - 1)}
        cost = Usage(quantity=base.quantity, cost=base.amount_unrounded)
        return rate_charge(parse_charge(plus), [cost], exponent=2).amount_unrounded

    total = sold(case["params"].get("markup", "1"))
    return {
        "base_usd": base.amount_unrounded,
        "total_usd": total,
        "total_cents": total * 100,
        "unit": base.quantity,
        "total_usd_at_markup": {factor: sold(factor) for factor in "123"},
    }


ANSWERS: dict[str, Callable[[Case], Answer]] = {
    "charge.standard": charge_answer,
    "charge.graduated": charge_answer,
    "charge.graduated_percentage": charge_answer,
    "charge.package": charge_answer,
    "charge.volume": charge_answer,
    "charge.percentage": charge_answer,
    "charge.percentage.minmax": charge_answer,
    "charge.dynamic": charge_answer,
    "charge.dynamic.grouped": grouped_dynamic,
    "pay_in_advance.recurring.prorated": seats_added,
    "proration.calendar": fee_answer,
    "proration.timezone": fee_answer,
    "proration.quarterly": fee_answer,
    "proration.doc": fee_answer,
    "upgrade.fixed_charge": fixed_charge_upgrade,
    "charge.spending_minimum": charge_minimum,
    "plan.minimum_commitment": commitment_answer,
    "wallet.tax_cap": many_fees,
    "invoice.tax_coupon": coupon_and_taxes,
    "credit_note.rounding": unused_fee,
    "credit_note.two_items": two_add_ons,
    "credit_note.order": order_of_deductions,
    "agent_sdk.money": token_money,
    "agent_sdk.overlap": token_money,
    "agent_sdk.markup": token_money,
}
