"""``matrix``: the price of a unit depends on the event's dimensions, such as model and token kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.money import ZERO, plain, plain_or_none
from pricing.engine.fields import TEXT_LENGTH_MAX, Fields
from pricing.engine.model import Billable, RatedLine
from pricing.engine.usage import EventFacts, UnpricedEvent, Usage, merge


@dataclass(frozen=True, slots=True)
class Cell:
    """A price for the events that have all the dimensions of ``match``."""

    match: Mapping[str, str]
    unit_price: Decimal


@dataclass(frozen=True, slots=True)
class Matrix:
    """The cell that names the most dimensions wins; of cells that name as many, the first in the list."""

    dimensions: tuple[str, ...]
    cells: tuple[Cell, ...]
    default_unit_price: Decimal | None
    name = "matrix"

    @staticmethod
    def read(fields: Fields) -> "Matrix":
        dimensions = _read_dimensions(fields)
        cells = fields.objects("cells", lambda item: _read_cell(item, dimensions))
        seen: list[Mapping[str, str]] = []
        for index, cell in enumerate(cells):
            if cell.match and cell.match in seen:
                fields.refuse(f"cells[{index}].match", "duplicate", "Another cell matches the same.")
            seen.append(cell.match)
        return Matrix(dimensions, cells, fields.optional_number("default_unit_price"))

    def as_json(self) -> dict[str, Any]:
        default = self.default_unit_price
        return {
            "dimensions": list(self.dimensions),
            "cells": [
                {"match": dict(cell.match), "unit_price": plain(cell.unit_price)} for cell in self.cells
            ],
            "default_unit_price": plain_or_none(default),
        }

    def unit_price(self, dimensions: Mapping[str, str]) -> Decimal | None:
        """The price of a unit with these dimensions; ``None`` where no cell matches and there is no
        default."""
        best: Cell | None = None
        for cell in self.cells:
            if (best is None or len(cell.match) > len(best.match)) and all(
                dimensions.get(name) == value for name, value in cell.match.items()
            ):
                best = cell
        return self.default_unit_price if best is None else best.unit_price

    def lines(self, billable: Billable) -> list[RatedLine]:
        """One line for each set of the matrix's dimensions; a line without a price has ``unit_price``
        ``None``."""
        lines = []
        for usage in merge(self._narrowed(usage) for usage in billable.usages):
            price = self.unit_price(usage.dimensions)
            quantity = billable.portion(usage.quantity)
            lines.append(
                RatedLine(
                    description=", ".join(f"{name} {value}" for name, value in usage.dimensions.items())
                    or "All",
                    quantity=quantity,
                    unrounded=ZERO if price is None else quantity * price,
                    unit_price=price,
                    dimensions=usage.dimensions,
                )
            )
        return lines

    def event_price(self, facts: EventFacts, so_far: Usage) -> Decimal:
        price = self.unit_price(facts.dimensions)
        if price is None:
            found = ", ".join(f"{name} {facts.dimensions.get(name, 'none')}" for name in self.dimensions)
            raise UnpricedEvent(f"No cell of the matrix matches {found}, and it has no default_unit_price.")
        return facts.quantity * price

    def _narrowed(self, usage: Usage) -> Usage:
        kept = {name: usage.dimensions[name] for name in self.dimensions if name in usage.dimensions}
        return Usage(kept).plus(usage)


def _read_dimensions(fields: Fields) -> tuple[str, ...]:
    if not fields.required("dimensions"):
        return ()
    value = fields.get("dimensions")
    is_list = isinstance(value, list) and value and all(isinstance(name, str) and name for name in value)
    if not is_list or len(set(value)) != len(value):
        fields.refuse(
            "dimensions", "not_a_list", 'dimensions is a list of different names, such as ["model"].'
        )
        return ()
    return tuple(value)


def _read_cell(item: Fields, dimensions: tuple[str, ...]) -> Cell:
    price = item.number("unit_price")
    if not item.required("match"):
        return Cell({}, price)
    match = item.get("match")
    if not isinstance(match, Mapping) or not match:
        item.refuse("match", "not_an_object", "match names a value for one dimension or more.")
        return Cell({}, price)
    for name, value in match.items():
        if name not in dimensions:
            item.refuse(f"match.{name}", "unknown_field", f"{name!r} is not one of the dimensions.")
        elif not isinstance(value, str) or len(value) > TEXT_LENGTH_MAX:
            item.refuse(f"match.{name}", "not_a_text", f"The value of {name} is a text.")
    return Cell({str(name): str(value) for name, value in match.items()}, price)
