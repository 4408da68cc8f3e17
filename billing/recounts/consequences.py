"""What a correction changes for one customer: costs, credits, charges by invoice period, and the margin, before and after."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django.db import connection

from billing.margins import Margin, margin_of, together
from billing.models import Invoice, Subscription
from billing.statements.late_usage import COMMITMENT, USAGE
from billing.statements.statement import Statement, period_statement
from core.money import ZERO, kept_amount, plain
from core.periods import Period
from core.times import render_time

OPEN, DRAFT, FINALIZED = "open", "draft", "finalized"
# Lines of an invoiced period that what comes later corrects.
MOVING = (USAGE, COMMITMENT)


@dataclass(frozen=True)
class PeriodState:
    """One subscription's period: ``open``, or ``draft`` or ``finalized`` by its invoice, and what it comes to by itself."""

    state: str
    invoice: str
    statement: Statement

    @property
    def charges(self) -> dict[str, int]:
        """Minor units by the key of the charge."""
        sums: dict[str, int] = {}
        for line in self.statement.lines:
            if line.charge:
                sums[line.charge] = sums.get(line.charge, 0) + line.rated.amount_minor
        return sums

    @property
    def sums(self) -> dict[str, int]:
        """Minor units by the kind of line, of those that belong to no charge."""
        sums: dict[str, int] = {}
        for line in self.statement.lines:
            if not line.charge:
                sums[line.rated.kind] = sums.get(line.rated.kind, 0) + line.rated.amount_minor
        return sums

    @property
    def discount(self) -> Decimal:
        """What the subscription's discount takes off the period."""
        return sum((line.rated.discount for line in self.statement.lines), ZERO)

    @property
    def margin(self) -> Margin:
        """Of the period as it would be billed today."""
        return margin_of(self.statement)


@dataclass(frozen=True)
class Position:
    """How a customer stands: what the events of a span cost us (USD), the credits burnt since its start, and its periods."""

    cost: Decimal
    credits: Decimal
    overage: Decimal
    periods: tuple[PeriodState, ...]


def position_of(customer_id: int, span: Period) -> Position:
    """The customer's position over the span; periods are those that the span touches, whole."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (SELECT coalesce(sum(cost), 0) FROM metering_event
                    WHERE customer_id = %(customer)s AND occurred_at >= %(start)s AND occurred_at < %(end)s),
                   coalesce(sum(credits), 0), coalesce(sum(credits) FILTER (WHERE grant_id IS NULL), 0)
            FROM billing_creditdraw WHERE customer_id = %(customer)s AND occurred_at >= %(start)s
            """,
            {"customer": customer_id, "start": span.start, "end": span.end},
        )
        cost, credits, overage = cursor.fetchone()
    subscriptions = Subscription.objects.filter(customer_id=customer_id).select_related("customer")
    periods = tuple(
        state
        for subscription in subscriptions.order_by("created_at", "id")
        for state in _states(subscription, span)
    )
    return Position(cost, credits, overage, periods)


def _states(subscription: Subscription, span: Period) -> list[PeriodState]:
    invoices = Invoice.objects.filter(
        customer_id=subscription.customer_id,
        subscription_id=subscription.id,
        kind="period",
        period_start__lt=span.end,
        period_end__gt=span.start,
    ).exclude(status=Invoice.Status.VOID)
    states = [
        PeriodState(
            DRAFT if invoice.status == Invoice.Status.DRAFT else FINALIZED,
            invoice.number,
            period_statement(subscription, Period(invoice.period_start, invoice.period_end)),
        )
        for invoice in invoices.order_by("period_start")
    ]
    if subscription.closed_at is None:
        current = Period(subscription.period_start, subscription.period_end)
        if current.start < span.end and current.end > span.start:
            states.append(PeriodState(OPEN, "", period_statement(subscription, current)))
    return states


def consequences(
    before: Position, after: Position, *, events: int, whole_periods: bool = False
) -> dict[str, Any]:
    """The change as JSON: decimals as text, money of periods in minor units. ``events`` is how many changed.

    Of an invoiced period the next invoice corrects the charges and the true-up, and with ``whole_periods`` all of it: the
    change is what that invoice will bill.
    """
    if not whole_periods:
        pairs = zip(before.periods, after.periods, strict=True)
        after = replace(after, periods=tuple(_as_billed(was, becomes) for was, becomes in pairs))
    told = {
        "events": events,
        "cost": _change(before.cost, after.cost),
        "credits": _change(before.credits, after.credits),
        "overage": _change(before.overage, after.overage),
        "periods": [
            _period(was, becomes) for was, becomes in zip(before.periods, after.periods, strict=True)
        ],
        "margin": {"before": _margin(_whole(before)), "after": _margin(_whole(after))},
    }
    return {"changed": _moves(told), **told}


def _as_billed(was: PeriodState, becomes: PeriodState) -> PeriodState:
    """The period as later usage or prices leave it: fees and margin floor of an invoiced one stay as they were billed."""
    if was.state != FINALIZED:
        return becomes
    lines = tuple(line for line in becomes.statement.lines if line.rated.kind in MOVING)
    lines += tuple(line for line in was.statement.lines if line.rated.kind not in MOVING)
    subtotal_minor = sum(line.rated.amount_minor for line in lines)
    return replace(becomes, statement=replace(becomes.statement, lines=lines, subtotal_minor=subtotal_minor))


def has_changed(told: dict[str, Any]) -> bool:
    """Whether the correction changes anything for the customer, by its JSON."""
    return bool(told["changed"]) if "changed" in told else bool(told["events"])


def _moves(told: dict[str, Any]) -> bool:
    """Events of a corrected plan are rated anew even where nothing comes of it: the sums decide."""
    pairs = [told[name] for name in ("cost", "credits", "overage")] + [told["margin"]]
    moved = any(pair["before"] != pair["after"] for pair in pairs)
    return moved or any(
        row["before_minor"] != row["after_minor"]
        for period in told["periods"]
        for row in period["charges"] + period["sums"]
    )


def _period(was: PeriodState, becomes: PeriodState) -> dict[str, Any]:
    keys = sorted(was.charges.keys() | becomes.charges.keys())
    return {
        "subscription": was.statement.subscription.key,
        "start": render_time(was.statement.period.start),
        "end": render_time(was.statement.period.end),
        "state": was.state,
        "invoice": was.invoice or None,
        "currency": was.statement.currency,
        "charges": [
            {
                "charge": key,
                "before_minor": was.charges.get(key, 0),
                "after_minor": becomes.charges.get(key, 0),
            }
            for key in keys
        ],
        "sums": [
            {
                "kind": kind,
                "before_minor": was.sums.get(kind, 0),
                "after_minor": becomes.sums.get(kind, 0),
            }
            for kind in sorted(was.sums.keys() | becomes.sums.keys())
        ],
        "discount": _change(was.discount, becomes.discount),
        "subtotal_before_minor": was.statement.subtotal_minor,
        "subtotal_after_minor": becomes.statement.subtotal_minor,
        "margin_before": _margin(was.margin),
        "margin_after": _margin(becomes.margin),
    }


def _whole(position: Position) -> Margin:
    return together([state.margin for state in position.periods])


def _change(before: Decimal, after: Decimal) -> dict[str, str]:
    return {"before": plain(before), "after": plain(after), "change": plain(after - before)}


def _margin(margin: Margin) -> dict[str, str | None]:
    rate = margin.rate
    return {
        "revenue": plain(kept_amount(margin.revenue)),
        "cost": plain(kept_amount(margin.cost)),
        "rate": None if rate is None else plain(kept_amount(rate)),
    }
