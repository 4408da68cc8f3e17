"""Receipts: how one event was rated, in full, down to the price rows, the draws and the invoice line."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from billing.models import CreditGrant, Invoice, InvoiceLine, RatingPosition
from billing.recounts.redraws import Standing, standing_draws
from billing.subscriptions.terms import MeteredCharge, Stretch, stretches_of
from core.ids import public_id
from core.money import ZERO, exact, plain, plain_or_none
from core.times import render_time
from customers.models import Customer
from metering.stored_event import StoredEvent, event_by_id
from pricing.engine.contributions import contribution
from pricing.engine.usage import EventFacts, UnpricedEvent
from pricing.models import BurnTableVersion, PriceRow


@dataclass(frozen=True)
class CostPart:
    """One bucket's cost: its quantity, the price of one unit, and the row that says so."""

    bucket: str
    quantity: Decimal
    unit_price: Decimal | None
    amount: Decimal | None
    price_row: int | None
    source: str = ""


@dataclass(frozen=True)
class DrawPart:
    """Credits drawn from one grant, or as overage."""

    token_kind: str
    quantity: Decimal
    credits: Decimal
    grant_id: str | None
    grant_name: str
    burn_table: str
    burn_version: int
    burn_row: str


@dataclass(frozen=True)
class ChargePart:
    """What the event adds to one charge. ``price`` is the event's own, where the charge prices events one by one."""

    charge: str
    plan: str
    model: str
    quantity: Decimal
    unit: str
    price: Decimal | None
    lift: Decimal


@dataclass(frozen=True)
class Receipt:
    """One event, told in full. ``status`` is rated, pending, unpriced, unmatched or withdrawn."""

    event: StoredEvent
    customer_key: str
    status: str
    tokens: dict[str, str]
    cost: Decimal
    cost_parts: tuple[CostPart, ...]
    draws: tuple[DrawPart, ...]
    charges: tuple[ChargePart, ...]
    currency: str
    invoice: Invoice | None
    invoice_lines: tuple[InvoiceLine, ...]

    @property
    def credits(self) -> Decimal:
        return sum((draw.credits for draw in self.draws), ZERO)

    @property
    def price(self) -> Decimal | None:
        """The event's own price in ``currency``; None where no charge prices it by itself."""
        return own_price(self.charges)


@exact
def receipt_of(customer: Customer, event_id: str, source: str | None = None) -> Receipt | None:
    """The receipt of a stored event; ``None`` where the customer has no such event."""
    event = event_by_id(customer.id, event_id, source)
    if event is None:
        return None
    position = RatingPosition.objects.filter(customer_id=customer.id).first()
    rated = position is not None and position.rated_seq >= event.seq
    standing = [draw for draw in standing_draws(customer.id, seqs=[event.seq]) if draw.source == event.source]
    charges, stretch = _charges(customer, event, standing)
    invoice, lines = _invoice(stretch, event, [part.charge for part in charges])
    status = "unpriced" if event.unpriced else "rated" if rated else "pending"
    return Receipt(
        event,
        customer.key,
        status,
        dict(event.usage),
        event.cost,
        cost_parts_of(event),
        _draws(customer.id, standing),
        charges,
        customer.currency,
        invoice,
        lines,
    )


def cost_parts_of(event: StoredEvent) -> tuple[CostPart, ...]:
    """Each bucket with the price row that priced it, and what a call cost besides its tokens."""
    rows = PriceRow.objects.select_related("snapshot").in_bulk(list(event.cost_rows.values()))
    parts = []
    for bucket, text in event.usage.items():
        quantity = Decimal(text)
        row = rows.get(event.cost_rows.get(bucket, 0))
        if row is None:
            parts += [CostPart(bucket, quantity, None, None, None)] if quantity else []
            continue
        source = f"{row.snapshot.source} {row.snapshot.version}"
        parts.append(CostPart(bucket, quantity, row.price, quantity * row.price, row.id, source))
    for bucket, row_id in event.cost_rows.items():
        if bucket not in event.usage and row_id in rows and not rows[row_id].is_percent:
            row = rows[row_id]
            parts.append(CostPart(bucket, Decimal(1), row.price, row.price, row_id, row.snapshot.source))
    return tuple(parts)


def _draws(customer_id: int, rows: Sequence[Standing]) -> tuple[DrawPart, ...]:
    """The draws that stand: what a correction or a later grant took back is not part of how the event was rated."""
    grants = CreditGrant.objects.filter(
        customer_id=customer_id, id__in=[row.grant_id for row in rows if row.grant_id]
    )
    names = {grant.id: grant.name or grant.key for grant in grants}
    versions = BurnTableVersion.objects.select_related("table").in_bulk([row.version_id for row in rows])
    return draw_parts(rows, names, versions)


def draw_parts(
    rows: Iterable[Standing], grant_names: Mapping[UUID, str], versions: Mapping[int, BurnTableVersion]
) -> tuple[DrawPart, ...]:
    """The draws with the names of their grants and burn tables."""
    return tuple(
        DrawPart(
            row.token_kind,
            row.quantity,
            row.credits,
            public_id("grant", row.grant_id) if row.grant_id else None,
            grant_names[row.grant_id] if row.grant_id else "overage",
            versions[row.version_id].table.key,
            versions[row.version_id].number,
            row.burn_row,
        )
        for row in rows
    )


def _charges(
    customer: Customer, event: StoredEvent, draws: Sequence[Standing]
) -> tuple[tuple[ChargePart, ...], Stretch | None]:
    """What the event adds to charges, and the first stretch that it falls into."""
    held = [stretch for stretch in stretches_of(customer.id) if stretch.holds(event.occurred_at)]
    parts = [part for stretch in held for part in charge_parts(stretch, event, draws)]
    return tuple(parts), held[0] if held else None


@exact
def own_price(parts: Iterable[ChargePart]) -> Decimal | None:
    """What the parts that are priced by themselves come to; None where there is none."""
    prices = [part.price for part in parts if part.price is not None]
    return sum(prices, ZERO) if prices else None


@exact
def charge_parts(stretch: Stretch, event: StoredEvent, draws: Iterable[Standing]) -> list[ChargePart]:
    """What the event adds to each charge of the stretch. Of its ``draws`` the stretch counts its own subscription's.

    Draws that name no subscription are older than a second one that burns the same event.
    """
    own = [draw for draw in draws if draw.subscription_id in (None, stretch.subscription.id)]
    credits = sum((draw.credits for draw in own), ZERO)
    covered = sum((draw.credits for draw in own if draw.grant_id), ZERO)
    parts = []
    for metered in stretch.charges:
        charge = metered.charge
        if metered.meter is not None and not metered.meter.matches(event):
            continue
        if charge.measures_credits:
            facts = [
                EventFacts(ZERO, event.cost, failed=event.failed, credits=credits, credits_covered=covered)
            ]
        else:
            facts = [
                EventFacts(quantity, cost, dict(dimensions), metered.own_price(event), event.failed)
                for dimensions, quantity, cost in metered.quantities(event)
            ]
        for fact in facts:
            parts += _charge_part(stretch, metered, fact)
    return parts


def _charge_part(stretch: Stretch, metered: MeteredCharge, fact: EventFacts) -> list[ChargePart]:
    charge, unit = metered.charge, metered.unit
    named = (charge.key, stretch.terms.name, charge.model.name)
    try:
        usage = None if charge.counts_in_order else contribution(charge, fact)
    except UnpricedEvent:
        return [ChargePart(*named, fact.quantity, unit, None, ZERO)]
    if usage is None:
        return []
    price = usage.amount + usage.lift if charge.prices_events and metered.adds_up else None
    return [ChargePart(*named, usage.quantity, unit, price, usage.lift)]


def _invoice(
    stretch: Stretch | None, event: StoredEvent, charges: list[str]
) -> tuple[Invoice | None, tuple[InvoiceLine, ...]]:
    if stretch is None:
        return None, ()
    at = event.occurred_at
    invoices = Invoice.objects.filter(
        customer_id=stretch.subscription.customer_id,
        subscription_id=stretch.subscription.id,
        kind="period",
        finalized_at__isnull=False,
    ).exclude(status=Invoice.Status.VOID)
    # An event that came after its period was invoiced is on the first invoice that had seen it.
    on_time = invoices.filter(period_start__lte=at, period_end__gt=at, closing_seq__gte=event.seq)
    later = invoices.filter(period_start__gt=at, closing_seq__gte=event.seq).order_by("period_start")
    invoice = on_time.first() or later.first()
    if invoice is None:
        return None, ()
    lines = InvoiceLine.objects.filter(
        customer_id=invoice.customer_id, invoice_id=invoice.id, charge__in=charges
    )
    lines = lines.filter(period_start__lte=at, period_end__gt=at, segment_id=stretch.segment_id)
    return invoice, tuple(lines.order_by("n"))


def receipt_json(receipt: Receipt, *, for_operator: bool) -> dict[str, Any]:
    """The receipt as the API shows it; what it cost us is for the operator alone."""
    event = receipt.event
    body: dict[str, Any] = {
        "id": event.event_id,
        "source": event.source,
        "customer": receipt.customer_key,
        "type": event.type,
        "time": render_time(event.occurred_at),
        "provider": event.provider,
        "model": event.model,
        "context": event.context,
        "status": receipt.status,
        "tokens": receipt.tokens,
        "credits": _credits_json(receipt),
        "charges": [
            {
                "charge": part.charge,
                "plan": part.plan,
                "model": part.model,
                "quantity": plain(part.quantity),
                "unit": part.unit or None,
                "price": plain_or_none(part.price),
                "currency": receipt.currency,
            }
            for part in receipt.charges
        ],
        "invoice_line": _line_json(receipt),
    }
    if for_operator:
        body["cost"] = _cost_json(receipt)
    return body


def _credits_json(receipt: Receipt) -> dict[str, Any]:
    return {
        "amount": plain(receipt.credits),
        "lines": [
            {
                "token_kind": draw.token_kind,
                "quantity": plain(draw.quantity),
                "credits": plain(draw.credits),
                "burn_table": draw.burn_table,
                "burn_table_version": draw.burn_version,
                "burn_row": draw.burn_row,
            }
            for draw in receipt.draws
        ],
        "draws": [
            {"grant": draw.grant_id, "name": draw.grant_name, "credits": plain(draw.credits)}
            for draw in receipt.draws
        ],
    }


def _cost_json(receipt: Receipt) -> dict[str, Any]:
    return {
        "amount": plain(receipt.cost),
        "currency": "USD",
        "lines": [
            {
                "bucket": part.bucket,
                "quantity": plain(part.quantity),
                "unit_price": plain_or_none(part.unit_price),
                "amount": plain_or_none(part.amount),
                "price_row": part.price_row,
                "source": part.source,
            }
            for part in receipt.cost_parts
        ],
    }


def _line_json(receipt: Receipt) -> dict[str, Any] | None:
    if receipt.invoice is None:
        return None
    return {
        "invoice": public_id("inv", receipt.invoice.id),
        "number": receipt.invoice.number,
        "lines": [line.n for line in receipt.invoice_lines],
    }
