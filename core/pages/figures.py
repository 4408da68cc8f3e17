"""Numbers as people read them: no more digits than they can use, a true minus sign, the currency named."""

import re
from decimal import Decimal

from babel.numbers import get_currency_name, get_currency_symbol
from django.utils.html import format_html
from django.utils.safestring import SafeString

from core.currencies import exponent_of
from core.money import CONTEXT, from_minor, plain

LOCALE = "en_US"
MINUS = "\N{MINUS SIGN}"
NARROW_SPACE = "\N{NARROW NO-BREAK SPACE}"
NO_BREAK = "\N{NO-BREAK SPACE}"
NOTHING = "\N{EN DASH}"
STEPS = ((Decimal(10) ** 12, "T"), (Decimal(10) ** 9, "B"), (Decimal(10) ** 6, "M"), (Decimal(10) ** 3, "K"))
COMPACT_FROM = 10_000
# Whole parts of five digits or more, or of four where decimals or the words of a quantity follow.
LONG_NUMBER = re.compile(r"(?<![\w.,/:-])(?:\d{4,}(?=\.\d| ×| used| included| to bill)|\d{5,}(?![\w.,/:-]))")
TOKEN_KIND = re.compile(r"\btoken_kind (\w+)")
SMALL_DIGITS_MAX = 10
SIGNIFICANT_DIGITS = 2
FINE_DIGITS = 2


def grouped(number: Decimal, places: int) -> str:
    """The number rounded to ``places`` decimals, in groups of three.

    >>> grouped(Decimal("-1234.5"), 2)
    '−1,234.50'
    """
    rounded = number.quantize(Decimal(1).scaleb(-places), context=CONTEXT)
    text = f"{rounded.copy_abs():,f}"
    return f"{MINUS}{text}" if rounded < 0 else text


def exact(number: Decimal) -> str:
    """Every digit that is stored, in groups of three.

    >>> exact(Decimal("1234.500000000000000000"))
    '1,234.5'
    """
    whole, dot, rest = plain(number.copy_abs()).partition(".")
    return f"{MINUS if number < 0 else ''}{int(whole):,}{dot}{rest}"


def readable(text: str) -> str:
    """A step of a reckoning as people read it: long numbers in groups of three, kinds of token in words. What may be
    a year, a date or a name stays.

    >>> readable("2017.8187202 used, 1234567 × 0.00001, since 6 Oct 2026 by gpt-20251")
    '2,017.8187202 used, 1,234,567 × 0.00001, since 6 Oct 2026 by gpt-20251'
    >>> readable("model gpt-5, token_kind cache_read: 7680 × 0.0000008")
    'model gpt-5, cache read tokens: 7,680 × 0.0000008'
    """
    named = TOKEN_KIND.sub(lambda found: f"{found[1].replace('_', ' ')} tokens", text)
    return LONG_NUMBER.sub(lambda found: f"{int(found[0]):,}", named)


def compact(number: Decimal) -> str:
    """A quantity in four figures or so: exact below ten thousand, then K, M, B, T.

    >>> [compact(Decimal(n)) for n in ("950", "1234", "12345", "1200000", "0.25", "-34567")]
    ['950', '1,234', '12.3\\u202fK', '1.2\\u202fM', '0.25', '−34.6\\u202fK']
    >>> compact(Decimal("999999"))
    '1\\u202fM'
    """
    if number.copy_abs() < COMPACT_FROM:
        return trimmed(number, 2)
    for index, (step, letter) in enumerate(STEPS):
        scaled = CONTEXT.divide(number, step)
        if scaled.copy_abs() < 1:
            continue
        places = 0 if scaled.copy_abs() >= 100 else 1
        text = trimmed(scaled, places)
        if text.lstrip(MINUS) == "1,000" and index > 0:
            return f"{MINUS if number < 0 else ''}1{NARROW_SPACE}{STEPS[index - 1][1]}"
        return f"{text}{NARROW_SPACE}{letter}"
    return trimmed(number, 0)


def trimmed(number: Decimal, places: int) -> str:
    """Rounded to at most ``places`` decimals, without idle zeros; what is small keeps two significant digits.

    >>> trimmed(Decimal("2.50"), 2), trimmed(Decimal("0.000123"), 2), trimmed(Decimal(3), 2)
    ('2.5', '0.00012', '3')
    """
    text = grouped(number, _places(number, places))
    return text.rstrip("0").rstrip(".") if "." in text else text


def _places(number: Decimal, places: int) -> int:
    """More decimals than asked for where all of them would be zero."""
    if number == 0 or number.copy_abs() >= Decimal(1).scaleb(-places):
        return places
    first_digit = -number.adjusted()
    return min(first_digit + SIGNIFICANT_DIGITS - 1, SMALL_DIGITS_MAX)


def places_of(currency: str) -> int:
    return exponent_of(currency)


def amount(number: Decimal, currency: str) -> str:
    """An amount without its currency; less than one minor unit keeps two significant digits.

    >>> amount(Decimal("1234.5"), "USD"), amount(Decimal("0.00321"), "USD"), amount(Decimal("1200.4"), "JPY")
    ('1,234.50', '0.0032', '1,200')
    """
    return grouped(number, _places(number, places_of(currency)))


def money_text(number: Decimal, currency: str) -> str:
    """For sentences: with the currency's sign, which names it (US dollars are ``$``, Canadian ``CA$``).

    >>> money_text(Decimal("-412.5"), "USD"), money_text(Decimal(9), "CAD"), money_text(Decimal(9), "XOF")
    ('−$412.50', 'CA$9.00', 'F\\u202fCFA\\xa09')
    """
    symbol = get_currency_symbol(currency, locale=LOCALE)
    gap = NO_BREAK if symbol[-1].isalpha() else ""
    sign = MINUS if number < 0 else ""
    return f"{sign}{symbol}{gap}{amount(number.copy_abs(), currency)}"


def axis_money(number: Decimal, currency: str) -> str:
    """For the grid of a chart: no idle zeros, and K, M, B from ten thousand on.

    >>> axis_money(Decimal(40), "USD"), axis_money(Decimal("2.50"), "USD"), axis_money(Decimal(20000), "EUR")
    ('$40', '$2.50', '€20\u202fK')
    """
    if number.copy_abs() < COMPACT_FROM:
        text = money_text(number, currency)
        return text.removesuffix(f".{'0' * places_of(currency)}")
    symbol = money_text(Decimal(0), currency).partition("0")[0]
    return f"{MINUS if number < 0 else ''}{symbol}{compact(number.copy_abs())}"


def rough_money(number: Decimal, currency: str) -> str:
    """For forecasts: whole units from a hundred on, because more digits would promise more than is known.

    >>> rough_money(Decimal("412.37"), "USD"), rough_money(Decimal("8.5"), "USD")
    ('$412', '$8.50')
    """
    if number.copy_abs() < 100 or places_of(currency) == 0:
        return money_text(number, currency)
    return money_text(number.quantize(Decimal(1), context=CONTEXT), currency).partition(".")[0]


def give_or_take(spread: Decimal, number: Decimal, currency: str) -> str:
    """How far a forecast may be off, with no more digits than the forecast itself.

    >>> give_or_take(Decimal("5.13"), Decimal("131.40"), "USD"), give_or_take(Decimal("5.13"), Decimal(31), "USD")
    ('±$5', '±$5.13')
    """
    if number.copy_abs() < 100 or places_of(currency) == 0:
        return f"±{money_text(spread, currency)}"
    return f"±{money_text(spread.quantize(Decimal(1), context=CONTEXT), currency).partition('.')[0]}"


def money(number: Decimal | None, currency: str) -> SafeString:
    """For tables: the figure, then its currency lighter; every stored digit on hover."""
    if number is None:
        return _none()
    return format_html(
        '<span class="money" title="{} {}">{} <span class="unit">{}</span></span>',
        exact(number),
        currency,
        amount(number, currency),
        currency,
    )


def bare_money(number: Decimal | None, currency: str) -> SafeString:
    """For columns whose head names the currency."""
    if number is None:
        return _none()
    return format_html(
        '<span class="money" title="{} {}">{}</span>', exact(number), currency, amount(number, currency)
    )


def fine_money(number: Decimal | None, currency: str) -> SafeString:
    """For columns of single calls' prices, whose head names the currency: two digits more, so that cents' parts align.

    >>> fine_money(Decimal("0.32275"), "USD")
    '<span class="money" title="0.32275 USD">0.3228</span>'
    """
    if number is None:
        return _none()
    places = _places(number, places_of(currency) + FINE_DIGITS)
    return format_html(
        '<span class="money" title="{} {}">{}</span>', exact(number), currency, grouped(number, places)
    )


def minor_money(minor: int, currency: str, exponent: int | None = None) -> SafeString:
    """A document's amount, which is kept in minor units."""
    return money(from_minor(minor, places_of(currency) if exponent is None else exponent), currency)


def bare_minor_money(minor: int, currency: str, exponent: int) -> SafeString:
    return bare_money(from_minor(minor, exponent), currency)


def minor_money_text(minor: int, currency: str, exponent: int) -> str:
    return money_text(from_minor(minor, exponent), currency)


def even(number: Decimal | None) -> SafeString:
    """For columns of small quantities with parts, such as single calls' credits: two decimals, so that they align.

    >>> even(Decimal("1.4"))
    '<span class="amount" title="1.4">1.40</span>'
    """
    if number is None:
        return _none()
    return format_html(
        '<span class="amount" title="{}">{}</span>', exact(number), grouped(number, _places(number, 2))
    )


def quantity(number: Decimal | int | None, unit: str = "") -> SafeString:
    """A compact quantity with its unit lighter; the exact one on hover."""
    if number is None:
        return _none()
    value = Decimal(number)
    if not unit:
        return format_html('<span class="amount" title="{}">{}</span>', exact(value), compact(value))
    return format_html(
        '<span class="amount" title="{} {}">{} <span class="unit">{}</span></span>',
        exact(value),
        unit,
        compact(value),
        unit,
    )


LEAST_PERCENT = Decimal("0.05")


def percent(share: Decimal | None, places: int = 0) -> str:
    """A share of one as percent, which below ten gets a decimal.

    >>> percent(Decimal("0.624")), percent(Decimal("0.034")), percent(Decimal("-0.5")), percent(None)
    ('62\\u202f%', '3.4\\u202f%', '−50\\u202f%', '–')
    >>> percent(Decimal("0.0002")), percent(Decimal(0))
    ('<\\u202f0.1\\u202f%', '0\\u202f%')
    """
    if share is None:
        return NOTHING
    value = CONTEXT.multiply(share, Decimal(100))
    if 0 < value < LEAST_PERCENT and not places:
        return f"<{NARROW_SPACE}0.1{NARROW_SPACE}%"
    return f"{trimmed_percent(value, places)}{NARROW_SPACE}%"


def trimmed_percent(value: Decimal, places: int) -> str:
    text = grouped(value, max(places, 1) if value.copy_abs() < 10 else places)
    return text.rstrip("0").rstrip(".") if "." in text else text


def change(now: Decimal | int, before: Decimal | int) -> str:
    """A change in words, with its sign and direction.

    >>> change(Decimal(112), Decimal(100)), change(Decimal(50), Decimal(100)), change(Decimal(5), Decimal(0))
    ('+12\\u202f%, more than before', '−50\\u202f%, less than before', 'new')
    """
    if before == 0:
        return "new" if now else "as before"
    base = Decimal(before)
    share = CONTEXT.divide(CONTEXT.subtract(Decimal(now), base), base.copy_abs())
    if share == 0:
        return "as before"
    return f"{'+' if share > 0 else ''}{percent(share)}, {'more' if share > 0 else 'less'} than before"


def currency_name(currency: str) -> str:
    return str(get_currency_name(currency, locale=LOCALE, count=2))


def _none() -> SafeString:
    return format_html('<span class="none" title="nothing to show">{}</span>', NOTHING)
