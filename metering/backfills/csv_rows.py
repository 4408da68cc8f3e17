"""CSV as rows of cells: strict, streamed, in bounded memory.

UTF-8 alone is read (a byte order mark is passed over), plain or packed with gzip. The delimiter is told, or it is the one
of comma, semicolon, tab and bar that the head has most of.
"""

import codecs
import csv
import zlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from core import limits
from metering.backfills.trouble import FileTrouble, RowTrouble

GZIP = b"\x1f\x8b"
DELIMITERS = ",;\t|"
Cells = dict[str, str]


def csv_rows(file: BinaryIO, *, delimiter: str = "") -> tuple[list[str], Iterator[Cells | RowTrouble]]:
    """The columns that the head names, and the rows below it. Raises ``FileTrouble``, also while rows are drawn."""
    csv.field_size_limit(limits.BACKFILL_CELL_CHARACTERS_MAX)
    lines = _lines(_text(_unpacked(file)))
    first = next(lines, "")
    if not first.strip():
        raise FileTrouble("The file has no head: its first line must name the columns.")
    chosen = delimiter or max(DELIMITERS, key=first.count)
    reader = csv.reader(_chained(first, lines), delimiter=chosen, strict=True)
    head = checked_columns([name.strip() for name in _next(reader) or []])
    return head, _rows(reader, head)


def checked_columns(names: Sequence[str]) -> list[str]:
    """The columns' names. Raises ``FileTrouble`` for one that is empty or comes twice, or for too many."""
    if len(names) > limits.BACKFILL_COLUMNS_MAX:
        raise FileTrouble(
            f"The file has {len(names)} columns; at most {limits.BACKFILL_COLUMNS_MAX} are read."
        )
    seen: set[str] = set()
    for place, name in enumerate(names, start=1):
        if not name or len(name) > limits.ID_CHARACTERS_MAX or not name.isprintable():
            raise FileTrouble(f"Column {place} has no usable name in the head.")
        if name in seen:
            raise FileTrouble(f"The head names the column {name!r} twice.")
        seen.add(name)
    return list(names)


def _rows(reader: Iterator[list[str]], head: list[str]) -> Iterator[Cells | RowTrouble]:
    while (cells := _next(reader)) is not None:
        if not cells:  # an empty line, as files often end with
            continue
        if len(cells) != len(head):
            yield RowTrouble("", f"It has {len(cells)} cells, the head has {len(head)}.")
        else:
            yield dict(zip(head, cells, strict=True))


def _next(reader: Iterator[list[str]]) -> list[str] | None:
    try:
        return next(reader, None)
    except csv.Error as error:
        line = getattr(reader, "line_num", 0)
        raise FileTrouble(f"Line {line} is no CSV: {error}.") from None


def _chained(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _lines(text: Iterator[str]) -> Iterator[str]:
    """Lines with their ends, none longer than a row may be."""
    held = ""
    number = 1
    most = limits.BACKFILL_CELL_CHARACTERS_MAX * 2
    for piece in text:
        if "\0" in piece:
            raise FileTrouble(f"There is a NUL character near line {number}: this is no CSV in UTF-8.")
        lines = _split(held + piece)
        held = lines.pop()
        if len(held) > most:
            raise FileTrouble(f"Line {number + len(lines)} is longer than {most:,} characters.")
        for line in lines:
            number += 1
            yield line
    if held:
        yield held


def _split(text: str) -> list[str]:
    """At line feeds alone: ``splitlines`` would cut at characters that a cell may hold. The last has no end yet."""
    parts = text.split("\n")
    return [part + "\n" for part in parts[:-1]] + parts[-1:]


def _text(pieces: Iterator[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")("strict")
    read = 0
    try:
        for piece in pieces:
            yield decoder.decode(piece)
            read += len(piece)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise FileTrouble(
            f"The file is not UTF-8 near byte {read + error.start:,}; save it as CSV in UTF-8."
        ) from None


def _unpacked(file: BinaryIO) -> Iterator[bytes]:
    packed = file.read(len(GZIP)) == GZIP
    file.seek(0)
    unpacked = 0
    for piece in _gunzipped(file) if packed else _plain(file):
        unpacked += len(piece)
        if unpacked > limits.BACKFILL_UNPACKED_BYTES_MAX:
            raise FileTrouble(f"The file unpacks to more than {limits.BACKFILL_UNPACKED_BYTES_MAX:,} bytes.")
        yield piece


def _plain(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(limits.BACKFILL_CHUNK_BYTES // 4):
        yield piece


def _gunzipped(file: BinaryIO) -> Iterator[bytes]:
    """Unpacked a bounded piece at a time, however well it was packed; several members follow each other."""
    most = limits.BACKFILL_CHUNK_BYTES // 4
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        for piece in _plain(file):
            waiting = piece
            while waiting:
                if unpacker.eof:
                    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
                yield unpacker.decompress(waiting, most)
                waiting = unpacker.unconsumed_tail or unpacker.unused_data
        yield unpacker.flush()
    except zlib.error as error:
        raise FileTrouble(f"The gzip packing is broken: {error}.") from None
    if not unpacker.eof:
        raise FileTrouble("The gzip packing is cut short.")
