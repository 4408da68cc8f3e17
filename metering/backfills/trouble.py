"""What is wrong with a whole file, or with one row of it."""

from dataclasses import dataclass


class FileTrouble(Exception):
    """The file cannot be read any further; the sentence says where and why."""


@dataclass(frozen=True)
class RowTrouble:
    """A row that no event can be made of: the column, where one is at fault, and the reason."""

    column: str
    reason: str
