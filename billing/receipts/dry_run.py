"""What would become of an event: its receipt as if it were stored now, with nothing written."""

from collections.abc import Sequence
from typing import Any

from billing.burning import CreditBurner
from billing.receipts.receipt import (
    ChargePart,
    DrawPart,
    Receipt,
    charge_parts,
    cost_parts_of,
    draw_parts,
    receipt_json,
)
from billing.recounts.redraws import Standing
from billing.subscriptions.terms import Stretch, stretches_of
from core.money import exact, plain
from customers.models import Customer
from metering.costing import EventCost, cost_of_event
from metering.new_event import NewEvent
from metering.stored_event import StoredEvent
from metering.usage import Sums
from pricing.models import BurnTableVersion


@exact
def dry_run_receipts(events: Sequence[NewEvent], for_operator: bool) -> list[dict[str, Any]]:
    """A receipt for each event, in order. Credits are drawn from the present balances, each event by itself."""
    customers = Customer.objects.filter(key__in={event.customer for event in events})
    rehearsals = {customer.key: Rehearsal(customer) for customer in customers}
    return [_receipt(event, rehearsals.get(event.customer), for_operator) for event in events]


class Rehearsal:
    """What rating would do with one customer's events, each as if it came alone; read once for all of them."""

    def __init__(self, customer: Customer) -> None:
        self.currency = customer.currency
        self.stretches = stretches_of(customer.id)
        self.burner = CreditBurner(customer.id)
        tables = {table for stretch in self.stretches for table in stretch.burn_tables}
        versions = BurnTableVersion.objects.filter(table__key__in=tables).select_related("table")
        self._versions = {version.id: version for version in versions}

    def rate(self, event: StoredEvent) -> tuple[tuple[DrawPart, ...], tuple[ChargePart, ...]]:
        """What the event would draw, and add to charges."""
        stretches = [stretch for stretch in self.stretches if stretch.holds(event.occurred_at)]
        for stretch in stretches:
            self._burn(stretch, event)
        drawn, grants = self.burner.draws, self.burner.touched
        self.burner.draws = []
        for draw in drawn:
            if draw.grant_id is not None:
                grants[draw.grant_id].remaining += draw.credits  # the next event finds what this one found
        rows = [
            Standing(
                draw.seq,
                draw.event_id,
                draw.source,
                draw.subscription_id,
                draw.burn_table_version_id,
                draw.burn_row,
                draw.token_kind,
                draw.grant_id,
                draw.quantity,
                draw.credits,
                draw.occurred_at,
            )
            for draw in drawn
        ]
        charges = [part for stretch in stretches for part in charge_parts(stretch, event, rows)]
        names = {grant.id: grant.name or grant.key for grant in grants.values()}
        return draw_parts(rows, names, self._versions), tuple(charges)

    def _burn(self, stretch: Stretch, event: StoredEvent) -> None:
        """As ``billing.rating`` has the stretch's charges burn, or its plan where none of them does."""
        for metered in stretch.charges:
            charge = metered.charge
            counts = metered.meter is None or metered.meter.matches(event)
            billed = not event.failed or charge.bill_failed != "never"
            if charge.measures_credits and counts and billed:
                self.burner.burn(event, stretch, charge.burn_table, Sums())
        if not stretch.prices_credits and not event.failed:
            self.burner.burn(event, stretch, stretch.terms.burn_table, Sums())


def _receipt(new: NewEvent, rehearsal: Rehearsal | None, for_operator: bool) -> dict[str, Any]:
    cost = cost_of_event(new)
    event = as_stored(new, cost)
    draws, charges = rehearsal.rate(event) if rehearsal else ((), ())
    status = "unmatched" if rehearsal is None else "unpriced" if cost.unpriced else "rated"
    receipt = Receipt(
        event,
        new.customer,
        status,
        dict(event.usage),
        cost.amount,
        cost_parts_of(event),
        draws,
        charges,
        rehearsal.currency if rehearsal else "USD",
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
