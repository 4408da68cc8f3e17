"""Made-up charges and events for the laws: the JSON a plan would hold, the facts a meter would hand over."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st

from pricing.engine.charge import Charge
from pricing.engine.contributions import contributions
from pricing.engine.usage import EventFacts, Usage

# Each law is tried on every model, so a few examples of each make many of the law. How many are sorted out varies from
# run to run among so few; a law that finds no example at all still fails. What the profile lets pass is let pass too.
FEW = settings(
    max_examples=25,
    suppress_health_check=[
        *settings().suppress_health_check,
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
    ],
)


def given(*args: Any, **kwargs: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return lambda law: FEW(hypothesis_given(*args, **kwargs)(law))


MODELS = [
    "flat",
    "per_unit",
    "graduated",
    "graduated_percentage",
    "volume",
    "package",
    "percentage",
    "matrix",
    "cost_plus",
    "dynamic",
    "credits",
]


def written(most: int, places: int = 3) -> st.SearchStrategy[str]:
    """A number of up to ``places`` decimals, as text; small ones are whole, so that edges are met."""
    small = min(most, 20)

    def text(n: int) -> str:
        return str(n) if n <= small else format(Decimal(n - small).scaleb(-places), "f")

    return st.integers(0, small + most * 10**places).map(text)


PRICE = written(20, 6)
MONEY = written(500)
RATE = written(1, 4)
SHARE = st.tuples(st.integers(0, 31), st.integers(1, 31)).map(lambda pair: (min(pair), pair[1]))


@st.composite
def tiers(draw: st.DrawFn, price: str) -> list[dict[str, Any]]:
    bounds = sorted(draw(st.sets(st.integers(1, 60), max_size=4)))
    prices = RATE if price == "rate" else PRICE
    return [
        {"up_to": None if bound is None else str(bound), price: draw(prices), "flat": draw(written(50))}
        for bound in [*bounds, None]
    ]


@st.composite
def cells(draw: st.DrawFn) -> list[dict[str, Any]]:
    matches = draw(
        st.lists(
            st.dictionaries(st.sampled_from(["model", "kind"]), st.sampled_from("abc"), min_size=1),
            min_size=1,
            max_size=5,
            unique_by=lambda match: tuple(sorted(match.items())),
        )
    )
    return [{"match": match, "unit_price": draw(PRICE)} for match in matches]


def own_fields(model: str) -> st.SearchStrategy[dict[str, Any]]:
    tiered = {"flat_at_zero": st.booleans()}
    credits_priced = st.fixed_dictionaries({"burn_table": st.just("burn"), "unit_price": PRICE})
    credits_tiered = st.fixed_dictionaries(
        {"burn_table": st.just("burn"), "tiers": tiers("unit_price"), **tiered}
    )
    return {
        "flat": st.fixed_dictionaries({"amount": MONEY}),
        "per_unit": st.fixed_dictionaries({"unit_price": PRICE}),
        "graduated": st.fixed_dictionaries({"tiers": tiers("unit_price"), **tiered}),
        "graduated_percentage": st.fixed_dictionaries({"tiers": tiers("rate"), **tiered}),
        "volume": st.fixed_dictionaries({"tiers": tiers("unit_price"), **tiered}),
        "package": st.fixed_dictionaries(
            {
                "package_size": written(30).filter(lambda size: Decimal(size) > 0),
                "package_price": PRICE,
                "rounding": st.sampled_from(["up", "down"]),
            }
        ),
        "percentage": percentages(),
        "matrix": st.fixed_dictionaries(
            {"dimensions": st.just(["model", "kind"]), "cells": cells(), "default_unit_price": PRICE}
        ),
        "cost_plus": st.fixed_dictionaries({"markup": RATE}),
        "dynamic": st.just({}),
        "credits": st.one_of(credits_priced, credits_tiered),
    }[model]


@st.composite
def percentages(draw: st.DrawFn) -> dict[str, Any]:
    bounds = sorted([draw(written(20)), draw(written(20))], key=Decimal)
    return {
        "rate": draw(RATE),
        "fixed": draw(written(5)),
        "free_events": draw(st.one_of(st.none(), st.integers(0, 4))),
        "free_amount": draw(st.one_of(st.none(), written(60))),
        "min_per_event": draw(st.sampled_from([None, bounds[0]])),
        "max_per_event": draw(st.sampled_from([None, bounds[1]])),
    }


@st.composite
def charges(draw: st.DrawFn, model: str, plain: bool = False) -> dict[str, Any]:
    """A charge of the model; ``plain`` leaves out everything that may stand on any charge."""
    charge = {"key": "made", "meter": "made", "model": model, **draw(own_fields(model))}
    if plain:
        return charge
    bounds = sorted([draw(MONEY), draw(MONEY)], key=Decimal)
    return charge | {
        "included": draw(st.one_of(st.just("0"), written(40))),
        "minimum": draw(st.sampled_from([None, bounds[0]])),
        "maximum": draw(st.sampled_from([None, bounds[1]])),
        "discount_percent": draw(st.one_of(st.none(), written(100, 2))),
        "prorate": draw(st.booleans()),
        "bill_failed": draw(st.sampled_from(["never", "always"])),
        "margin_floor": draw(st.sampled_from([None, "0", "0.3", "0.5", "0.999"])),
    }


@st.composite
def event(draw: st.DrawFn) -> dict[str, Any]:
    credits = draw(written(40))
    covered = draw(st.sampled_from(["0", credits, str(Decimal(credits) / 2)]))
    return {
        "quantity": draw(written(40)),
        "cost": draw(written(30, 6)),
        "amount": draw(written(30, 6)),
        "dimensions": {"model": draw(st.sampled_from("abc")), "kind": draw(st.sampled_from("abc"))},
        "failed": draw(st.sampled_from([False, False, False, True])),
        "credits": credits,
        "covered": covered,
    }


EVENTS = st.lists(event(), max_size=5)


def facts(event: dict[str, Any]) -> EventFacts:
    return EventFacts(
        quantity=Decimal(event["quantity"]),
        cost=Decimal(event["cost"]),
        dimensions=event["dimensions"],
        amount=Decimal(event["amount"]),
        failed=event["failed"],
        credits=Decimal(event["credits"]),
        credits_covered=Decimal(event["covered"]),
    )


def used(charge: Charge, events: list[dict[str, Any]]) -> list[Usage]:
    return contributions(charge, [facts(event) for event in events])
