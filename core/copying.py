"""Rows as Postgres' COPY takes them: a line each, its fields parted by tabs."""

from collections.abc import Iterable, Sequence

# No text from outside holds this character, so it can stand for NULL and leave the empty text to itself.
NULL = "\x02"


def copy_into(table: str, columns: Sequence[str]) -> str:
    """The statement that takes lines of these columns."""
    return f"COPY {table} ({', '.join(columns)}) FROM STDIN WITH (FORMAT text, NULL E'\\x02')"


def copy_line(fields: Iterable[str]) -> str:
    """One row, without its end. No field may hold a tab or a line break."""
    return "\t".join(fields).replace("\\", "\\\\")
