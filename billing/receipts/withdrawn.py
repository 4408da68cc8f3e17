"""The receipt of an event that was taken back: what it was, and by what it no longer counts."""

from decimal import Decimal
from typing import Any

from billing.receipts.receipt import Receipt, cost_parts_of, receipt_json
from core.ids import public_id
from core.times import parse_time, render_time
from customers.models import Customer
from metering.models import WithdrawnEvent
from metering.stored_event import StoredEvent

BACKFILL = "bf"


def withdrawn_receipt(row: WithdrawnEvent, *, for_operator: bool) -> dict[str, Any]:
    """The event with the cost it had; it burns nothing, and no charge counts it."""
    event = event_as_it_was(row)
    customer = Customer.objects.get(id=row.customer_id)
    receipt = Receipt(
        event,
        customer.key,
        "withdrawn",
        dict(event.usage),
        event.cost,
        cost_parts_of(event),
        (),
        (),
        customer.currency,
        None,
        (),
    )
    return receipt_json(receipt, for_operator=for_operator) | {
        "withdrawn": _reason(row) | {"at": render_time(row.withdrawn_at)}
    }


def _reason(row: WithdrawnEvent) -> dict[str, Any]:
    if row.backfill_id is not None:
        return {"backfill": public_id(BACKFILL, row.backfill_id)}
    return {"replaced_by": {"id": row.replaced_by_id, "source": row.replaced_by_source}}


def event_as_it_was(row: WithdrawnEvent) -> StoredEvent:
    """The event as rating had read it."""
    stored = {name: row.stored[name] for name in StoredEvent._fields}
    stored |= {
        "occurred_at": parse_time(row.stored["occurred_at"]),
        "quantity": Decimal(row.stored["quantity"]),
        "cost": Decimal(row.stored["cost"]),
    }
    return StoredEvent(**stored)
