"""The form of a plan's terms: which fields there are, what stands in each, and what is wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import InvalidOperation
from typing import Any

from console.forms import Errors, Input, filled
from console.plan_editor.posted import ROOTS, dimensions_of, rest_of, shown_match
from pricing.charge_words import charge_words
from pricing.engine.charge import READERS
from pricing.plan_terms import (
    FEE_TIMINGS,
    GRANT_CATEGORIES,
    GRANT_EXPIRES,
    INTERVALS,
    ON_BREACH,
    ON_EXHAUSTED,
    PRORATIONS,
)

Terms = Mapping[str, Any]
TIERED = frozenset({"graduated", "volume", "graduated_percentage"})
# The first charge model is what most prices are; the others follow as a price list would name them.
MODELS = tuple(sorted(READERS, key=lambda name: (name != "per_unit", name)))


def _choices(values: Sequence[str], empty: str = "") -> tuple[tuple[str, str], ...]:
    told = tuple((value, value.replace("_", " ")) for value in values)
    return (("", empty), *told) if empty else told


def _keys(keys: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return (("", "none"), *((key, key) for key in keys))


YES_NO = (("true", "yes"), ("false", "no"))
OWN: dict[str, tuple[Input, ...]] = {
    "flat": (Input("amount", "Amount a period"),),
    "per_unit": (Input("unit_price", "Price of one"),),
    "package": (
        Input("package_size", "Package of"),
        Input("package_price", "Price of a package"),
        Input(
            "rounding",
            "A package begun",
            kind="select",
            choices=(("up", "counts whole"), ("down", "is free")),
        ),
    ),
    "percentage": (
        Input("rate", "Rate", help="0.02 for 2 %"),
        Input("fixed", "Plus, each"),
        Input("free_events", "Free events"),
        Input("free_amount", "Free amount"),
        Input("min_per_event", "At least, each"),
        Input("max_per_event", "At most, each"),
    ),
    "matrix": (
        Input("dimensions", "By", help="Names with commas: model, token_kind"),
        Input("default_unit_price", "Price of anything else", help="Empty: it waits for a price"),
    ),
    "cost_plus": (Input("markup", "Markup", help="0.35 for 35 % on our cost"),),
    "credits": (Input("unit_price", "Price of a credit beyond the grants"),),
}
MODIFIERS = (
    Input("included", "Included"),
    Input("minimum", "At least, a period"),
    Input("maximum", "At most, a period"),
    Input("discount_percent", "Discount, %"),
    Input("margin_floor", "Margin floor", help="0.30: no event sells below a margin of 30 %"),
    Input(
        "bill_failed",
        "Failed calls",
        kind="select",
        choices=(("never", "are free"), ("always", "are billed")),
    ),
    Input("prorate", "Shared in part of a period", kind="select", choices=YES_NO),
    Input("reversed_by", "Taken back by events of type"),
    Input("reversal_days", "Within so many days"),
)
BASICS = (
    Input("name", "Name", required=True),
    Input("currency", "Currency", value="USD"),
    Input("fee", "Fee a period"),
    Input("interval", "Period", value="month", kind="select", choices=_choices(INTERVALS)),
    Input(
        "fee_timing",
        "Fee is billed",
        kind="select",
        choices=tuple(zip(FEE_TIMINGS, ("in advance", "at the end"), strict=True)),
    ),
    Input("proration", "Part of a period by the", kind="select", choices=_choices(PRORATIONS)),
    Input("trial_days", "Free trial, days"),
)
BOUNDS = (
    Input("commitment.amount", "Commitment a period", help="Billed up to it at least"),
    Input("discount_percent", "Discount on everything, %"),
    Input("cap", "Cap of the margin floor", help="The floor never lifts a period beyond this"),
    Input("margin_floor.rate", "Margin floor", help="0.40 for 40 %"),
    Input(
        "margin_floor.on_breach",
        "Below the floor",
        kind="select",
        choices=tuple(
            zip(ON_BREACH, ("bill the difference", "carry the difference", "only alert"), strict=True)
        ),
    ),
)
GRANT = (
    Input("amount", "Credits a period"),
    Input("rollover", "Of the rest, move on"),
    Input("category", "Kind", kind="select", choices=_choices(GRANT_CATEGORIES, "as the price says")),
    Input("cost_basis", "Paid for one credit"),
    Input("expires", "End", kind="select", choices=_choices(GRANT_EXPIRES)),
    Input("priority", "Priority", help="Lower burns first"),
)


CHARGE_FIELDS = frozenset(
    {"key", "model", "meter", "burn_table", "tiers", "cells"}
    | {field.name for fields in (*OWN.values(), MODIFIERS) for field in fields}
)


@dataclass(frozen=True)
class Catalog:
    """What charges may name: keys of meters and of burn tables."""

    meters: tuple[str, ...]
    burn_tables: tuple[str, ...]


@dataclass(frozen=True)
class ChargeForm:
    """One charge. ``tiers`` and ``cells`` hold a row of fields each; ``changed`` says that a modifier is in use."""

    index: int
    title: str
    model: str
    sentences: tuple[str, ...]
    head: list[Input]
    own: list[Input]
    tiers: list[list[Input]]
    cells: list[list[Input]]
    modifiers: list[Input]
    changed: bool
    quantity: Input
    error: str
    rest: str

    @property
    def tiered(self) -> bool:
        return self.model in TIERED or bool(self.tiers)


@dataclass(frozen=True)
class TermsForm:
    basics: list[Input]
    credits: list[Input]
    bounds: list[Input]
    charges: list[ChargeForm]
    grants: list[list[Input]]
    rest: str
    unseen: tuple[str, ...]


def form_of(terms: Terms, errors: Errors, catalog: Catalog, quantities: Mapping[str, str]) -> TermsForm:
    """The whole form. ``quantities`` are what the price preview was asked for, by the name of their field."""
    tables = _keys(catalog.burn_tables)
    credits = (
        Input(
            "on_exhausted",
            "When credits run out",
            kind="select",
            choices=tuple(
                zip(ON_EXHAUSTED, ("bill overage", "sell more", "your product stops"), strict=True)
            ),
        ),
        Input("burn_table", "Burn table, without a charge on credits", kind="select", choices=tables),
    )
    flat = _flat(terms)
    return TermsForm(
        filled(BASICS, flat, errors),
        filled(credits, flat, errors),
        filled(BOUNDS, flat, errors),
        [
            _charge(index, charge, str(terms.get("currency") or "USD"), errors, catalog, quantities)
            for index, charge in enumerate(_objects(terms, "charges"))
        ],
        [
            _row(GRANT, f"credit_grants[{index}]", grant, errors)
            for index, grant in enumerate(_objects(terms, "credit_grants"))
        ],
        rest_of(terms, ROOTS),
        tuple(sorted(name.replace("_", " ") for name in terms.keys() - ROOTS if terms[name])),
    )


def _charge(
    index: int,
    charge: Terms,
    currency: str,
    errors: Errors,
    catalog: Catalog,
    quantities: Mapping[str, str],
) -> ChargeForm:
    place = f"charges[{index}]"
    model = str(charge.get("model") or MODELS[0])
    title = str(charge.get("key") or f"charge {index + 1}")
    meters = _keys(catalog.meters)
    head = [
        Input("key", "Key"),
        Input("model", "Priced", kind="select", choices=_choices(MODELS), reloads=True),
    ]
    if model == "credits":
        head.append(Input("burn_table", "Burn table", kind="select", choices=_keys(catalog.burn_tables)))
    elif model != "flat":
        head.append(Input("meter", "Meter", kind="select", choices=meters))
    shown = {**charge, "dimensions": ", ".join(dimensions_of(charge))}
    modifiers = _row(MODIFIERS, place, shown, errors)
    return ChargeForm(
        index,
        title,
        model,
        _words(charge, currency),
        _row(head, place, shown, errors),
        _row(OWN.get(model, ()), place, shown, errors),
        [
            _tier(f"{place}.tiers[{n}]", model, tier, errors)
            for n, tier in enumerate(_objects(charge, "tiers"))
        ],
        [
            _cell(f"{place}.cells[{n}]", charge, cell, errors)
            for n, cell in enumerate(_objects(charge, "cells"))
        ],
        modifiers,
        any(field.error or field.value not in ("", "0", "never", "True", "true") for field in modifiers),
        _quantity(index, title, model).filled(quantities, {}),
        errors.get(place, ""),
        rest_of(charge, CHARGE_FIELDS),
    )


def _quantity(index: int, charge: str, model: str) -> Input:
    """What the preview asks for: a quantity, or for prices that follow the event, what the events bring."""
    label = {
        "cost_plus": "cost of the calls, USD",
        "dynamic": "what the events say",
        "matrix": "quantity of each row",
    }.get(model, "quantity")
    return Input(f"quantity[{index}]", f"{charge}: {label}", value="" if model == "flat" else "1000")


def _tier(place: str, model: str, tier: Terms, errors: Errors) -> list[Input]:
    price = Input("rate", "Rate") if model == "graduated_percentage" else Input("unit_price", "Price of one")
    fields = (Input("up_to", "Up to and with"), price, Input("flat", "Plus once"))
    return _row(fields, place, tier, errors)


def _cell(place: str, charge: Terms, cell: Terms, errors: Errors) -> list[Input]:
    fields = (Input("match", "For"), Input("unit_price", "Price of one"))
    return _row(fields, place, {**cell, "match": shown_match(charge, cell)}, errors)


def _row(fields: Sequence[Input], place: str, given: Terms, errors: Errors) -> list[Input]:
    """The fields under their full names, as errors and the posted form call them."""
    named = [
        Input(f"{place}.{f.name}", f.label, f.value, "", f.kind, f.help, f.choices, f.required, f.reloads)
        for f in fields
    ]
    values = {
        f"{place}.{name}": _text(value) for name, value in given.items() if not isinstance(value, dict | list)
    }
    return filled(named, values, errors)


def _flat(terms: Terms) -> dict[str, str]:
    """The terms' own fields by their names, nested ones with a dot."""
    found: dict[str, str] = {}
    for name, value in terms.items():
        if isinstance(value, dict):
            found |= {f"{name}.{inner}": _text(item) for inner, item in value.items()}
        elif not isinstance(value, list):
            found[name] = _text(value)
    return found


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _objects(terms: Terms, name: str) -> list[Terms]:
    items = terms.get(name)
    return [item if isinstance(item, dict) else {} for item in items] if isinstance(items, list) else []


def _words(charge: Terms, currency: str) -> tuple[str, ...]:
    """The charge in words; nothing while its numbers are not numbers yet."""
    try:
        return tuple(charge_words(charge, currency))
    except (InvalidOperation, ValueError, TypeError, KeyError, AttributeError):
        return ()
