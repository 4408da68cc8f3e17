"""Credits at a change of plan within a period: like the fee, each plan's credits are for its own days.

From the change on, the old plan's grant keeps its share of the days: what is left beyond it is taken back, and what was
used stays used. The new plan brings its share of the days that are left. So a change to the same credits changes nothing.
"""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Sum

from billing.credits.grants import grant_credits, void_grant
from billing.credits.lent_credits import SHARED
from billing.credits.plan_credits import given_credits, is_as_granted, new_plan_grant, period_prefix
from billing.ledger import CREDIT, Entry, grant_account, post
from billing.models import (
    CreditGrant,
    LedgerEntry,
    LedgerTransaction,
    RatingPosition,
    Subscription,
    SubscriptionSegment,
)
from billing.recounts.overage import cover_overage
from billing.statements.fees import share_of
from billing.subscriptions.lifecycle import segments_between
from core.due_work import schedule
from core.money import CONTEXT, ZERO, exact, prorate, to_stored
from core.periods import Period, Share
from pricing.plan_terms import PlanTerms

CREDITS_MOVE = "subscription.credits"


class Run(NamedTuple):
    """The part of the open period in which one plan version held; ``ended`` once another has taken over."""

    segment: SubscriptionSegment
    period: Period
    terms: PlanTerms
    ended: bool


def share_credits_at(subscription: Subscription, at: datetime, *, now: datetime) -> None:
    """Have the credits follow a change of plan: at once where it has taken effect, else when it does."""
    if at > now:
        schedule(subscription.customer_id, CREDITS_MOVE, subscription.id.hex, at)
    else:
        share_credits(subscription, now=now)


@exact
def share_credits(subscription: Subscription, *, now: datetime) -> None:
    """Give and take back what the changes of plan so far in the open period ask for; again changes nothing.

    The caller holds the customer's lock and has rated what is stored. A change in the past takes nothing back that has
    been drawn since; what was overage since then is covered by the new plan's grant.
    """
    subscription.refresh_from_db()
    if subscription.closed_at is not None:
        return
    runs = _runs(subscription, now)
    _void_replaced(subscription, now)
    _replace_first(subscription, runs[0], now)
    for place, run in enumerate(runs):
        given = given_credits(subscription, subscription.period_n, _prefix(subscription, run, place))
        if place and not given:
            _give(subscription, run, now)
        for grant in given.values():
            if run.ended and grant.voided_at is None and grant.expired_at is None:
                _keep_share(subscription, grant, run, now)


def _runs(subscription: Subscription, now: datetime) -> list[Run]:
    """The versions that have held in the open period, each from its start to its end; a trial's end is none."""
    open_period = Period(subscription.period_start, subscription.period_end)
    begun = [
        s for s in segments_between(subscription, open_period) if s.starts_at <= max(now, open_period.start)
    ]
    firsts = [
        segment
        for n, segment in enumerate(begun)
        if n == 0 or segment.plan_version_id != begun[n - 1].plan_version_id
    ]
    ends = [*(segment.starts_at for segment in firsts[1:]), open_period.end]
    return [
        Run(
            segment,
            Period(max(segment.starts_at, open_period.start), end),
            PlanTerms.of(segment.plan_version),
            ended=segment is not firsts[-1],
        )
        for segment, end in zip(firsts, ends, strict=True)
    ]


def _replace_first(subscription: Subscription, run: Run, now: datetime) -> None:
    """Where the plan changed from the period's very start: its credits are the new plan's, whole."""
    given = given_credits(subscription, subscription.period_n)
    period = Period(subscription.period_start, subscription.period_end)
    due = [
        new_plan_grant(subscription, period, run.terms, granted, key=str(index))
        for index, granted in enumerate(run.terms.credit_grants)
    ]
    standing = {index: grant for index, grant in given.items() if grant.voided_at is None}
    as_given = [
        grant.voided_at is not None or is_as_granted(grant, new, False)
        for grant, new in zip(given.values(), due, strict=False)
    ]
    if len(given) == len(due) and all(as_given):
        return
    if given_credits(subscription, subscription.period_n, _prefix(subscription, run, 1)):
        return
    for grant in standing.values():
        if grant.expired_at is None:
            void_grant(
                grant.customer_id, grant.id, now=now, reason="The plan changed from the period's start"
            )
    _give(subscription, run, now)


def _give(subscription: Subscription, run: Run, now: datetime) -> None:
    """The new plan's credits for the days that are left; none where the plan does not prorate."""
    left = Period(run.period.start, subscription.period_end)
    if run.terms.proration == "none" and left.start > subscription.period_start:
        return
    share = None if left.start == subscription.period_start else _share(subscription, left, run.terms)
    for index, granted in enumerate(run.terms.credit_grants):
        key = f"{_prefix(subscription, run, 1)}{index}"
        new = new_plan_grant(subscription, left, run.terms, granted, key=key, share=share)
        if new.amount <= 0:
            continue
        grant = grant_credits(subscription.customer_id, new, now=now)
        if grant.starts_at < now:
            cover_overage(grant, subscription.customer, now=now)


def _keep_share(subscription: Subscription, grant: CreditGrant, run: Run, now: datetime) -> None:
    """Take back what is left of a grant beyond the share of the days in which its plan held."""
    if run.terms.proration == "none":
        return
    granted_for = _share(subscription, Period(run.period.start, subscription.period_end), run.terms)
    ran = _share(subscription, run.period, run.terms)
    if granted_for.used == 0:
        return
    share = Share(ran.used, granted_for.used)  # both are counted against the whole period
    _note_share(grant, share, run.period.end)
    assert grant.share is not None
    excess = CONTEXT.subtract(grant.amount, grant.share)
    taken = min(grant.remaining, CONTEXT.subtract(excess, _taken_before(grant)))
    if taken <= 0:
        return
    entries = [Entry(grant_account(grant.id), CREDIT, -taken), Entry("voided", CREDIT, taken)]
    reference = f"{grant.id.hex}:{run.period.end.isoformat()}:{grant.remaining.normalize()}"
    post(grant.customer_id, SHARED, reference, entries, occurred_at=run.period.end, now=now)
    grant.remaining = CONTEXT.subtract(grant.remaining, taken)
    grant.save(update_fields=["remaining"])


def _note_share(grant: CreditGrant, share: Share, ends_at: datetime) -> None:
    """Note on the grant what its plan's days keep of it, and since when; what carries over is shared with it."""
    if grant.share_ends_at == ends_at:
        return
    kept = to_stored(prorate(grant.amount, share))
    if grant.share is None:
        grant.rollover = to_stored(prorate(grant.rollover, share))
    elif grant.share:
        grant.rollover = to_stored(CONTEXT.divide(CONTEXT.multiply(grant.rollover, kept), grant.share))
    grant.share, grant.share_ends_at = kept, ends_at
    grant.share_seq = RatingPosition.objects.get(customer_id=grant.customer_id).rated_seq
    grant.save(update_fields=["rollover", "share", "share_ends_at", "share_seq"])


def _taken_before(grant: CreditGrant) -> Decimal:
    """What changes of plan have taken back of the grant, less what was given back to it since."""
    own = LedgerTransaction.objects.filter(customer_id=grant.customer_id, kind=SHARED)
    entries = LedgerEntry.objects.filter(
        customer_id=grant.customer_id, transaction_id__in=own.values("id"), account=grant_account(grant.id)
    )
    return -(entries.aggregate(sum=Sum("amount"))["sum"] or ZERO)


def _void_replaced(subscription: Subscription, now: datetime) -> None:
    """A change that another replaced before its period was over: what is left of its credits goes."""
    prefix = f"{period_prefix(subscription, subscription.period_n)}at:"
    own = {"customer_id": subscription.customer_id, "subscription_id": subscription.id}
    stand = {one.hex for one in SubscriptionSegment.objects.filter(**own).values_list("id", flat=True)}
    for grant in CreditGrant.objects.filter(key__startswith=prefix, voided_at=None, expired_at=None, **own):
        if grant.key.removeprefix(prefix).split(":")[0] not in stand:
            void_grant(grant.customer_id, grant.id, now=now, reason="The change of plan was replaced")


def _prefix(subscription: Subscription, run: Run, place: int) -> str:
    prefix = period_prefix(subscription, subscription.period_n)
    return f"{prefix}at:{run.segment.id.hex}:" if place else prefix


def _share(subscription: Subscription, used: Period, terms: PlanTerms) -> Share:
    whole = Period(subscription.period_start, subscription.period_end)
    return share_of(used, whole, subscription.timezone, terms.proration, ends=False)
