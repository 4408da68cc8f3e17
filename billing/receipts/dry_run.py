"""What would become of an event: its receipt as if it were stored now, with nothing written."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from billing.burning import burn_facts
from billing.credits.grants import Drawn, active_at, cover, open_grants
from billing.receipts.receipt import DrawPart, Receipt, charge_parts, cost_parts_of, receipt_json
from billing.subscriptions.terms import Stretch, stretches_of
from core.ids import public_id
from core.money import ZERO, exact, plain
from customers.models import Customer
from metering.costing import EventCost, cost_of_event
from metering.event_paths import text_reader
from metering.new_event import NewEvent
from metering.stored_event import StoredEvent
from pricing.burn_tables import BurnHistory, Unlisted, burn
from pricing.models import BurnTable


@exact
def dry_run_receipts(events: Sequence[NewEvent], now: datetime, for_operator: bool) -> list[dict[str, Any]]:
    """A receipt for each event, in order. Credits are drawn from the present balances, each event by itself."""
    return [_receipt(event, for_operator) for event in events]


def _receipt(new: NewEvent, for_operator: bool) -> dict[str, Any]:
    customer = Customer.objects.filter(key=new.customer).first()
    cost = cost_of_event(new)
    event = as_stored(new, cost)
    stretches = [s for s in stretches_of(customer.id) if s.holds(new.occurred_at)] if customer else []
    draws = tuple(draw for stretch in stretches[:1] for draw in _draws(stretch, event))
    credits = sum((draw.credits for draw in draws), ZERO)
    covered = sum((draw.credits for draw in draws if draw.grant_id), ZERO)
    charges = tuple(part for stretch in stretches for part in charge_parts(stretch, event, credits, covered))
    status = "unmatched" if customer is None else "unpriced" if cost.unpriced else "rated"
    receipt = Receipt(
        event,
        new.customer,
        status,
        dict(event.usage),
        cost.amount,
        cost_parts_of(event),
        draws,
        charges,
        customer.currency if customer else "USD",
        None,
        (),
    )
    return receipt_json(receipt, for_operator=for_operator)


def as_stored(new: NewEvent, cost: EventCost) -> StoredEvent:
    """The event as rating would read it back, without a number."""
    return StoredEvent(
        event_id=new.id,
        source=new.source,
        seq=0,
        type=new.type,
        occurred_at=new.occurred_at,
        provider=new.provider,
        model=new.model,
        context=new.context,
        usage={bucket: plain(quantity) for bucket, quantity in new.usage.items()},
        quantity=new.quantity,
        status=new.status,
        latency_ms=new.latency_ms,
        run_id=new.run_id,
        run=new.run,
        properties=new.properties,
        cost=cost.amount,
        unpriced=bool(cost.unpriced) or new.incomplete,
        cost_rows=dict(cost.rows),
    )


def burn_table_of(stretch: Stretch) -> str | None:
    """The burn table that the stretch's plan burns by: its credits charge's, else its own."""
    for metered in stretch.charges:
        if metered.charge.measures_credits:
            return metered.charge.burn_table
    return stretch.terms.burn_table


def _draws(stretch: Stretch, event: StoredEvent) -> list[DrawPart]:
    table = burn_table_of(stretch)
    version = BurnHistory(BurnTable.objects.get(key=table)).version_at(event.occurred_at) if table else None
    if version is None or event.failed:
        return []
    grants = [
        grant
        for grant in open_grants(stretch.subscription.customer_id)
        if active_at(grant, event.occurred_at)
        and all(text_reader(path)(event) in values for path, values in grant.applies_to.items())
    ]
    try:
        burns = burn(version, burn_facts(event))
    except Unlisted:
        return []
    parts = []
    for burnt in burns:
        for drawn in cover(burnt.credits, grants):
            parts.append(
                _part(burnt.token_kind, burnt.quantity, burnt.row_id, drawn, str(table), version.number)
            )
    return parts


def _part(kind: str, quantity: Decimal, row: str, drawn: Drawn, table: str, number: int) -> DrawPart:
    grant = drawn.grant
    return DrawPart(
        kind,
        quantity,
        drawn.credits,
        None if grant is None else public_id("grant", grant.id),
        "overage" if grant is None else grant.name or grant.key,
        table,
        number,
        row,
    )
