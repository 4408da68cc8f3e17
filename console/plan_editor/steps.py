"""What the editor's buttons do to the terms before they are saved: rows come and go."""

from typing import Any

from console.plan_editor.layout import TIERED
from core.texts import whole_of

MODEL_FIRST = "per_unit"


def carry_out_step(terms: dict[str, Any], step: str) -> dict[str, Any]:
    """The terms with one row more or less. A step that names no row there is leaves them as they are.

    >>> carry_out_step({}, "add charges")
    {'charges': [{'model': 'per_unit'}]}
    >>> carry_out_step({"charges": [{"key": "a"}, {"key": "b"}]}, "remove charges 0")
    {'charges': [{'key': 'b'}]}
    """
    act, _, rest = step.partition(" ")
    words = rest.split()
    holder: Any = terms
    # "tiers 2 1" is the second tier of the third charge.
    if words and words[0] in ("tiers", "cells"):
        holder = _item(terms.get("charges"), words[1] if len(words) > 1 else "")
        words = [words[0], *words[2:]]
    if (
        not words
        or words[0] not in ("charges", "credit_grants", "tiers", "cells")
        or not isinstance(holder, dict)
    ):
        return terms
    items = holder.setdefault(words[0], [])
    if act == "add" and isinstance(items, list):
        items.append({"model": MODEL_FIRST} if words[0] == "charges" else {})
    elif act == "remove" and _item(items, words[1] if len(words) > 1 else "") is not None:
        del items[int(words[1])]
    return terms


def fit_models(terms: dict[str, Any], fields: dict[str, frozenset[str]]) -> dict[str, Any]:
    """The terms without the fields that a charge had under the model it was given before; with a first tier where its
    model has tiers.

    ``fields`` are those that belong to some model alone, by model.
    """
    every = frozenset().union(*fields.values())
    charges = terms.get("charges")
    for charge in charges if isinstance(charges, list) else []:
        if isinstance(charge, dict):
            foreign = every - fields.get(str(charge.get("model")), frozenset())
            for name in foreign & charge.keys():
                del charge[name]
            if charge.get("model") in TIERED:
                charge.setdefault("tiers", [{}])
    return terms


def _item(items: Any, index: str) -> Any:
    place = whole_of(index)
    return items[place] if isinstance(items, list) and place is not None and place < len(items) else None
