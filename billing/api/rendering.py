"""Billing's objects as the API shows them."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from billing.credits.grants import Balance, GrantBalance
from billing.credits.history import Movement
from billing.forecast import Forecast
from billing.margins import Margin, margin_of, together
from billing.models import CreditGrant, Invoice, InvoiceLine, Subscription, SubscriptionSegment
from billing.statements.statement import Statement, StatementLine
from billing.subscriptions.overrides import planned_overrides_of
from billing.subscriptions.terms import segments_ahead
from billing.subscriptions.trials import in_trial
from core.ids import public_id
from core.money import CONTEXT, plain, plain_or_none
from core.periods import Period
from core.times import render_time
from customers.models import Customer

SHARE_STEP = Decimal("0.000001")


def period_json(period: Period) -> dict[str, str]:
    return {"start": render_time(period.start), "end": render_time(period.end)}


def subscription_json(
    subscription: Subscription, at: datetime, *, for_operator: bool = True
) -> dict[str, Any]:
    """The subscription, with the plan version it has at the instant, and its stretches from the open period on.

    Margins are the operator's own business: a customer does not see its floor.
    """
    return subscriptions_json([subscription], at, for_operator=for_operator)[0]


def subscriptions_json(
    subscriptions: Sequence[Subscription], at: datetime, *, for_operator: bool
) -> list[dict[str, Any]]:
    """Each as ``subscription_json`` tells it, in as many queries as one takes."""
    planned, segments = planned_overrides_of(subscriptions), segments_ahead(subscriptions)
    return [
        _subscription_json(row, at, segments[row.id], planned.get(row.id), for_operator)
        for row in subscriptions
    ]


def _subscription_json(
    subscription: Subscription,
    at: datetime,
    segments: Sequence[SubscriptionSegment],
    planned: dict[str, Any] | None,
    for_operator: bool,
) -> dict[str, Any]:
    begun = [segment for segment in segments if segment.starts_at <= at]
    current = next(iter(begun[-1:] or segments), None)
    ended = subscription.closed_at is not None
    return {
        "id": public_id("sub", subscription.id),
        "key": subscription.key,
        "customer": subscription.customer.key,
        "plan": current.plan_version.plan.key if current else None,
        "version": current.plan_version.number if current else None,
        "status": "ended" if ended else "ending" if subscription.ends_at else "active",
        "anchor": subscription.anchor.isoformat(),
        "interval": subscription.interval,
        "timezone": subscription.timezone,
        "starts_at": render_time(subscription.starts_at),
        "ends_at": render_time(subscription.ends_at) if subscription.ends_at else None,
        "period": period_json(Period(subscription.period_start, subscription.period_end)),
        "trial_ends_at": render_time(subscription.trial_ends_at) if subscription.trial_ends_at else None,
        "overrides": _overrides_json(subscription.overrides, for_operator),
        "next_overrides": None if planned is None else _overrides_json(planned, for_operator),
        "stretches": [
            {
                "plan": segment.plan_version.plan.key,
                "version": segment.plan_version.number,
                "starts_at": render_time(segment.starts_at),
                "ends_at": render_time(segment.ends_at) if segment.ends_at else None,
                "trial": in_trial(segment, subscription),
            }
            for segment in segments
        ],
    }


def _overrides_json(overrides: dict[str, Any], for_operator: bool) -> dict[str, Any]:
    return {name: value for name, value in overrides.items() if for_operator or name != "margin_floor"}


def statement_line_json(n: int, line: StatementLine) -> dict[str, Any]:
    return {
        "n": n,
        "kind": line.rated.kind,
        "description": line.description,
        "charge": line.charge or None,
        "quantity": plain(line.rated.quantity),
        "unit": line.unit or None,
        "unrounded": plain(line.rated.unrounded),
        "amount_minor": line.rated.amount_minor,
        "period": period_json(line.period),
        "explain": [step.as_json() for step in line.rated.explain],
    }


def statement_json(statement: Statement, *, for_operator: bool) -> dict[str, Any]:
    """A period so far; cost and margin for the operator alone."""
    body: dict[str, Any] = {
        "subscription": statement.subscription.key,
        "period": period_json(statement.period),
        "currency": statement.currency,
        "lines": [statement_line_json(n, line) for n, line in enumerate(statement.lines, start=1)],
        "subtotal_minor": statement.subtotal_minor,
        "tax_minor": statement.tax_minor,
        "total_minor": statement.total_minor,
    }
    return body | ({"margin": margin_json(margin_of(statement))} if for_operator else {})


def spend_json(statements: list[Statement], customer: Customer, *, for_operator: bool) -> dict[str, Any]:
    """The open periods of a customer's subscriptions, added up, and each by itself."""
    parts = [statement_json(statement, for_operator=for_operator) for statement in statements]
    lines = [line for statement in statements for line in statement.lines]
    periods = [statement.period for statement in statements]
    whole = Period(min(p.start for p in periods), max(p.end for p in periods)) if periods else None
    body: dict[str, Any] = {
        "period": period_json(whole) if whole else None,
        "currency": customer.currency,
        "lines": [statement_line_json(n, line) for n, line in enumerate(lines, start=1)],
        **{
            name: sum(part[name] for part in parts) for name in ("subtotal_minor", "tax_minor", "total_minor")
        },
        "subscriptions": parts,
    }
    if for_operator:
        body["margin"] = margin_json(together([margin_of(statement) for statement in statements]))
    return body


def share_text(share: Decimal) -> str:
    """A share of 1, to six decimals."""
    return plain(CONTEXT.quantize(share, SHARE_STEP))


def margin_json(margin: Margin) -> dict[str, Any]:
    rate = None if margin.rate is None else share_text(margin.rate)
    return {"revenue": plain(margin.revenue), "cost": plain(margin.cost), "rate": rate}


def forecast_json(found: Forecast) -> dict[str, Any]:
    return {
        "subscription": found.statement.subscription.key,
        "period": period_json(found.statement.period),
        "currency": found.statement.currency,
        "so_far_minor": found.statement.subtotal_minor,
        "expected_minor": found.expected_minor,
        "low_minor": found.low_minor,
        "high_minor": found.high_minor,
        "elapsed": share_text(found.elapsed),
        "basis": found.basis,
    }


def grant_json(grant: CreditGrant, remaining: Decimal | None = None) -> dict[str, Any]:
    ended = "voided" if grant.voided_at else "expired" if grant.expired_at else None
    return {
        "id": public_id("grant", grant.id),
        "key": grant.key,
        "name": grant.name,
        "amount": plain(grant.amount),
        "remaining": plain(grant.remaining if remaining is None else remaining),
        "category": grant.category,
        "cost_basis": plain(grant.cost_basis),
        "currency": grant.currency,
        "priority": grant.priority,
        "applies_to": grant.applies_to,
        "starts_at": render_time(grant.starts_at),
        "expires_at": render_time(grant.expires_at) if grant.expires_at else None,
        "status": ended or "active",
        "reason": grant.reason,
    }


def credits_json(balance: Balance) -> dict[str, Any]:
    """The sums of a balance, without its grants."""
    return {
        "balance": plain(balance.balance),
        "held": plain(balance.held),
        "available": plain(balance.available),
        "overage": plain(balance.overage),
    }


def balance_json(balance: Balance) -> dict[str, Any]:
    def one(row: GrantBalance) -> dict[str, Any]:
        return grant_json(row.grant, row.remaining)

    grants = [one(row) for row in balance.grants]
    return credits_json(balance) | {"grants": grants, "as_of": render_time(balance.as_of)}


def invoice_json(invoice: Invoice, lines: list[InvoiceLine], subscription_key: str) -> dict[str, Any]:
    return {
        "id": public_id("inv", invoice.id),
        "number": invoice.number or None,
        "customer": invoice.customer.key,
        "subscription": subscription_key,
        "status": invoice.status,
        "kind": invoice.kind,
        "currency": invoice.currency,
        "period": {"start": render_time(invoice.period_start), "end": render_time(invoice.period_end)},
        "subtotal_minor": invoice.subtotal_minor,
        "tax_minor": invoice.tax_minor,
        "total_minor": invoice.total_minor,
        "due_minor": invoice.open_minor,
        "paid_minor": invoice.paid_minor,
        "finalizes_at": render_time(invoice.finalizes_at) if invoice.status == "draft" else None,
        "finalized_at": render_time(invoice.finalized_at) if invoice.finalized_at else None,
        "due_at": render_time(invoice.due_at) if invoice.due_at else None,
        "paid_at": render_time(invoice.paid_at) if invoice.paid_at else None,
        "lines": [invoice_line_json(line) for line in lines],
    }


def invoice_line_json(line: InvoiceLine) -> dict[str, Any]:
    return {
        "n": line.n,
        "kind": line.kind,
        "description": line.description,
        "charge": line.charge or None,
        "quantity": plain_or_none(line.quantity),
        "unit": line.unit or None,
        "unrounded": plain(line.unrounded),
        "amount_minor": line.amount_minor,
        "period": {"start": render_time(line.period_start), "end": render_time(line.period_end)},
        "explain": line.explain,
    }


def movement_json(movement: Movement) -> dict[str, Any]:
    """A movement of credits as the API shows it."""
    return {
        "id": public_id("tx", movement.transaction.id),
        "kind": movement.transaction.kind,
        "text": movement.text,
        "change": plain(movement.change),
        "balance": plain(movement.balance),
        "entries": [
            {
                "account": entry.account,
                "grant": public_id("grant", entry.grant_id) if entry.grant_id else None,
                "amount": plain(entry.amount),
            }
            for entry in movement.entries
        ],
        "occurred_at": render_time(movement.transaction.occurred_at),
        "recorded_at": render_time(movement.transaction.recorded_at),
    }
