"""A plan's terms in words: what a buyer is told, from the same JSON that the engine prices by."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from core.pages.figures import exact, money_text, percent
from core.pages.units import counted_text, many

Terms = Mapping[str, Any]
TINY = Decimal("0.0001")


def charge_words(charge: Terms, currency: str, unit: str = "unit") -> list[str]:
    """What a charge says, a sentence each. ``unit`` is what the charge's meter counts (token, image), if it says.

    >>> charge_words({"model": "per_unit", "unit_price": "0.25", "included": "100"}, "USD", "image")
    ['$0.25 for each image.', 'The first 100 are included.']
    """
    words = WORDS.get(str(charge.get("model")))
    sentences = (
        list(words(charge, currency, unit or "unit")) if words else [f"Priced by {charge.get('model')}."]
    )
    return [*sentences, *_bounds(charge, currency)]


def _bounds(charge: Terms, currency: str) -> Iterable[str]:
    if _number(charge, "included"):
        yield f"The first {exact(_number(charge, 'included'))} are included."
    if charge.get("minimum") is not None:
        yield f"At least {_money(charge['minimum'], currency)} a period."
    if charge.get("maximum") is not None:
        yield f"At most {_money(charge['maximum'], currency)} a period."
    if _number(charge, "discount_percent"):
        yield f"{exact(_number(charge, 'discount_percent'))} % discount."
    if charge.get("margin_floor") is not None:
        yield f"Never sold below a margin of {percent(Decimal(str(charge['margin_floor'])))}."
    if charge.get("bill_failed") == "always":
        yield "Failed calls are billed too."
    if charge.get("reversed_by"):
        yield f"Taken back where {charge['reversed_by']} follows within {charge['reversal_days']} days."


def _flat(charge: Terms, currency: str, unit: str) -> Iterable[str]:
    yield f"{_money(charge.get('amount', 0), currency)} a period."


def _per_unit(charge: Terms, currency: str, unit: str) -> Iterable[str]:
    yield f"{_each(charge.get('unit_price', 0), currency, unit)}."


def _tiers(charge: Terms, currency: str, unit: str) -> Iterable[str]:
    if charge.get("model") == "volume":
        yield f"One price for every {unit}, by how many there are in all:"
    else:
        yield f"Each {unit} at the price of its own tier:"
    start = Decimal(0)
    for tier in charge.get("tiers", []):
        upto = tier.get("up_to")
        reach = f"up to {exact(Decimal(str(upto)))}" if upto is not None else f"above {exact(start)}"
        price = (
            percent(Decimal(str(tier["rate"])))
            if tier.get("rate") is not None
            else _short_of(tier.get("unit_price", 0), currency)
        )
        flat = f", plus {_money(tier['flat'], currency)} once" if _number(tier, "flat") else ""
        yield f"{reach}: {price}{flat}."
        start = Decimal(str(upto)) if upto is not None else start


def _package(charge: Terms, currency: str, unit: str) -> Iterable[str]:
    begun = (
        "a package begun counts whole" if charge.get("rounding", "up") == "up" else "only full packages count"
    )
    yield (
        f"{_money(charge.get('package_price', 0), currency)} for every "
        f"{counted_text(_number(charge, 'package_size'), unit)}; {begun}."
    )


def _percentage(charge: Terms, currency: str, unit: str) -> Iterable[str]:
    fixed = f" plus {_money(charge['fixed'], currency)} each" if _number(charge, "fixed") else ""
    yield f"{percent(_number(charge, 'rate'), 2)} of the amount{fixed}."
    if _number(charge, "free_events"):
        yield f"The first {exact(_number(charge, 'free_events'))} are free."
    if _number(charge, "free_amount"):
        yield f"The first {_money(charge['free_amount'], currency)} are free."


def _matrix(charge: Terms, currency: str, unit: str) -> Iterable[str]:
    yield f"By {' and '.join(_plain_dimension(name) for name in charge.get('dimensions', []))}:"
    for cell in charge.get("cells", []):
        names = ", ".join(_plain_value(*pair) for pair in cell.get("match", {}).items())
        yield f"{names}: {_each(cell.get('unit_price', 0), currency, unit)}."
    if charge.get("default_unit_price") is not None:
        yield f"Anything else: {_each(charge['default_unit_price'], currency, unit)}."


def _cost_plus(charge: Terms, currency: str, unit: str) -> Iterable[str]:
    yield f"The provider's cost plus {percent(_number(charge, 'markup'))}."


def _dynamic(charge: Terms, currency: str, unit: str) -> Iterable[str]:
    yield "The price that each event brings with it."


def _credits(charge: Terms, currency: str, unit: str) -> Iterable[str]:
    yield f"Credits are burnt by the table “{charge.get('burn_table')}”."
    if charge.get("unit_price") is not None:
        yield f"Credits beyond the grants cost {_money(charge['unit_price'], currency)} each."
    if charge.get("tiers"):
        yield from _tiers(charge, currency, "credit beyond the grants")


WORDS: Mapping[str, Callable[[Terms, str, str], Iterable[str]]] = {
    "flat": _flat,
    "per_unit": _per_unit,
    "graduated": _tiers,
    "graduated_percentage": _tiers,
    "volume": _tiers,
    "package": _package,
    "percentage": _percentage,
    "matrix": _matrix,
    "cost_plus": _cost_plus,
    "dynamic": _dynamic,
    "credits": _credits,
}


def _number(charge: Terms, name: str) -> Decimal:
    value = charge.get(name)
    return Decimal(0) if value is None else Decimal(str(value))


def _money(value: object, currency: str) -> str:
    """Prices keep every digit they have: a price of $0.0000125 must not be told as $0.00."""
    number = Decimal(str(value))
    short = money_text(number, currency)
    if number and -int(number.as_tuple().exponent) > 2:
        head = money_text(Decimal(0), currency).partition("0")[0]
        return f"{'−' if number < 0 else ''}{head}{exact(abs(number))}"
    return short


def _each(price: object, currency: str, unit: str) -> str:
    """The price of one, or of a million where one costs next to nothing, as tokens do.

    >>> _each("0.25", "USD", "image"), _each("0.0000025", "USD", "token")
    ('$0.25 for each image', '$2.50 for every million tokens')
    """
    if _is_tiny(price):
        return f"{_money(Decimal(str(price)).scaleb(6), currency)} for every million {many(unit)}"
    return f"{_money(price, currency)} for each {unit}"


def _short_of(price: object, currency: str) -> str:
    """As ``_each``, where what is counted has been said."""
    if _is_tiny(price):
        return f"{_money(Decimal(str(price)).scaleb(6), currency)} a million"
    return _money(price, currency)


def _is_tiny(price: object) -> bool:
    return 0 < Decimal(str(price)).copy_abs() < TINY


def _plain_value(dimension: str, value: object) -> str:
    return str(value).replace("_", " ") if dimension == "token_kind" else str(value)


def _plain_dimension(name: str) -> str:
    return name.rpartition(".")[2].replace("_", " ")
