"""Which currencies there are, and how many digits their minor unit has (ISO 4217)."""

from functools import cache

from iso4217 import Currency

# What invoices are written in. The units of account with four digits (CLF, UYW) are no money that anyone pays
# with.
EXPONENTS = frozenset({0, 2, 3})


class CurrencyError(ValueError):
    """Not a currency that an invoice can be written in."""


@cache
def exponent_of(code: str) -> int:
    """Decimal places of the currency's minor unit. Raises ``CurrencyError`` for a code that is no money with
    minor units.

    >>> exponent_of("USD"), exponent_of("JPY"), exponent_of("BHD")
    (2, 0, 3)
    """
    try:
        digits = Currency(code).exponent
    except ValueError:
        digits = None
    if digits not in EXPONENTS:
        raise CurrencyError("Write an ISO 4217 code in capitals, such as USD, EUR or JPY.")
    return int(digits)


def parse_currency(value: object) -> str:
    """The code, when it is one. Raises ``CurrencyError``."""
    if not isinstance(value, str) or len(value) != 3:
        raise CurrencyError("Write an ISO 4217 code in capitals, such as USD, EUR or JPY.")
    exponent_of(value)
    return value
