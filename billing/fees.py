"""A plan's fee: for the stretches of a period, in advance or in arrears, with what a change gives back."""

from decimal import Decimal

from billing.models import Invoice, InvoiceLine, Subscription
from billing.parts import Parts, within
from billing.subscriptions import segments_between, whole_period
from billing.terms import Stretch, stretch_of
from core.money import ZERO
from core.periods import Period, Share, change_edge, day_share, second_share, termination_edge
from pricing.engine.invoice import Fee

ADVANCE = "advance"


def period_share(subscription: Subscription, period: Period, proration: str = "day") -> Share | None:
    """The part of the whole calendar period that the subscription's own period is; ``None`` for all of it."""
    whole = whole_around(subscription, period)
    if period == whole or proration == "none":
        return None
    return share_of(period, whole, subscription.timezone, proration, ends=subscription.ends_at == period.end)


def whole_around(subscription: Subscription, period: Period) -> Period:
    """The whole calendar period of which a first or last period is a part."""
    n = subscription.period_n
    while n > 0 and whole_period(subscription, n).start > period.start:
        n -= 1
    whole = whole_period(subscription, n)
    # After a change of zone the edges are the old zone's; the subscription's own edges then count.
    return Period(min(whole.start, period.start), max(whole.end, period.end))


def share_of(used: Period, whole: Period, zone: str, proration: str, *, ends: bool) -> Share:
    """The share of the whole period used, by local days or by time. ``ends``: it ended by termination, whose day counts."""
    if proration == "second":
        return second_share(used, whole)
    start = change_edge(used.start, zone)
    end = termination_edge(used.end, zone) if ends else change_edge(used.end, zone)
    if ends and change_edge(used.end, zone) == used.end:
        end = used.end  # it ends with a day: the next one is not used
    return day_share(Period(max(start, whole.start), min(end, whole.end)), whole, zone)


def stretch_share(stretch: Stretch, period: Period) -> Share | None:
    """The part of the whole period that a stretch covers; ``None`` for all of it, or where the plan does not prorate."""
    subscription = stretch.subscription
    if stretch.terms.proration == "none":
        return None
    whole = whole_around(subscription, period)
    used = within(stretch, period)
    if used == whole:
        return None
    ends = stretch.ends_at is not None and stretch.ends_at == subscription.ends_at == used.end
    return share_of(used, whole, subscription.timezone, stretch.terms.proration, ends=ends)


def add_own_fees(parts: Parts, stretches: list[Stretch], period: Period) -> Decimal:
    """The fees of the period's own stretches, each for its share; returns their sum before shares are taken."""
    total = ZERO
    for index, stretch in enumerate(stretches):
        if not stretch.terms.fee or (stretch.terms.proration == "none" and index > 0):
            continue
        several = len(stretches) > 1
        fee = Fee(stretch.terms.fee, stretch_share(stretch, period), f"{stretch.terms.name} plan")
        parts.add_fee(
            fee, period=within(stretch, period) if several else period, segment_id=stretch.segment_id
        )
        total += stretch.terms.fee
    return total


def add_billed_fees(
    parts: Parts, subscription: Subscription, stretches: list[Stretch], period: Period, n: int
) -> Decimal:
    """What a closing invoice bills in fees; returns the fee of this period billed before, less the next one's billed now.

    A fee in arrears is billed for the stretches as they were. One in advance was billed with the last invoice: where the
    plan changed or ended since, that is given back and the stretches are billed as they were. Then comes the next
    period's fee, unless the subscription has ended.
    """
    billed = billed_in_advance(subscription, period)
    in_advance = bool(stretches) and stretches[-1].terms.fee_timing == ADVANCE
    changed = len(stretches) != 1 or (
        subscription.ends_at is not None and subscription.ends_at <= period.end and billed
    )
    if not billed or changed:
        add_own_fees(parts, stretches, period)
        if billed:
            parts.add_fee(Fee(-billed, None, "Plan fee already billed in advance"), period=period)
        billed = ZERO
    following = next_fee(subscription, n) if in_advance else None
    if following is None:
        return billed
    stretch, coming = following
    parts.add_fee(
        Fee(stretch.terms.fee, None, f"{stretch.terms.name} plan"),
        period=coming,
        segment_id=stretch.segment_id,
    )
    return billed - stretch.terms.fee


def next_fee(subscription: Subscription, n: int) -> tuple[Stretch, Period] | None:
    """The stretch whose fee is due for the period after n, and that period; ``None`` when none follows."""
    coming = whole_period(subscription, n + 1)
    if subscription.ends_at is not None and subscription.ends_at <= coming.start:
        return None
    for segment in segments_between(subscription, coming)[:1]:
        stretch = stretch_of(segment, subscription)
        if stretch.terms.fee and stretch.terms.fee_timing == ADVANCE:
            return stretch, coming
    return None


def billed_in_advance(subscription: Subscription, period: Period) -> Decimal:
    """The fee of the period that earlier invoices have billed, before rounding."""
    invoices = Invoice.objects.filter(
        customer_id=subscription.customer_id, subscription_id=subscription.id, period_end__lte=period.start
    ) | Invoice.objects.filter(
        customer_id=subscription.customer_id, subscription_id=subscription.id, kind="start"
    )
    lines = InvoiceLine.objects.filter(
        customer_id=subscription.customer_id,
        invoice_id__in=list(invoices.exclude(status=Invoice.Status.VOID).values_list("id", flat=True)),
        kind="fee",
        period_start=period.start,
    )
    return sum((line.unrounded for line in lines), ZERO)
