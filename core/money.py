"""Exact decimal arithmetic for money: one context, one number grammar, one rounding, one way to split.

Every function here gives the same answer whatever decimal context the caller has set. None takes a float.
"""

import re
from collections.abc import Callable, Sequence
from decimal import (
    ROUND_HALF_UP,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    InvalidOperation,
    Overflow,
    localcontext,
)
from fractions import Fraction
from functools import wraps
from typing import ParamSpec, TypeVar

from core.periods import Share

# ROUND_HALF_UP is the decimal module's name for "half away from zero".
CONTEXT = Context(
    prec=60, rounding=ROUND_HALF_UP, traps=[InvalidOperation, DivisionByZero, Overflow, FloatOperation]
)
ZERO = Decimal(0)
ONE = Decimal(1)

# The scale of NUMERIC(38,18), in which quantities, prices, credits and costs are kept.
STORED_STEP = Decimal("1E-18")

# Above the largest amount a document can hold: with four minor digits it still fits a BIGINT.
AMOUNT_LIMIT = Decimal(10) ** 14

EXPONENT_MAX = 4  # ISO 4217 has no currency with more minor digits

_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,18})?")

P = ParamSpec("P")
R = TypeVar("R")


class NumberError(ValueError):
    """The value is not a number that Burnline takes; the message says what would be right."""


class AmountTooLarge(ValueError):
    """An amount past what a document can hold: a quantity or a price is wrong."""


def exact(function: Callable[P, R]) -> Callable[P, R]:
    """Run the function's arithmetic in ``CONTEXT``, whatever context its caller has set."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with localcontext(CONTEXT):
            return function(*args, **kwargs)

    return run


def parse_number(value: object, *, negative: bool = True) -> Decimal:
    """The decimal that a client wrote: up to 20 digits, up to 18 after the point, no exponent, no plus sign.

    Takes ``str``, ``int`` or ``Decimal``; refuses everything else, floats and booleans above all.
    Raises ``NumberError``.

    >>> parse_number("12.50")
    Decimal('12.50')
    >>> parse_number("-0")
    Decimal('0')
    >>> parse_number("1e3")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    core.money.NumberError: '1e3' is not a number; write digits, ...
    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise NumberError(
            f"A {type(value).__name__} is not a number here; write a decimal, best as a string, such as "
            '"0.0025".'
        )
    if isinstance(value, Decimal):
        # A tiny or huge exponent would make format() write out a text of that length.
        written = format(value, "f") if value.is_finite() and abs(value.adjusted()) <= 40 else str(value)
    elif isinstance(value, int):
        written = str(value) if abs(value) < 10**20 else "an integer of more than 20 digits"
    else:
        written = value
    if not _NUMBER.fullmatch(written):
        raise NumberError(
            f"{written[:60]!r} is not a number; write digits, such as 1200 or 0.0025, with at most 20 before "
            "the point and 18 after it."
        )
    number = Decimal(written)
    if number == 0:
        return abs(number)
    if number < 0 and not negative:
        raise NumberError(f"{written} is below zero; write zero or more.")
    return number


def plain(number: Decimal) -> str:
    """The number as people write it: no exponent, no trailing zeros, no minus before zero.

    >>> plain(Decimal("1E+3")), plain(Decimal("0.2500")), plain(Decimal("-0.00"))
    ('1000', '0.25', '0')
    """
    written = format(number, "f")
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    return "0" if written == "-0" else written


def plain_or_none(number: Decimal | None) -> str | None:
    """The number as people write it; None where there is none."""
    return None if number is None else plain(number)


def shown(number: Decimal) -> str:
    """The number as ``plain`` writes it, with at most the 18 decimals that are kept.

    >>> shown(Decimal(2) / Decimal(3))
    '0.666666666666666667'
    """
    return plain(to_stored(number)) if number.copy_abs() < 10**20 else plain(number)


def kept_amount(amount: Decimal, rounding: str = ROUND_HALF_UP) -> Decimal:
    """An unrounded amount as it is kept: to 18 decimals, half away from zero unless told otherwise.

    Raises ``AmountTooLarge`` from 100 trillion in the major unit.
    """
    if amount.copy_abs() >= AMOUNT_LIMIT:
        raise AmountTooLarge(
            f"An amount of {AMOUNT_LIMIT:,} or more does not fit an invoice; check quantity and price."
        )
    return amount.quantize(STORED_STEP, rounding, CONTEXT)


def to_stored(number: Decimal) -> Decimal:
    """The number at the 18 decimals the database keeps, half away from zero.

    >>> to_stored(Decimal("0.0000000000000000005"))
    Decimal('1E-18')
    """
    return number.quantize(STORED_STEP, ROUND_HALF_UP, CONTEXT)


def round_to_minor(amount: Decimal, exponent: int) -> int:
    """The amount in the currency's minor units, half away from zero.

    >>> round_to_minor(Decimal("182.495"), 2), round_to_minor(Decimal("-0.5"), 0)
    (18250, -1)
    """
    _check_exponent(exponent)
    return int(amount.scaleb(exponent, CONTEXT).to_integral_value(ROUND_HALF_UP, CONTEXT))


def from_minor(minor: int, exponent: int) -> Decimal:
    """Minor units as an amount in the currency's major unit, with all its minor digits.

    >>> from_minor(18250, 2)
    Decimal('182.50')
    """
    _check_exponent(exponent)
    return Decimal(minor).scaleb(-exponent, CONTEXT)


def allocate(total: int, weights: Sequence[Decimal | int]) -> list[int]:
    """Split a whole number by weights so that the parts sum to it exactly.

    Each part gets its share rounded toward zero; the units left over go to the largest remainders, the
    earlier part first where remainders are equal. Weights that are all zero count as equal. Every part has
    the sign of the total.
    Raises ``ValueError`` for a negative weight, or for no weights at all.

    >>> allocate(100, [1, 1, 1]), allocate(-5, [3, 1]), allocate(3, [0, 0])
    ([34, 33, 33], [-4, -1], [2, 1])
    """
    if not weights:
        raise ValueError("An amount cannot be split over no parts.")
    exact_weights = [Fraction(weight) for weight in weights]
    if min(exact_weights) < 0:
        raise ValueError("A weight below zero cannot take part in a split.")
    weight_sum = sum(exact_weights)
    if weight_sum == 0:
        exact_weights, weight_sum = [Fraction(1)] * len(weights), Fraction(len(weights))
    shares = [abs(total) * weight / weight_sum for weight in exact_weights]
    parts = [share.numerator // share.denominator for share in shares]
    by_remainder = sorted(range(len(shares)), key=lambda index: parts[index] - shares[index])
    for index in by_remainder[: abs(total) - sum(parts)]:
        parts[index] += 1
    return [-part for part in parts] if total < 0 else parts


@exact
def prorate(amount: Decimal, share: Share) -> Decimal:
    """The amount for a part of a period: amount × used / whole, with one division, at the end.

    >>> prorate(Decimal("31.00"), Share(10, 31))
    Decimal('10.00')
    """
    return amount * share.used / share.whole


@exact
def tax_minor(net_minor: int, rate: Decimal) -> int:
    """Tax on a net sum in minor units, half away from zero; the rate is a fraction (``0.20`` is 20 %).

    >>> tax_minor(13666, Decimal("0.20"))
    2733
    """
    return round_to_minor(net_minor * rate, 0)


def _check_exponent(exponent: int) -> None:
    if not 0 <= exponent <= EXPONENT_MAX:
        raise ValueError(f"A currency has 0 to {EXPONENT_MAX} minor digits, not {exponent}.")
