"""How long the engine takes to rate a period: 10,000 customers with 5 charges each, and to price their events.

It has no target of its own: an invoice run, which has, is mostly what surrounds the engine (``benchmarks.invoices``).
Run it with ``python -m benchmarks.rate_periods``. It needs no database.
"""

from decimal import Decimal
from time import perf_counter
from typing import Any

from benchmarks.table import Line, print_table
from core.periods import Share
from pricing.engine.charge import Charge, parse_charge
from pricing.engine.contributions import contribution
from pricing.engine.invoice import ChargeUsage, Fee, MarginFloor, PeriodInput, rate_period
from pricing.engine.usage import EventFacts, Usage

CUSTOMERS = 10_000
EVENTS = 100_000

CHARGES: list[dict[str, Any]] = [
    {"model": "per_unit", "unit_price": "0.00001", "included": "100000", "margin_floor": "0.30"},
    {
        "model": "graduated",
        "tiers": [
            {"up_to": "1000000", "unit_price": "0"},
            {"up_to": "10000000", "unit_price": "0.00001"},
            {"up_to": None, "unit_price": "0.000008"},
        ],
        "minimum": "5",
        "maximum": "500",
    },
    {"model": "package", "package_size": "1000", "package_price": "0.5"},
    {
        "model": "matrix",
        "dimensions": ["model", "kind"],
        "cells": [
            {"match": {"model": f"model-{n}", "kind": kind}, "unit_price": f"0.00000{n}"}
            for n in range(1, 4)
            for kind in ("input", "output")
        ],
    },
    {"model": "cost_plus", "markup": "0.20", "discount_percent": "10"},
]


def charges() -> list[Charge]:
    return [parse_charge({"key": f"c{n}", "meter": "m"} | fields) for n, fields in enumerate(CHARGES)]


def period_of(customer: int, plan: list[Charge]) -> PeriodInput:
    quantity, cost = Decimal(customer * 977), Decimal(customer) / 1000
    cells = [
        Usage({"model": f"model-{n}", "kind": kind}, quantity, customer, cost=cost)
        for n in range(1, 4)
        for kind in ("input", "output")
    ]
    whole = [Usage(quantity=quantity, events=customer, cost=cost)]
    return PeriodInput(
        currency_exponent=2,
        charges=[
            ChargeUsage(charge, cells if charge.model.name == "matrix" else whole, share=Share(30, 31))
            for charge in plan
        ],
        fees=[Fee(Decimal("49.00"), Share(30, 31))],
        commitment=Decimal(100),
        subscription_discount_percent=Decimal(5),
        margin_floor=MarginFloor(Decimal("0.40"), "bill"),
        cost_total=cost * 5,
        tax_rate=Decimal("0.19"),
    )


def rate_all() -> None:
    plan = charges()
    total = sum(rate_period(period_of(customer, plan)).total_minor for customer in range(CUSTOMERS))
    assert total > 0, "a run that bills nothing measures nothing"


def price_events() -> None:
    charge = charges()[0]
    facts = EventFacts(Decimal(1200), cost=Decimal("0.0118"))
    for _ in range(EVENTS):
        contribution(charge, facts)


def main(rounds: int = 5) -> bool:
    """Measure and print; whether every target was reached."""
    periods = Line(f"rate {CUSTOMERS:,} periods, 5 charges each", "s")
    events = Line(f"price {EVENTS:,} events", "s")
    for _ in range(rounds):
        for line, what in ((periods, rate_all), (events, price_events)):
            started_at = perf_counter()
            what()
            line.values.append(perf_counter() - started_at)
    return print_table("the engine alone, one process", [periods, events])


if __name__ == "__main__":
    main()
