"""The rows of a backfill that are not taken, for whoever corrects the file."""

from collections.abc import Iterator

from django.http.response import HttpResponseBase

from billing.backfills.summary import row_json
from core import limits
from core.pages.spreadsheet import Cell, csv_response
from metering.models import Backfill, BackfillRow

NOT_TAKEN = (BackfillRow.Outcome.REJECTED, BackfillRow.Outcome.CONFLICT)
HEAD = ("row", "outcome", "at fault", "reason", "event id", "event source")


def rejected_csv(backfill: Backfill) -> HttpResponseBase:
    """The rows as a download: where the fault is, why, and the row's own cells."""
    columns = [column for column, _ in backfill.columns]
    rows = BackfillRow.objects.filter(backfill=backfill, outcome__in=NOT_TAKEN).order_by("n")

    def lines() -> Iterator[list[Cell]]:
        for row in rows.iterator(chunk_size=limits.BACKFILL_BATCH_ROWS):
            cells = row_json(row)["cells"] or {}
            own: list[Cell] = [row.n, row.outcome, row.column, row.reason, row.event_id, row.source]
            yield [*own, *(cells.get(column) for column in columns)]

    return csv_response("backfill-rejected", (*HEAD, *columns), lines())
