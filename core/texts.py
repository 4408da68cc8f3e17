"""What a text from outside may hold, and the one form in which it is kept."""

import re
import unicodedata

from core import limits

WHOLE_DIGITS_MAX = 18  # every such number fits a BIGINT

# C0 and C1 controls, and lone surrogates: Postgres refuses some of them, terminals obey others.
UNSTORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
LINE_BREAKS = re.compile("[\t\n\r]")
# They reorder what a reader sees: a name could show one amount and hold another.
DIRECTION_CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069]")
VISIBLE_ASCII = re.compile(r"[!-~]+")
KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]*")


class TextError(ValueError):
    """The text cannot be kept; the message says what would be right."""


def clean_text(text: str, *, most: int, lines: bool = False) -> str:
    """The text in Unicode's composed form (NFC), without blanks around it.

    ``lines`` lets line breaks and tabs through, as in an address. Raises ``TextError`` for control
    characters, lone surrogates, marks that turn the writing direction around, and for more than ``most``
    characters.
    """
    if UNSTORABLE.search(text) or (not lines and LINE_BREAKS.search(text)):
        raise TextError("It holds a control character or half a character; write plain text.")
    if DIRECTION_CONTROLS.search(text):
        raise TextError("It holds a mark that turns the writing direction around; leave that out.")
    composed = unicodedata.normalize("NFC", text).strip()
    if len(composed) > most:
        raise TextError(f"It has {len(composed)} characters; at most {most} fit.")
    return composed


def clean_id(text: str) -> str:
    """An id that a client chose: 1 to 255 visible ASCII characters, without blanks. Raises ``TextError``."""
    if not VISIBLE_ASCII.fullmatch(text) or len(text) > limits.ID_CHARACTERS_MAX:
        raise TextError(f"Write 1 to {limits.ID_CHARACTERS_MAX} printable ASCII characters, without blanks.")
    return text


def clean_path_id(text: str) -> str:
    """An id that also stands in an address (``/v1/customers/KEY``): no slash, and not ``.`` or ``..``."""
    if "/" in clean_id(text) or text in {".", ".."}:
        raise TextError("It stands in addresses, so it cannot hold a slash, nor be . or .. alone.")
    return text


def clean_key(text: str) -> str:
    """A key of the catalogue, such as ``output-tokens``: letters, digits and ``_ . : -``. Raises
    ``TextError``.
    """
    if not KEY.fullmatch(text) or len(text) > limits.KEY_CHARACTERS_MAX:
        raise TextError(
            f"Write 1 to {limits.KEY_CHARACTERS_MAX} letters, digits or _ . : -, a letter or digit first."
        )
    return text


def whole_of(text: str, *, digits: int = WHOLE_DIGITS_MAX) -> int | None:
    """The whole number that the text writes in the digits 0 to 9; None for any other text, or a longer one.

    >>> whole_of("042"), whole_of("-1"), whole_of("²"), whole_of("12345", digits=4)
    (42, None, None, None)
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else None
