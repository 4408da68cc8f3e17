"""Terms from a form: every field is named by its place in the JSON (``charges[0].tiers[1].up_to``), as errors are."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from core import strict_json
from core.problems import Problem
from core.texts import whole_of

# A row that is there but empty so far: without it an empty row would vanish from the form.
ROW = "row"
# What the form has no fields for goes through it unseen, as JSON.
REST = "rest"
NUMBERS = frozenset({"trial_days", "priority", "reversal_days"})
FLAGS = {"true": True, "false": False}
ROOTS = frozenset(
    {
        "key",
        "name",
        "currency",
        "interval",
        "fee",
        "fee_timing",
        "proration",
        "charges",
        "credit_grants",
        "on_exhausted",
        "burn_table",
        "commitment",
        "discount_percent",
        "cap",
        "trial_days",
        "margin_floor",
    }
)
STEP = re.compile(r"([a-z_]+)(?:\[(\d{1,3})\])?(?:\.|$)")


def terms_of(post: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The terms as JSON, as far as they were written; fields left empty are absent.

    >>> terms_of([("name", "Pro"), ("charges[0].model", "per_unit"), ("charges[0].unit_price", "0.01"), ("cap", "")])
    {'name': 'Pro', 'charges': [{'model': 'per_unit', 'unit_price': '0.01'}]}
    """
    tree: dict[str, Any] = {}
    for name, text in post:
        steps = _steps(name)
        if steps and (steps[0] in ROOTS or name == REST) and text.strip():
            _put(tree, steps, text.strip())
    terms: dict[str, Any] = _with_rest(_listed(tree))
    charges: Any = terms.get("charges")
    for index, charge in enumerate(charges if isinstance(charges, list) else ()):
        _read_matrix(charge)
        if isinstance(charge, dict):
            charges[index] = _with_rest(charge)
    floor = terms.get("margin_floor")
    if isinstance(floor, dict) and "rate" not in floor:
        del terms["margin_floor"]
    return terms


def rest_of(terms: Mapping[str, Any], known: Iterable[str]) -> str:
    """What stands in the terms beside the fields that are known, as JSON; empty where there is nothing."""
    rest = {name: value for name, value in terms.items() if name not in known and value not in (None, False)}
    return json.dumps(rest, default=str) if rest else ""


def _with_rest(node: Any) -> Any:
    """The node with what went through the form unseen."""
    if not isinstance(node, dict) or REST not in node:
        return node
    text = node.pop(REST)
    try:
        rest = strict_json.loads(text.encode()) if isinstance(text, str) else {}
    except Problem:
        rest = {}
    return {**rest, **node} if isinstance(rest, dict) else node


def _steps(name: str) -> list[str | int]:
    """
    >>> _steps("charges[0].tiers[1].up_to"), _steps("do"), _steps("charges[x]")
    (['charges', 0, 'tiers', 1, 'up_to'], ['do'], [])
    """
    steps: list[str | int] = []
    at = 0
    while at < len(name):
        match = STEP.match(name, at)
        if match is None:
            return []
        steps.append(match[1])
        if match[2] is not None:
            steps.append(int(match[2]))
        at = match.end()
    return steps


def _put(tree: dict[str | int, Any] | dict[str, Any], steps: list[str | int], text: str) -> None:
    node: Any = tree
    for step in steps[:-1]:
        node = node.setdefault(step, {})
        if not isinstance(node, dict):
            return  # two fields claim one place: the first keeps it
    name = steps[-1]
    if name in NUMBERS:
        number = whole_of(text)
        node.setdefault(name, text if number is None else number)
    elif name in ("prorate", "flat_at_zero"):
        node.setdefault(name, FLAGS.get(text, text))
    else:
        node.setdefault(name, text)


def _listed(node: Any) -> Any:
    """Numbered children as a list, in their order; gaps close."""
    if not isinstance(node, dict):
        return node
    if node and all(isinstance(name, int) for name in node):
        return [_listed(node[name]) for name in sorted(node)]
    return {name: _listed(child) for name, child in node.items() if name != ROW}


def _read_matrix(charge: Any) -> None:
    """Dimensions and matches are written as lists with commas."""
    if not isinstance(charge, dict):
        return
    names = charge.get("dimensions")
    if isinstance(names, str):
        charge["dimensions"] = [name.strip() for name in names.split(",") if name.strip()]
    cells = charge.get("cells")
    for cell in cells if isinstance(cells, list) else []:
        if isinstance(cell, dict) and isinstance(cell.get("match"), str):
            values = [value.strip() for value in cell["match"].split(",")]
            given = zip(dimensions_of(charge), values, strict=False)
            cell["match"] = {name: value for name, value in given if value}


def dimensions_of(charge: Mapping[str, Any]) -> list[str]:
    """The matrix's dimensions; none where something else stands in their place."""
    names = charge.get("dimensions")
    return [str(name) for name in names] if isinstance(names, list) else []


def shown_match(charge: Mapping[str, Any], cell: Mapping[str, Any]) -> str:
    """A cell's match as the form writes it: the values in the order of the dimensions."""
    match = cell.get("match")
    values = match if isinstance(match, Mapping) else {}
    return ", ".join(str(values.get(name, "")) for name in dimensions_of(charge))
