"""JSON of events, read as strictly as ``core.strict_json`` reads it, plain bodies several times faster."""

import re
from decimal import Decimal
from typing import Any

import msgspec

from core import money, strict_json

# Where none of these bytes stands, every quotation mark opens or closes a text, and no text can hold what is
# refused.
_NOT_PLAIN = re.compile(rb"\\|\x7f|\xc2[\x80-\x9f]|\xef\xbb\xbf")
_decoder = msgspec.json.Decoder(float_hook=money.parse_number)
_encode = msgspec.json.Encoder(decimal_format="number").encode
INTEGER_LIMIT = 10**20
NDJSON_TYPES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})


def decode_events(body: bytes) -> Any:
    """The tree that ``strict_json.decode`` gives.

    msgspec keeps the last of two equal names. But a name that was dropped took its quotation marks along: the
    tree, written out again, has as many as the body only if no name stood twice. Anything unusual goes the
    slow way.
    """
    if _NOT_PLAIN.search(body):
        return strict_json.decode(body)
    try:
        tree = _decoder.decode(body)
        names_once = body.count(b'"') == _encode(tree).count(b'"')
    except (msgspec.DecodeError, ValueError, RecursionError):
        names_once = False  # the slow way says what is wrong, and where
    if names_once:
        strict_json.check_depth(tree)
        return tree
    return strict_json.decode(body)


def plain_values(value: Any) -> Any:
    """A tree as it is stored: numbers with decimals as text, so that nobody ever reads a float.

    An integer of more than 20 digits becomes a refused number, for ``strict_json.faults`` to find.
    """
    if type(value) is int and not -INTEGER_LIMIT < value < INTEGER_LIMIT:
        return strict_json.RefusedNumber("an integer of more than 20 digits")
    if isinstance(value, Decimal):
        return money.plain(value)
    if isinstance(value, dict):
        return {name: plain_values(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain_values(item) for item in value]
    return value
