"""Draft invoices: made when a period ends, worked out anew until the grace is over."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from billing.ledger import lock_customer
from billing.models import Invoice, InvoiceLine, LatePeriod, Subscription
from billing.statements.fees import whole_around
from billing.statements.late_usage import LateSpan, usage_as_json
from billing.statements.statement import (
    Statement,
    StatementLine,
    closing_statement,
    correction_statement,
    start_statement,
    stretches_in,
)
from billing.subscriptions.basis import basis_for
from core.due_work import schedule
from core.ids import new_id
from core.money import CONTEXT, to_stored
from core.periods import Period

FINALIZE_DUE = "invoice.finalize"
PERIOD = "period"
START = "start"
CORRECTION = "correction"
CORRECTION_DUE = "invoice.correction"
LINE_KINDS_COUNTED = ("usage", "correction")


def draft_invoice(subscription: Subscription, *, now: datetime) -> Invoice:
    """A draft for the subscription's open period, which has ended. The caller holds the customer's lock.

    A period has one invoice: where it already has one, that is returned as it is.
    """
    period = Period(subscription.period_start, subscription.period_end)
    grace = timedelta(hours=settings.INVOICE_GRACE_HOURS)
    return _draft(subscription, period, PERIOD, finalizes_at=period.end + grace, now=now)


def draft_start_invoice(subscription: Subscription, *, now: datetime) -> Invoice | None:
    """A draft for the first fee, where the plan bills it in advance. The caller holds the lock.

    It is the fee of the period in which the subscription starts or its trial ends, even where later periods have begun
    since. There is none where an issued invoice has billed that fee already: the one of the period itself, or, where the
    trial ends with a period, the one of the period before.
    """
    begins = subscription.trial_ends_at or subscription.starts_at
    whole = whole_around(subscription, Period(begins, begins))
    end = whole.end if subscription.ends_at is None else min(whole.end, subscription.ends_at)
    if end <= begins or (subscription.trial_ends_at is not None and whole.start == begins):
        return None
    period = Period(begins, end)
    stretches = stretches_in(subscription, period)[:1]
    if not stretches or stretches[0].terms.fee_timing != "advance" or not stretches[0].terms.fee:
        return None
    if _is_issued(subscription, max(whole.start, subscription.starts_at)):
        return None
    return _draft(subscription, period, START, finalizes_at=max(now, begins), now=now)


def _is_issued(subscription: Subscription, period_start: datetime) -> bool:
    """Whether the period's own invoice can no longer change."""
    issued = Invoice.objects.filter(
        customer_id=subscription.customer_id,
        subscription_id=subscription.id,
        period_start=period_start,
        kind=PERIOD,
        finalized_at__isnull=False,
    )
    return issued.exclude(status=Invoice.Status.VOID).exists()


def draft_correction(subscription: Subscription, *, now: datetime) -> Invoice | None:
    """A draft for what came late after a subscription's last invoice; ``None`` where nothing did. The caller holds the lock.

    A running subscription needs none: its next invoice has the corrections.
    """
    late = LatePeriod.objects.filter(customer_id=subscription.customer_id, subscription_id=subscription.id)
    if subscription.closed_at is None or not late.exists():
        return None
    return _draft(subscription, Period(now, now), CORRECTION, finalizes_at=now, now=now)


def _draft(
    subscription: Subscription, period: Period, kind: str, *, finalizes_at: datetime, now: datetime
) -> Invoice:
    existing = _period_invoice(subscription, period, kind)
    if existing is not None:
        return existing
    invoice = Invoice(
        customer_id=subscription.customer_id,
        id=new_id(),
        subscription_id=subscription.id,
        period_n=subscription.period_n,
        period_start=period.start,
        period_end=period.end,
        kind=kind,
        currency=subscription.customer.currency,
        exponent=0,
        created_at=now,
        finalizes_at=finalizes_at,
    )
    statement = statement_of(invoice, subscription)
    _take_sums(invoice, statement)
    invoice.save(force_insert=True)
    InvoiceLine.objects.bulk_create(_lines(invoice, statement))
    schedule(subscription.customer_id, FINALIZE_DUE, invoice.id.hex, finalizes_at)
    return invoice


def _period_invoice(subscription: Subscription, period: Period, kind: str) -> Invoice | None:
    """The period's invoice of that kind, where it has one that is not void."""
    basis = subscription.basis
    if basis is not None and kind == PERIOD and basis.since == period.start and not basis.invoices:
        return None
    issued = Invoice.objects.filter(
        customer_id=subscription.customer_id,
        subscription_id=subscription.id,
        period_start=period.start,
        kind=kind,
    )
    return issued.exclude(status=Invoice.Status.VOID).first()


def work_out(invoice: Invoice, subscription: Subscription) -> tuple[Statement, list[InvoiceLine]]:
    """Rate the draft's period anew: its sums, which the caller saves, and its lines as they are stored.

    Lines that have not changed since they were written stay. The caller holds the customer's lock.
    """
    statement = statement_of(invoice, subscription)
    _take_sums(invoice, statement)
    stored = InvoiceLine.objects.filter(customer_id=invoice.customer_id, invoice_id=invoice.id).order_by("n")
    lines, known = _lines(invoice, statement), list(stored)
    if list(map(_content, lines)) == list(map(_content, known)):
        return statement, known
    stored.delete()
    InvoiceLine.objects.bulk_create(lines)
    return statement, list(stored.all())


def _take_sums(invoice: Invoice, statement: Statement) -> None:
    invoice.currency = statement.currency
    invoice.exponent = statement.exponent
    invoice.subtotal_minor = statement.subtotal_minor
    invoice.tax_minor = statement.tax_minor
    invoice.total_minor = statement.total_minor
    invoice.due_minor = max(0, statement.total_minor)
    invoice.floor = _floor_json(statement)


def _lines(invoice: Invoice, statement: Statement) -> list[InvoiceLine]:
    return [_line(invoice, n, line) for n, line in enumerate(statement.lines, start=1)]


def _content(line: InvoiceLine) -> tuple[object, ...]:
    """All that a line says."""
    return tuple(getattr(line, field.attname) for field in InvoiceLine._meta.concrete_fields)


@transaction.atomic
def refresh_drafts(customer_id: int) -> None:
    """Work out the customer's drafts anew, so that they show what is rated by now."""
    drafts = Invoice.objects.filter(customer_id=customer_id, status=Invoice.Status.DRAFT)
    if not drafts.exists():
        return
    lock_customer(customer_id)
    for invoice in drafts.order_by("period_start", "id"):
        subscription = Subscription.objects.select_related("customer").get(
            customer_id=customer_id, id=invoice.subscription_id
        )
        work_out(invoice, subscription)
        invoice.save()


def statement_of(invoice: Invoice, subscription: Subscription) -> Statement:
    """What the draft's period comes to at present."""
    period = Period(invoice.period_start, invoice.period_end)
    if invoice.kind == START:
        return start_statement(subscription, period)
    if invoice.kind == CORRECTION:
        return correction_statement(subscription, period, late_periods(subscription, period.start))
    late = late_periods(subscription, period.start)
    return closing_statement(subscription, period, invoice.period_n, late)


def late_periods(subscription: Subscription, before: datetime) -> list[LateSpan]:
    """Periods of the subscription that began before, into which something has come since they were invoiced."""
    return [
        LateSpan(Period(row.period_start, row.period_end), row.corrected, row.causes)
        for row in basis_for(subscription, before).late
        if row.period_start < before
    ]


def _line(invoice: Invoice, n: int, line: StatementLine) -> InvoiceLine:
    rated = line.rated
    explain = [step.as_json() for step in rated.explain]
    return InvoiceLine(
        customer_id=invoice.customer_id,
        invoice_id=invoice.id,
        n=n,
        kind=rated.kind,
        charge=line.charge,
        corrects=line.corrects,
        segment_id=line.segment_id,
        description=line.description[:300],
        quantity=to_stored(CONTEXT.plus(rated.quantity)),
        unit=line.unit,
        unrounded=to_stored(rated.unrounded),
        amount_minor=rated.amount_minor,
        period_start=line.period.start,
        period_end=line.period.end,
        explain=explain,
        usage=[usage_as_json(usage) for usage in line.usage] if rated.kind in LINE_KINDS_COUNTED else [],
    )


def _floor_json(statement: Statement) -> dict[str, object]:
    floor = statement.floor
    if floor is None:
        return {}
    return {
        "required": str(floor.required),
        "revenue": str(floor.revenue),
        "shortfall": str(floor.shortfall),
        "billed": str(floor.billed),
        "absorbed": str(floor.absorbed),
        "alert": floor.alert,
    }
