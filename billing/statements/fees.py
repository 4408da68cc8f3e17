"""A plan's fee: for the stretches of a period, in advance or in arrears, with what a change gives back."""

from dataclasses import dataclass
from decimal import Decimal

from billing.models import Subscription
from billing.statements.parts import Parts, within
from billing.subscriptions.basis import basis_for
from billing.subscriptions.lifecycle import segments_between, whole_period
from billing.subscriptions.overrides import own_terms
from billing.subscriptions.terms import Stretch, stretch_of
from billing.subscriptions.trials import paid_part, trial_words
from core.money import ZERO, kept_amount, prorate
from core.periods import Period, Share, change_edge, day_share, second_share, termination_edge
from pricing.engine.charge import HUNDRED
from pricing.engine.invoice import Fee

ADVANCE = "advance"


@dataclass(frozen=True)
class Elsewhere:
    """What other documents bill of this period's fees, less what this one bills of another's: as listed, and discounted."""

    listed: Decimal = ZERO
    billed: Decimal = ZERO


def period_share(subscription: Subscription, period: Period, proration: str = "day") -> Share | None:
    """The part of the whole calendar period in which the subscription ran and was paid for; ``None`` for all of it."""
    whole = whole_around(subscription, period)
    paid = paid_part(subscription, period)
    if paid is None:
        return Share(0, 1)
    if paid == whole or proration == "none":
        return None
    return share_of(paid, whole, subscription.timezone, proration, ends=subscription.ends_at == paid.end)


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


def add_own_fees(parts: Parts, stretches: list[Stretch], period: Period) -> None:
    """The fees of the period's own stretches, each for its share."""
    for stretch, fee in own_fees(stretches, period):
        several = len(stretches) > 1
        parts.add_fee(
            fee, period=within(stretch, period) if several else period, segment_id=stretch.segment_id
        )


def own_fees(stretches: list[Stretch], period: Period) -> list[tuple[Stretch, Fee]]:
    """Each stretch that has a fee, and its fee. A plan that does not prorate has its whole fee once, if it came first."""
    fees: list[tuple[Stretch, Fee]] = []
    paid = [stretch for stretch in stretches if not stretch.trial]
    for stretch in paid:
        if not stretch.terms.fee or (stretch.terms.proration == "none" and stretch is not paid[0]):
            continue
        share = stretch_share(stretch, period)
        percent = stretch.terms.discount_percent or ZERO
        fees.append((stretch, Fee(stretch.terms.fee, share, f"{stretch.terms.name} plan", percent)))
    return fees


def commitment_of(stretches: list[Stretch], period: Period) -> Decimal | None:
    """What is committed to in the period: each stretch's commitment, shared as its fee is. None where none has one."""
    committed: Decimal | None = None
    paid = [stretch for stretch in stretches if not stretch.trial]
    for stretch in paid:
        amount = stretch.terms.commitment
        if amount is None or (stretch.terms.proration == "none" and stretch is not paid[0]):
            continue
        share = stretch_share(stretch, period)
        committed = (committed or ZERO) + (amount if share is None else prorate(amount, share))
    return committed


def add_trial(parts: Parts, stretches: list[Stretch], period: Period) -> None:
    """A line of nothing that says which days were free."""
    free = [stretch for stretch in stretches if stretch.trial]
    if free:
        days = Period(within(free[0], period).start, within(free[-1], period).end)
        parts.add_fee(Fee(ZERO, None, trial_words(free[0].subscription)), period=days)


def add_billed_fees(
    parts: Parts,
    subscription: Subscription,
    stretches: list[Stretch],
    period: Period,
    n: int,
) -> Elsewhere:
    """What a closing invoice bills in fees; returns what of this period's fees is billed elsewhere.

    A fee in arrears is billed for the stretches as they were. One in advance was billed before: where that is not what
    the stretches come to by now, because the plan or the discount changed or the subscription ended, it is given back as
    it was billed, and the stretches are billed as they were. Then comes the next period's fee, unless the subscription
    has ended.
    """
    billed = billed_in_advance(subscription, period)
    in_advance = bool(stretches) and stretches[-1].terms.fee_timing == ADVANCE
    listed, due = _sums(stretches, period)
    elsewhere = Elsewhere(listed, billed) if billed else Elsewhere()
    if not billed or billed != due:
        add_own_fees(parts, stretches, period)
        if billed:
            back = Fee(-billed, None, "Plan fee already billed in advance", discount_percent=ZERO)
            parts.add_fee(back, period=period)
            elsewhere = Elsewhere(billed, billed)
    following = next_fee(subscription, n) if in_advance else None
    if following is None:
        return elsewhere
    stretch, coming = following
    percent = own_terms(stretch.terms, subscription, coming).discount_percent or ZERO
    fee = Fee(stretch.terms.fee, None, f"{stretch.terms.name} plan", discount_percent=percent)
    parts.add_fee(fee, period=coming, segment_id=stretch.segment_id)
    return Elsewhere(
        elsewhere.listed - stretch.terms.fee, elsewhere.billed - _discounted(stretch.terms.fee, percent)
    )


def _sums(stretches: list[Stretch], period: Period) -> tuple[Decimal, Decimal]:
    """What the stretches' own fees come to, as listed and after the discount."""
    listed = due = ZERO
    for _, fee in own_fees(stretches, period):
        amount = fee.amount if fee.share is None else prorate(fee.amount, fee.share)
        listed += amount
        due += kept_amount(_discounted(amount, fee.discount_percent))
    return listed, due


def _discounted(amount: Decimal, percent: Decimal | None) -> Decimal:
    return amount * (HUNDRED - percent) / HUNDRED if percent else amount


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
    earlier = [
        fee.unrounded
        for fee in basis_for(subscription, period.start).fees
        if period.start <= fee.period_start < period.end
        and (fee.invoice_period_end <= period.start or fee.invoice_kind == "start")
    ]
    return sum(earlier, ZERO)
