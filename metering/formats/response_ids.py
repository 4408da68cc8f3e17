"""The provider's own id of a response, whoever passed it on: by it a call that several programs report counts once."""

import re
from base64 import b64decode
from binascii import Error

# LiteLLM hands responses of OpenAI's newer API to its callers under an id that also names the deployment.
_WRAPPED = re.compile(r"resp_([A-Za-z0-9+/=]{40,4000})")
_INSIDE = re.compile(rb"litellm:.*;response_id:([!-~]+)")


def own_id(told: str) -> str:
    """The id that the provider gave, out of the one that was passed on; any other id as it is.

    >>> own_id("resp_bGl0ZWxsbTpjdXN0b21fbGxtX3Byb3ZpZGVyOm9wZW5haTttb2RlbF9pZDpOb25lO3Jlc3BvbnNlX2lkOnJlc3BfMTIz")
    'resp_123'
    >>> own_id("resp_0123456789abcdef")
    'resp_0123456789abcdef'
    """
    if not told.startswith("resp_bGl0ZWxsbT"):  # "resp_" before "litellm:"
        return told
    wrapped = _WRAPPED.fullmatch(told)
    try:
        inside = _INSIDE.fullmatch(b64decode(wrapped[1], validate=True)) if wrapped else None
    except Error:
        inside = None
    return inside[1].decode("ascii") if inside else told
