"""What a quantity counts, in words: a unit is kept in the singular, and written in the number that it is counted in."""

import re
from decimal import Decimal

from django.utils.html import format_html
from django.utils.safestring import SafeString

from core.pages.figures import compact, exact, quantity

PLAIN_WORD = re.compile(r"[a-z]{3,}")
HISSING = ("ss", "us", "is", "x", "z", "ch", "sh")
VOWELS = "aeiou"


def many(unit: str) -> str:
    """The unit in the plural. What is no plain word, such as GB or ms, and what is plural already, stays.

    >>> [many(unit) for unit in ("token", "search", "query", "status", "pages", "GB", "ms", "audio second", "")]
    ['tokens', 'searches', 'queries', 'statuses', 'pages', 'GB', 'ms', 'audio seconds', '']
    """
    head, space, word = unit.rpartition(" ")
    if not PLAIN_WORD.fullmatch(word):
        return unit
    if word.endswith(HISSING):
        return f"{head}{space}{word}es"
    if word.endswith("y") and word[-2] not in VOWELS:
        return f"{head}{space}{word[:-1]}ies"
    return unit if word.endswith("s") else f"{unit}s"


def unit_for(number: Decimal, unit: str) -> str:
    """The unit as it is written after the number.

    >>> unit_for(Decimal(1), "token"), unit_for(Decimal("1.5"), "token"), unit_for(Decimal(0), "token")
    ('token', 'tokens', 'tokens')
    """
    return unit if number.copy_abs() == 1 else many(unit)


def counted(number: Decimal | None, unit: str) -> SafeString:
    """For tables: the compact quantity, then its unit lighter; the exact one on hover."""
    return quantity(number, unit_for(number, unit) if number is not None else "")


def counted_exactly(number: Decimal | None, unit: str | None) -> SafeString:
    """For facts: every digit, then its unit lighter."""
    if number is None:
        return quantity(None)
    named = unit_for(number, unit or "")
    return format_html('{} <span class="unit">{}</span>' if named else "{}", exact(number), named)


def counted_text(number: Decimal, unit: str) -> str:
    """For sentences and documents: every digit, then its unit.

    >>> counted_text(Decimal("1234567.50"), "token"), counted_text(Decimal(3), "")
    ('1,234,567.5 tokens', '3')
    """
    return f"{exact(number)} {unit_for(number, unit)}".rstrip()


def counted_compactly(number: Decimal, unit: str) -> str:
    """For headlines: four figures or so, then the unit.

    >>> counted_compactly(Decimal(1), "ticket"), counted_compactly(Decimal("2017.8187"), "credit")
    ('1 ticket', '2,017.82 credits')
    """
    return f"{compact(number)} {unit_for(number, unit)}".rstrip()
