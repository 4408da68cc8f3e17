"""Rows of a backfill that lie in periods whose invoices can no longer change."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from core.times import render_time

ISSUED = "i.kind = 'period' AND i.finalized_at IS NOT NULL AND i.status <> 'void'"


@dataclass(frozen=True)
class InvoicedRows:
    """How many rows lie in one invoiced period."""

    customer: str
    invoice: str
    start: datetime
    end: datetime
    rows: int

    def as_json(self) -> dict[str, Any]:
        return {
            "customer": self.customer,
            "invoice": self.invoice,
            "start": render_time(self.start),
            "end": render_time(self.end),
            "rows": self.rows,
        }


def invoiced_rows(backfill_id: UUID, *, customer_id: int | None = None) -> list[InvoicedRows]:
    """The invoiced periods with new rows in them, of all customers or of one."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT c.key, i.number, i.period_start, i.period_end, count(*) FROM metering_backfillrow r
            JOIN billing_invoice i ON i.customer_id = r.customer_id AND {ISSUED}
                AND r.occurred_at >= i.period_start AND r.occurred_at < i.period_end
            JOIN customers_customer c ON c.id = r.customer_id
            WHERE r.backfill_id = %(id)s AND r.outcome = 'new'
                AND (%(customer)s::bigint IS NULL OR r.customer_id = %(customer)s)
            GROUP BY 1, 2, 3, 4 ORDER BY 1, 3, 2
            """,
            {"id": backfill_id, "customer": customer_id},
        )
        return [InvoicedRows(*row) for row in cursor.fetchall()]


def invoiced_spans(customer_id: int) -> list[tuple[datetime, datetime, str]]:
    """The customer's invoiced periods and the invoices' numbers. The caller holds the customer's lock: none is added."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT i.period_start, i.period_end, i.number FROM billing_invoice i WHERE i.customer_id = %s AND {ISSUED}",
            [customer_id],
        )
        return list(cursor.fetchall())
