"""What a call may carry, by the typed parameters of the official library itself.

The library ships one ``TypedDict`` for each call (``stripe.params.InvoiceCreateParams``). The double reads
names, types, required keys and enumerations from there, so that it refuses what the real Stripe would not
know.
"""

import re
import typing
from decimal import Decimal
from functools import cache
from importlib import import_module
from types import NoneType, UnionType
from typing import Any, Literal, Union

import stripe
from typing_extensions import is_typeddict

from billing.stripe.double.errors import Refusal

INTEGER = re.compile(r"-?\d{1,18}")
DECIMAL = re.compile(r"-?\d{1,20}(\.\d{1,12})?")
EMPTY = object()


@cache
def parameters_of(name: str) -> type:
    """The library's own parameter class of that name."""
    found = getattr(stripe.params, name, None)
    if found is None:
        module = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        found = getattr(import_module(f"stripe.params._{module}"), name)
    return typing.cast(type, found)


@cache
def fields_of(parameters: type) -> dict[str, Any]:
    """Names and types of one parameter class, without the library's own request options."""
    options = set(import_module("stripe._request_options").RequestOptions.__annotations__)
    # The library imports some names of its hints for type checkers only.
    hints = typing.get_type_hints(parameters, localns={**vars(typing), "StripeContext": str})
    inherits_options = "idempotency_key" in hints
    return {name: hint for name, hint in hints.items() if not (inherits_options and name in options)}


def check(parameters: type, sent: Any, at: str = "") -> dict[str, Any]:
    """The tree that was sent, typed: integers as int, decimals as Decimal, arrays as list.

    Raises Refusal naming the parameter, with Stripe's codes: parameter_unknown, parameter_missing,
    parameter_invalid_integer, parameter_invalid_empty.
    """
    if not isinstance(sent, dict):
        raise Refusal("Invalid object", code="parameter_invalid_object", param=at)
    fields = fields_of(parameters)
    for name in sent:
        if name not in fields:
            full = inside(at, name)
            raise Refusal(f"Received unknown parameter: {full}", code="parameter_unknown", param=full)
    for name in sorted(parameters.__required_keys__ & fields.keys()):  # type: ignore[attr-defined]
        if name not in sent:
            full = inside(at, name)
            raise Refusal(f"Missing required param: {full}.", code="parameter_missing", param=full)
    return {name: typed(fields[name], value, inside(at, name)) for name, value in sent.items()}


def inside(at: str, name: str) -> str:
    return f"{at}[{name}]" if at else name


def typed(hint: Any, value: Any, at: str) -> Any:
    """One value by its type hint; an empty string that unsets comes back as ``""``."""
    choices = flatten(hint)
    literals = [word for choice in choices if is_literal(choice) for word in typing.get_args(choice)]
    shapes = [choice for choice in choices if not is_literal(choice)]
    if isinstance(value, dict):
        return typed_tree(shapes, value, at)
    if value == "":
        if "" in literals or shapes == [str]:
            return ""
        raise Refusal(
            f"You passed an empty string for '{at}'. Empty values are an attempt to unset a parameter; "
            f"however '{at}' cannot be unset. Remove it from your request or supply a non-empty value.",
            code="parameter_invalid_empty",
            param=at,
        )
    words = [word for word in literals if word != ""]
    scalars = [shape for shape in shapes if shape in SCALARS and not (words and shape is str)]
    for shape in scalars:
        if (read := SCALARS[shape](value)) is not EMPTY:
            return read
    if value in words:
        return value
    raise unreadable(scalars, words, value, at)


def typed_tree(shapes: list[Any], value: dict[str, Any], at: str) -> Any:
    for shape in shapes:
        origin = typing.get_origin(shape)
        if is_typeddict(shape):
            return check(shape, value, at)
        if origin is list:
            (item,) = typing.get_args(shape)
            in_order = sorted(value.items(), key=lambda entry: int(entry[0]) if entry[0].isdigit() else 0)
            return [typed(item, entry, f"{at}[{index}]") for index, (_, entry) in enumerate(in_order)]
        if origin is dict:
            _, item = typing.get_args(shape)
            return {name: typed(item, entry, inside(at, name)) for name, entry in value.items()}
    raise Refusal(f"Invalid string for {at}", code="parameter_invalid_string", param=at)


def flatten(hint: Any) -> list[Any]:
    if typing.get_origin(hint) in (Union, UnionType):
        return [part for choice in typing.get_args(hint) for part in flatten(choice)]
    return [] if hint is NoneType else [hint]


def is_literal(hint: Any) -> bool:
    return typing.get_origin(hint) is Literal


def read_integer(value: str) -> Any:
    return int(value) if INTEGER.fullmatch(value) and value.isascii() else EMPTY


def read_decimal(value: str) -> Any:
    return Decimal(value) if DECIMAL.fullmatch(value) and value.isascii() else EMPTY


def read_boolean(value: str) -> Any:
    return {"true": True, "false": False}.get(value, EMPTY)


# Where the library says float (a tax percentage), the double still reads plain decimal digits.
SCALARS: dict[Any, Any] = {
    int: read_integer,
    Decimal: read_decimal,
    float: read_decimal,
    bool: read_boolean,
    str: str,
}


def unreadable(scalars: list[Any], words: list[str], value: str, at: str) -> Refusal:
    if words:
        return Refusal(f"Invalid {at}: must be one of {', '.join(words[:20])}", param=at)
    if int in scalars:
        return Refusal(f"Invalid integer: {value}", code="parameter_invalid_integer", param=at)
    if Decimal in scalars or float in scalars:
        return Refusal(
            f"Invalid decimal: {value}; plain digits with at most 12 decimals are accepted",
            code="parameter_invalid_decimal",
            param=at,
        )
    if bool in scalars:
        return Refusal(f"Invalid boolean: {value}", code="parameter_invalid_boolean", param=at)
    return Refusal("Invalid object" if not scalars else f"Invalid value: {value}", param=at)
