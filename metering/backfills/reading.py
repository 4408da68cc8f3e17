"""Reading a backfill's file: each row through the door that every event comes through, then kept with what it is.

Rows are read in batches. A batch and how far it came are committed together, so a reader that dies is followed by one that
goes on there; of two at once, one finds that the other has been, and stops.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, BinaryIO
from uuid import UUID

import msgspec
from django.db import connection, transaction

from core import limits
from core.copying import NULL, copy_into, copy_line
from core.failpoints import failpoint
from core.problems import Invalid, Malformed
from metering.backfills.columns import Assembly, HowToRead, assign, how_from_json
from metering.backfills.csv_rows import Cells, csv_rows
from metering.backfills.file import file_on_disk
from metering.backfills.parquet_rows import is_parquet, parquet_rows
from metering.backfills.trouble import FileTrouble, RowTrouble
from metering.content_hash import content_hash
from metering.customer_lookup import customer_ids
from metering.formats.native import read_event
from metering.models import Backfill, BackfillRow
from metering.new_event import NewEvent, as_kept
from metering.withdrawals import DOOR

COLUMNS = (
    *("backfill_id", "n", "outcome", "customer_id", "event_id", "source", "occurred_at", "content_hash"),
    *("received", '"column"', "reason"),
)
_COPY = copy_into("metering_backfillrow", COLUMNS)
_json = msgspec.json.Encoder().encode
Outcome = BackfillRow.Outcome


@dataclass(frozen=True)
class Opened:
    """A file whose head has been read."""

    format: str
    columns: list[tuple[str, str | None]]
    rows: Iterator[Cells | RowTrouble]


def open_rows(file: BinaryIO, how: HowToRead, *, with_customer: bool) -> Opened:
    """The file's rows and what its columns are. Raises ``FileTrouble``."""
    if is_parquet(file):
        kind, (head, rows) = "parquet", parquet_rows(file)
    else:
        kind, (head, rows) = "csv", csv_rows(file, delimiter=how.delimiter)
    return Opened(kind, assign(head, how, with_customer=with_customer), rows)


def read_file(backfill_id: UUID, *, now: datetime, most: int = limits.BACKFILL_SLICE_ROWS) -> bool:
    """Read on where reading had come to, by ``most`` rows at most; whether the file has been read to its end.

    Raises ``FileTrouble``. Returns ``False`` also where another reader is at it.
    """
    backfill = Backfill.objects.select_related("customer").get(id=backfill_id)
    how = how_from_json(backfill.reading)
    with file_on_disk(backfill_id) as (file, digest):
        opened = open_rows(file, how, with_customer=backfill.customer is None)
        Backfill.objects.filter(id=backfill_id).update(
            format=opened.format, columns=opened.columns, file_hash=digest
        )
        customer = None if backfill.customer is None else backfill.customer.key
        assembly = Assembly(opened.columns, how, customer)
        rows = islice(opened.rows, backfill.rows_read, None)
        done = backfill.rows_read
        while batch := list(islice(rows, limits.BACKFILL_BATCH_ROWS)):
            if done + len(batch) > limits.BACKFILL_ROWS_MAX:
                raise FileTrouble(f"The file has more than {limits.BACKFILL_ROWS_MAX:,} rows; split it.")
            lines = _lines(backfill_id, done, batch, assembly, now)
            if not _keep(backfill_id, done, lines):
                return False
            done += len(batch)
            failpoint("metering.backfills.batch_read")
            if done - backfill.rows_read >= most:
                return False
    if not done:
        raise FileTrouble("The file has no rows.")
    return bool(
        Backfill.objects.filter(id=backfill_id, rows_read=done, rows_total=None).update(rows_total=done)
    )


def look_into(
    file: BinaryIO, how: HowToRead, *, rows: int, with_customer: bool
) -> tuple[Opened, list[Cells | RowTrouble]]:
    """The file's columns and its first rows, for somebody who says what they are. Raises ``FileTrouble``."""
    opened = open_rows(file, how, with_customer=with_customer)
    return opened, list(islice(opened.rows, rows))


def _keep(backfill_id: UUID, done: int, lines: Sequence[str]) -> bool:
    """Write the batch and how far that is; ``False`` where another reader was faster, or nobody wants it any more."""
    with transaction.atomic():
        moved = Backfill.objects.filter(id=backfill_id, rows_read=done, state=Backfill.State.CHECKING).update(
            rows_read=done + len(lines)
        )
        if not moved:
            return False
        with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(_COPY) as copy:
            copy.write("".join(lines).encode())
    return True


def _lines(
    backfill_id: UUID, done: int, batch: Sequence[Cells | RowTrouble], assembly: Assembly, now: datetime
) -> list[str]:
    read = [_read(row, assembly, now) for row in batch]
    known = customer_ids({event.customer for event in read if isinstance(event, NewEvent)})
    lines = []
    for n, (row, event) in enumerate(zip(batch, read, strict=True), start=done + 1):
        if isinstance(event, NewEvent) and event.customer not in known:
            reason = f"There is no customer {event.customer!r}; create it, then make the backfill again."
            event = RowTrouble(assembly.column_of("customer"), reason)
        if isinstance(event, RowTrouble):
            lines.append(_rejected(backfill_id, n, row, event))
        else:
            lines.append(_event_line(backfill_id, n, known[event.customer], event))
    return lines


def _read(row: Cells | RowTrouble, assembly: Assembly, now: datetime) -> NewEvent | RowTrouble:
    if isinstance(row, RowTrouble):
        return row
    data = assembly.event_of(row)
    if isinstance(data, RowTrouble):
        return data
    try:
        return read_event(data, now=now, door=DOOR)
    except Invalid as refused:
        first = refused.errors[0]
        column = assembly.column_of(first.field)
        return RowTrouble(column, first.detail if column else f"{first.field}: {first.detail}")
    except Malformed as refused:
        return RowTrouble("", refused.detail)


def _event_line(backfill_id: UUID, n: int, customer_id: int, event: NewEvent) -> str:
    fields = (
        str(backfill_id),
        str(n),
        Outcome.READ.value,
        str(customer_id),
        event.id,
        event.source,
        event.occurred_at.isoformat(),
        "\\x" + content_hash(event).hex(),
        _json(as_kept(event)).decode(),
        "",
        "",
    )
    return copy_line(fields) + "\n"


def _rejected(backfill_id: UUID, n: int, row: Cells | RowTrouble, trouble: RowTrouble) -> str:
    most = limits.BACKFILL_SHOWN_CELL_CHARACTERS
    shown: dict[str, Any] = (
        {} if isinstance(row, RowTrouble) else {name: text[:most] for name, text in row.items()}
    )
    fields = (
        str(backfill_id),
        str(n),
        Outcome.REJECTED.value,
        *(NULL, "", "", NULL, NULL),
        _json({"cells": shown}).decode(),
        trouble.column[: limits.ID_CHARACTERS_MAX],
        trouble.reason[:500],
    )
    written = "\t".join(_escaped(text) for text in fields)
    return written + "\n"


def _escaped(text: str) -> str:
    """As COPY reads it: what is rejected was checked by nobody."""
    if text == NULL:
        return text
    for raw, written in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"), (NULL, "?")):
        text = text.replace(raw, written)
    return text
