"""Prices from a CSV file: one price a line, its columns named as the fields of ``POST /v1/prices``.

``provider,model,unit,price`` are needed; ``per`` says for how many units the price is (1000000 for a price per
million tokens). Lines that begin with ``#`` are notes.
"""

import csv
import io

from pricing.price_sources.quotes import PriceList, SourceError
from pricing.price_sources.reading import quote_from_json

SOURCE = "csv"
NEEDED = ("provider", "model", "unit", "price")


def read_csv(text: str, *, source: str = SOURCE, version: str) -> PriceList:
    """The file's prices. Raises ``SourceError`` that names the line and the column."""
    lines = [
        (number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip() and line[0] != "#"
    ]
    if not lines:
        raise SourceError("The file is empty; write a header and one price a line.")
    rows = csv.reader(io.StringIO("\n".join(line for _, line in lines)))
    header = [column.strip() for column in next(rows)]
    missing = [column for column in NEEDED if column not in header]
    if missing:
        raise SourceError(f"Line {lines[0][0]}: the column {missing[0]} is missing.")
    quotes = []
    for (number, _), row in zip(lines[1:], rows, strict=False):
        if len(row) != len(header):
            raise SourceError(f"Line {number}: it has {len(row)} values for {len(header)} columns.")
        told = {column: value.strip() for column, value in zip(header, row, strict=True) if value.strip()}
        try:
            quotes.append(quote_from_json({"model": ""} | told))
        except SourceError as error:
            raise SourceError(f"Line {number}: {error}") from error
    return PriceList(source, version, quotes)
