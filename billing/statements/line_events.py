"""The events behind an invoice line: those of its period and plan that its charge counts, as far as the invoice had them."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Sum

from billing.models import CreditDraw, Invoice, InvoiceLine, Subscription, SubscriptionSegment
from billing.statements.parts import within
from billing.statements.reversals import REVERSES, reversed_event, takes_back, usage_taken_back, window
from billing.subscriptions.terms import MeteredCharge, Stretch, stretch_of
from core.money import ZERO
from core.periods import Period
from metering.models import Event
from metering.removal import kept_since
from metering.stored_event import StoredEvent, replaced_names

Counted = Callable[[Event], Decimal | None]


def events_of_line(invoice: Invoice, line: InvoiceLine) -> tuple[QuerySet[Event], Counted]:
    """The events that may count for the line, in no order, and what says how much one counts: ``None``, not at all.

    A fee or a true-up counts no events.
    """
    found = _charge_of(invoice, line)
    if found is None:
        return Event.objects.none(), lambda event: None
    stretch, metered = found
    span = within(stretch, Period(line.period_start, line.period_end))
    counted = Q(occurred_at__gte=span.start, occurred_at__lt=span.end)
    if metered.charge.reversed_by is not None:  # what takes an event back may come after the period
        until = span.end + window(metered.charge)
        counted |= Q(type=metered.charge.reversed_by, occurred_at__gte=span.start, occurred_at__lt=until)
    events = _known(Event.objects.filter(counted, customer_id=invoice.customer_id), invoice, line)
    if metered.charge.measures_credits:
        return _overage(events), lambda event: event.overage
    return events, lambda event: _counted(metered, event, span)


def not_kept_before(line: InvoiceLine) -> datetime | None:
    """Where events that the line counted are no longer kept: since when they are. What it counted stays on the line."""
    mark = kept_since(line.customer_id) if line.charge else None
    return mark if mark is not None and line.period_start < mark else None


def _charge_of(invoice: Invoice, line: InvoiceLine) -> tuple[Stretch, MeteredCharge] | None:
    if line.segment_id is None or not line.charge:
        return None
    subscription = Subscription.objects.select_related("customer").get(
        customer_id=invoice.customer_id, id=invoice.subscription_id
    )
    segment = SubscriptionSegment.objects.select_related("plan_version__plan").filter(
        customer_id=invoice.customer_id, id=line.segment_id
    )
    for row in segment:
        stretch = stretch_of(row, subscription)
        for metered in stretch.charges:
            if metered.charge.key == line.charge:
                return stretch, metered
    return None


def _known(events: QuerySet[Event], invoice: Invoice, line: InvoiceLine) -> QuerySet[Event]:
    """The events stored when the invoice was closed; for a correction, those that came after the invoices before it."""
    if invoice.finalized_at is not None:
        events = events.filter(seq__lte=invoice.closing_seq)
    if line.kind != "correction":
        return events
    earlier = Invoice.objects.filter(
        customer_id=invoice.customer_id,
        subscription_id=invoice.subscription_id,
        kind="period",
        period_start__gte=line.period_start,
        period_start__lt=invoice.period_start,
        finalized_at__isnull=False,
    ).exclude(status=Invoice.Status.VOID)
    seen = max((row.closing_seq for row in earlier), default=0)
    return events.filter(seq__gt=seen)


def _overage(events: QuerySet[Event]) -> QuerySet[Event]:
    """Events with credits that no grant covers, and how many."""
    uncovered = (
        CreditDraw.objects.filter(
            customer_id=OuterRef("customer_id"),
            event_id=OuterRef("event_id"),
            source=OuterRef("source"),
            grant_id=None,
        )
        .values("event_id")
        .annotate(total=Sum(F("credits")))
        .values("total")
    )
    return events.annotate(overage=Subquery(uncovered)).filter(overage__gt=0)


def _counted(metered: MeteredCharge, event: Event, span: Period) -> Decimal | None:
    row = StoredEvent(*(getattr(event, name) for name in StoredEvent._fields))
    charge = metered.charge
    if row.type == charge.reversed_by:
        return _taken_back(metered, event.customer_id, row, span)
    if row.occurred_at not in span:
        return None
    if row.failed and charge.bill_failed == "never":
        return None
    if metered.meter is None or not metered.meter.matches(row):
        return None
    quantities = [quantity for _, quantity, _ in metered.quantities(row)]
    return sum(quantities, ZERO) if quantities else None


def _taken_back(
    metered: MeteredCharge, customer_id: int, reversal: StoredEvent, span: Period
) -> Decimal | None:
    """How much the event takes off the span, below zero; ``None`` where it takes nothing, or another did before."""
    original = reversed_event(customer_id, reversal)
    if original is None or original.occurred_at not in span or not takes_back(metered, reversal, original):
        return None
    earlier = Event.objects.filter(
        _names(original, customer_id),
        customer_id=customer_id,
        type=reversal.type,
        seq__gt=original.seq,
        seq__lt=reversal.seq,
        occurred_at__gte=original.occurred_at,
        occurred_at__lte=original.occurred_at + window(metered.charge),
    )
    if earlier.exists():
        return None
    return sum((usage.quantity for usage in usage_taken_back(metered, original)), ZERO)


def _names(original: StoredEvent, customer_id: int) -> Q:
    """What a reversal of the event says: its own id, or that of a report whose place it took."""
    named = [(original.event_id, original.source), *replaced_names(customer_id, original.seq)]
    wanted = Q()
    for event_id, source in named:
        wanted |= Q(source=source, **{f"properties__{REVERSES}": event_id})
    return wanted
