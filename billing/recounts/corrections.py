"""Corrections that have been applied: what a page says of figures that are not what they were."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Exists, OuterRef

from billing.models import Invoice, ReRating, ReRatingStep
from core.money import from_minor

SHOWN_MAX = 5


@dataclass(frozen=True)
class Applied:
    """One re-rating that changed something; ``events`` is how many of the one customer who is asked about."""

    re_rating: ReRating
    at: datetime
    events: int | None


def corrections_of(customer_id: int, start: datetime, end: datetime) -> list[Applied]:
    """What was corrected of the customer's events between the two instants, the latest first."""
    steps = ReRatingStep.objects.filter(
        customer_id=customer_id,
        state=ReRatingStep.State.APPLIED,
        applied__events__gt=0,
        re_rating__span_start__lt=end,
        re_rating__span_end__gt=start,
    )
    return [
        Applied(step.re_rating, step.applied_at or step.re_rating.created_at, (step.applied or {})["events"])
        for step in steps.select_related("re_rating").order_by("-applied_at", "re_rating_id")[:SHOWN_MAX]
    ]


def corrections_between(start: datetime, end: datetime) -> list[Applied]:
    """What was corrected of anybody's events between the two instants, the latest first."""
    changed = ReRatingStep.objects.filter(
        re_rating=OuterRef("id"), state=ReRatingStep.State.APPLIED, applied__events__gt=0
    )
    rows = ReRating.objects.filter(Exists(changed), span_start__lt=end, span_end__gt=start)
    found = rows.order_by("-id")[:SHOWN_MAX]
    return [Applied(row, row.applied_at or row.created_at, None) for row in found]


@dataclass(frozen=True)
class Difference:
    """What a correction changes of an invoice that was sent; it is a line on the next one. ``change`` is before tax."""

    re_rating: ReRating
    at: datetime
    change: Decimal


def differences_of(invoice: Invoice) -> list[Difference]:
    """The corrections that reached this invoice after it was sent, the latest first."""
    if not invoice.number:
        return []
    found: list[Difference] = []
    for step in _steps_of(invoice):
        for period in (step.applied or {})["periods"]:
            moved = period["subtotal_after_minor"] - period["subtotal_before_minor"]
            if period["invoice"] == invoice.number and moved and step.applied_at:
                found.append(Difference(step.re_rating, step.applied_at, from_minor(moved, invoice.exponent)))
    return found


def _steps_of(invoice: Invoice) -> Sequence[ReRatingStep]:
    return list(
        ReRatingStep.objects.filter(
            customer_id=invoice.customer_id,
            state=ReRatingStep.State.APPLIED,
            applied__events__gt=0,
            re_rating__span_start__lt=invoice.period_end,
            re_rating__span_end__gt=invoice.period_start,
        )
        .select_related("re_rating")
        .order_by("-applied_at", "re_rating_id")
    )
