"""Parquet as rows of cells: every value exact, or refused with its reason.

Whole numbers, decimals, texts, dates with a time, booleans and nested values are read as they are. A binary float near money
is the fault this product exists to avoid: one is read only where it is a whole number that a double holds exactly.
"""

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, BinaryIO

from core import limits
from core.money import plain
from metering.backfills.csv_rows import Cells, checked_columns
from metering.backfills.trouble import FileTrouble, RowTrouble

MAGIC = b"PAR1"
EXACT_IN_A_DOUBLE = 2**53
ITEMS_MAX = limits.JSON_KEYS_MAX  # of one list; nothing that is told of a call has more


def is_parquet(file: BinaryIO) -> bool:
    start = file.read(len(MAGIC))
    file.seek(0)
    return start == MAGIC


def parquet_rows(file: BinaryIO) -> tuple[list[str], Iterator[Cells | RowTrouble]]:
    """The file's columns and its rows, as CSV would have them. Raises ``FileTrouble``, also while rows are drawn."""
    import pyarrow  # 50 MB of code that only a Parquet file is worth
    from pyarrow import parquet

    try:
        opened = parquet.ParquetFile(file)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise FileTrouble(f"This is no Parquet file that can be read: {_short(error)}") from None
    if opened.metadata.num_rows > limits.BACKFILL_ROWS_MAX:
        raise FileTrouble(f"The file has more than {limits.BACKFILL_ROWS_MAX:,} rows; split it.")
    _refuse_bombs(opened.metadata)
    schema = opened.schema_arrow
    head = checked_columns(schema.names)
    for field in schema:
        if pyarrow.types.is_binary(field.type) or pyarrow.types.is_large_binary(field.type):
            raise FileTrouble(f"The column {field.name!r} holds raw bytes; write it as text.")
    # A text that many rows share stays one text, until it is known to be no longer than a cell may be.
    texts = [
        column.path for column in map(opened.schema.column, range(len(opened.schema))) if _is_text(column)
    ]
    shared = parquet.ParquetFile(file, metadata=opened.metadata, read_dictionary=texts)
    return head, _rows(shared, head, pyarrow)


def _is_text(column: Any) -> bool:
    return bool(column.physical_type == "BYTE_ARRAY")


def _refuse_bombs(metadata: Any) -> None:
    """Raise ``FileTrouble`` for a small file that would fill the memory."""
    groups = [metadata.row_group(n) for n in range(metadata.num_row_groups)]
    if sum(group.total_byte_size for group in groups) > limits.BACKFILL_UNPACKED_BYTES_MAX:
        raise FileTrouble(f"The file unpacks to more than {limits.BACKFILL_UNPACKED_BYTES_MAX:,} bytes.")
    for group in groups:
        for place in range(group.num_columns):
            column = group.column(place)
            if column.num_values > group.num_rows * ITEMS_MAX:
                raise FileTrouble(
                    f"The column {column.path_in_schema!r} has lists of more than {ITEMS_MAX} items."
                )


def _rows(opened: Any, head: list[str], pyarrow: Any) -> Iterator[Cells | RowTrouble]:
    try:
        for batch in opened.iter_batches(batch_size=limits.BACKFILL_BATCH_ROWS):
            columns = [_column(batch.column(place), pyarrow) for place in range(len(head))]
            for name, column in zip(head, columns, strict=True):
                _refuse_large(name, column, pyarrow)
            for values in zip(*columns, strict=True):
                yield _cells(head, tuple(value.as_py() for value in values))
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        raise FileTrouble(f"The Parquet file cannot be read on: {_short(error)}") from None


def _column(column: Any, pyarrow: Any) -> Any:
    """The column. Times in nanoseconds are cut to the microsecond only where nothing is lost."""
    if pyarrow.types.is_timestamp(column.type):
        return column.cast(pyarrow.timestamp("us", column.type.tz))
    return column


def _refuse_large(name: str, values: Any, pyarrow: Any) -> None:
    """Raise ``FileTrouble`` where one value is larger than a cell may be, before any is written out."""
    from pyarrow import compute

    types, kind = pyarrow.types, values.type
    if types.is_dictionary(kind):
        _refuse_large(name, values.dictionary, pyarrow)
    elif any(is_kind(kind) for is_kind in _texts(types)):
        longest = compute.max(compute.binary_length(values)).as_py() or 0
        if longest > limits.BACKFILL_CELL_CHARACTERS_MAX:
            raise FileTrouble(
                f"The column {name!r} has a text of {longest:,} bytes; a cell holds at most"
                f" {limits.BACKFILL_CELL_CHARACTERS_MAX:,}."
            )
    elif types.is_struct(kind):
        for place in range(kind.num_fields):
            _refuse_large(name, values.field(place), pyarrow)
    elif types.is_map(kind):
        _refuse_large(name, values.keys, pyarrow)
        _refuse_large(name, values.items, pyarrow)
    elif types.is_list(kind) or types.is_large_list(kind):
        most = compute.max(compute.list_value_length(values)).as_py() or 0
        if most > ITEMS_MAX:
            raise FileTrouble(
                f"The column {name!r} has a list of {most:,} items; at most {ITEMS_MAX} are read."
            )
        _refuse_large(name, values.flatten(), pyarrow)


def _texts(types: Any) -> tuple[Any, ...]:
    return types.is_string, types.is_large_string, types.is_binary, types.is_large_binary


def _cells(head: list[str], values: tuple[Any, ...]) -> Cells | RowTrouble:
    cells: Cells = {}
    left = limits.BACKFILL_CELL_CHARACTERS_MAX * 2
    for name, value in zip(head, values, strict=True):
        try:
            cells[name] = cell_text(value)
        except ValueError as error:
            return RowTrouble(name, str(error))
        left -= len(cells[name])
        if left < 0:
            return RowTrouble(name, "The row is longer than a row may be.")
    return cells


def cell_text(value: Any) -> str:
    """One value as the text that means the same. Raises ``ValueError`` with what would be right.

    >>> cell_text(Decimal("0.10")), cell_text(1200), cell_text(3.0), cell_text(None), cell_text(True)
    ('0.1', '1200', '3', '', 'true')
    >>> cell_text(0.1)
    Traceback (most recent call last):
    ValueError: It is a binary float, and not a whole number: no exact decimal. Write the column as decimal or as text.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("It holds a NUL character.")
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, float):
        return _whole(value)
    if isinstance(value, datetime):
        return value.isoformat() if value.tzinfo is None else value.astimezone(UTC).isoformat()
    if isinstance(value, dict | list):
        return json.dumps(_exact(value))
    raise ValueError(f"A value of the type {type(value).__name__} is not read; write it as text.")


def _exact(value: Any) -> Any:
    """A nested value as JSON has it: whole numbers as they are, all others as text."""
    if isinstance(value, dict):
        return {str(name): _exact(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_exact(item) for item in value]
    if value is None or isinstance(value, bool | int):
        return value
    return cell_text(value)


def _whole(value: float) -> str:
    if math.isnan(value):  # how data frames write an absent number
        return ""
    if not value.is_integer() or abs(value) > EXACT_IN_A_DOUBLE:
        raise ValueError(
            "It is a binary float, and not a whole number: no exact decimal. Write the column as decimal or as text."
        )
    return str(int(value))


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
