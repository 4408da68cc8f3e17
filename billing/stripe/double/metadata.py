"""Metadata: at most 50 keys of 40 characters, values of 500."""

from typing import Any

from billing.stripe.double.errors import Refusal

KEYS_MAX = 50
KEY_LENGTH_MAX = 40
VALUE_LENGTH_MAX = 500


def merged(before: dict[str, str], sent: Any, *, param: str = "metadata") -> dict[str, str]:
    """The metadata after a call: an empty value removes its key, an empty whole removes all.

    >>> merged({"a": "1", "b": "2"}, {"a": "", "c": "3"})
    {'b': '2', 'c': '3'}
    """
    if sent == "":
        return {}
    after = dict(before)
    for key, value in (sent or {}).items():
        if len(key) > KEY_LENGTH_MAX:
            raise Refusal(
                f"Metadata keys can be at most {KEY_LENGTH_MAX} characters; '{key}' has {len(key)}.",
                code="parameter_invalid_string",
                param=f"{param}[{key}]",
            )
        if len(value) > VALUE_LENGTH_MAX:
            raise Refusal(
                f"Metadata values can have up to {VALUE_LENGTH_MAX} characters; '{key}' has {len(value)}.",
                code="parameter_invalid_string",
                param=f"{param}[{key}]",
            )
        after.pop(key, None) if value == "" else after.update({key: value})
    if len(after) > KEYS_MAX:
        raise Refusal(f"Metadata can have up to {KEYS_MAX} keys.", param=param)
    return after
