"""Billing's objects as the API shows them."""

from decimal import Decimal
from typing import Any

from billing.credits import Balance, GrantBalance
from billing.models import CreditGrant, Invoice, InvoiceLine, Subscription
from billing.periods import Period
from billing.statement import Statement, StatementLine
from billing.subscriptions import segments_between
from core.ids import public_id
from core.money import ZERO, plain
from core.times import render_time


def text_or_none(number: Decimal | None) -> str | None:
    return None if number is None else plain(number)


def period_json(period: Period) -> dict[str, str]:
    return {"start": render_time(period.start), "end": render_time(period.end)}


def subscription_json(subscription: Subscription) -> dict[str, Any]:
    """The subscription, with the plan versions of its open period and those planned after it."""
    period = Period(subscription.period_start, subscription.period_end)
    open_ended = Period(period.start, max(period.end, subscription.ends_at or period.end))
    segments = segments_between(subscription, open_ended)
    current = segments[-1] if segments else None
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
        "period": period_json(period),
        "overrides": subscription.overrides,
        "stretches": [
            {
                "plan": segment.plan_version.plan.key,
                "version": segment.plan_version.number,
                "starts_at": render_time(segment.starts_at),
                "ends_at": render_time(segment.ends_at) if segment.ends_at else None,
            }
            for segment in segments
        ],
    }


def statement_line_json(n: int, line: StatementLine) -> dict[str, Any]:
    return {
        "n": n,
        "kind": line.rated.kind,
        "description": line.description,
        "charge": line.charge or None,
        "quantity": plain(line.rated.quantity),
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
    if for_operator:
        revenue = sum((line.rated.unrounded for line in statement.lines), ZERO) + statement.credit_revenue
        body["margin"] = margin_json(revenue, statement.cost)
    return body


def margin_json(revenue: Decimal, cost: Decimal) -> dict[str, Any]:
    rate = None if revenue <= 0 else round((revenue - cost) / revenue, 6)
    return {"revenue": plain(revenue), "cost": plain(cost), "rate": text_or_none(rate)}


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


def balance_json(balance: Balance) -> dict[str, Any]:
    def one(row: GrantBalance) -> dict[str, Any]:
        return grant_json(row.grant, row.remaining)

    return {
        "balance": plain(balance.balance),
        "held": plain(balance.held),
        "available": plain(balance.available),
        "overage": plain(balance.overage),
        "grants": [one(row) for row in balance.grants],
        "as_of": render_time(balance.as_of),
    }


def invoice_json(invoice: Invoice, lines: list[InvoiceLine] | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": public_id("inv", invoice.id),
        "number": invoice.number or None,
        "customer": invoice.customer.key,
        "status": invoice.status,
        "kind": invoice.kind,
        "currency": invoice.currency,
        "period": {"start": render_time(invoice.period_start), "end": render_time(invoice.period_end)},
        "subtotal_minor": invoice.subtotal_minor,
        "tax_minor": invoice.tax_minor,
        "total_minor": invoice.total_minor,
        "due_minor": invoice.due_minor - invoice.paid_minor,
        "paid_minor": invoice.paid_minor,
        "finalizes_at": render_time(invoice.finalizes_at) if invoice.status == "draft" else None,
        "finalized_at": render_time(invoice.finalized_at) if invoice.finalized_at else None,
        "due_at": render_time(invoice.due_at) if invoice.due_at else None,
        "paid_at": render_time(invoice.paid_at) if invoice.paid_at else None,
    }
    if lines is not None:
        body["lines"] = [invoice_line_json(line) for line in lines]
    return body


def invoice_line_json(line: InvoiceLine) -> dict[str, Any]:
    return {
        "n": line.n,
        "kind": line.kind,
        "description": line.description,
        "charge": line.charge or None,
        "quantity": text_or_none(line.quantity),
        "unrounded": plain(line.unrounded),
        "amount_minor": line.amount_minor,
        "period": {"start": render_time(line.period_start), "end": render_time(line.period_end)},
        "explain": line.explain,
    }
