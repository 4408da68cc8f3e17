"""What a subscription's period comes to: usage, fees, commitment and floor, through the one pipeline of the engine.

The same function serves the spend so far, the draft and the final invoice, so they can never disagree. It is given a
reader of usage: hourly buckets in daily work, the raw events themselves when the books are verified.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from uuid import UUID

from billing.models import Subscription
from billing.statements.add_ons import add_add_on_fees
from billing.statements.buckets import BucketReader
from billing.statements.fees import (
    Elsewhere,
    add_billed_fees,
    add_own_fees,
    add_trial,
    commitment_of,
    stretch_share,
)
from billing.statements.late_usage import COMMITMENT, LateSpan, add_corrections, add_late_usage
from billing.statements.parts import Parts, UsageReader, describe, stretch_pools, within
from billing.subscriptions.basis import read_ahead
from billing.subscriptions.lifecycle import segments_between
from billing.subscriptions.overrides import with_own_terms
from billing.subscriptions.terms import Stretch, stretch_of
from core.currencies import exponent_of
from core.money import ZERO, AmountTooLarge, exact
from core.periods import Period
from core.problems import Conflict
from pricing.engine.invoice import (
    ChargeUsage,
    FloorOutcome,
    MarginFloor,
    PeriodInput,
    PeriodLine,
    RatedPeriod,
    rate_period,
)
from pricing.engine.usage import Usage
from pricing.plan_terms import PlanTerms


@dataclass(frozen=True)
class StatementLine:
    """A rated line with what it belongs to. ``unit`` is what one of its quantity is called, where it counts something."""

    rated: PeriodLine
    description: str
    period: Period
    segment_id: UUID | None = None
    charge: str = ""
    usage: tuple[Usage, ...] = ()
    corrects: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Statement:
    """A period's lines and sums; amounts are before tax unless they say otherwise."""

    subscription: Subscription
    period: Period
    currency: str
    exponent: int
    lines: tuple[StatementLine, ...]
    subtotal_minor: int
    tax_minor: int
    total_minor: int
    cost: Decimal
    credit_revenue: Decimal
    floor: FloorOutcome | None


@dataclass
class Sums:
    """What a period's calls cost and burnt, what is committed to, and what of its fees other documents bill.

    ``free_cost`` is a trial's.
    """

    cost: Decimal = ZERO
    free_cost: Decimal = ZERO
    credit_revenue: Decimal = ZERO
    committed: Decimal | None = None
    elsewhere: Elsewhere = field(default_factory=Elsewhere)

    def add(self, calls: Usage, *, free: bool) -> None:
        """Count the calls of a stretch; credits burnt in a trial are revenue all the same."""
        self.cost += calls.cost
        self.credit_revenue += calls.amount
        if free:
            self.free_cost += calls.cost


def spend_statement(subscription: Subscription, *, read: UsageReader | None = None) -> Statement:
    """The open period so far, with its own fee, whenever that is billed."""
    return period_statement(
        subscription, Period(subscription.period_start, subscription.period_end), read=read
    )


def period_statement(
    subscription: Subscription,
    period: Period,
    *,
    read: UsageReader | None = None,
    stretches: list[Stretch] | None = None,
) -> Statement:
    """What one period came to by itself, with its own fee and all usage known now, late or not.

    With ``stretches`` it is what the period would have come to under those.
    """
    return _rated(subscription, period, [], read, with_own_fee=True, stretches=stretches)


def closing_statement(
    subscription: Subscription,
    period: Period,
    n: int,
    late: Sequence[LateSpan],
    *,
    read: UsageReader | None = None,
) -> Statement:
    """The invoice of a period that is over: its usage, fees in arrears, the next period's fee in advance, and what came
    late for earlier periods."""
    return _rated(subscription, period, late, read, with_own_fee=False, n=n)


def correction_statement(
    subscription: Subscription, period: Period, late: Sequence[LateSpan], *, read: UsageReader | None = None
) -> Statement:
    """What came late for periods of a subscription that has ended: the corrections alone."""
    return _rated(subscription, period, late, read, with_own_fee=False, corrections_only=True)


def start_statement(subscription: Subscription, period: Period) -> Statement:
    """The first invoice of a plan whose fee is billed in advance: that fee alone."""
    parts = Parts()
    stretches = with_own_terms(stretches_in(subscription, period)[:1], subscription, period)
    add_own_fees(parts, stretches, period)
    bare = replace(stretches[0].terms, margin_floor=None)
    return _statement(subscription, period, bare, parts, Sums())


@exact
def _rated(
    subscription: Subscription,
    period: Period,
    late: Sequence[LateSpan],
    read: UsageReader | None,
    *,
    with_own_fee: bool,
    n: int | None = None,
    corrections_only: bool = False,
    stretches: list[Stretch] | None = None,
) -> Statement:
    with read_ahead(subscription, period.start):
        return _rated_from(
            subscription,
            period,
            late,
            read or BucketReader(),
            stretches,
            with_own_fee=with_own_fee,
            n=n,
            corrections_only=corrections_only,
        )


def _rated_from(
    subscription: Subscription,
    period: Period,
    late: Sequence[LateSpan],
    read: UsageReader,
    stretches: list[Stretch] | None,
    *,
    with_own_fee: bool,
    n: int | None,
    corrections_only: bool,
) -> Statement:
    stretches = stretches_in(subscription, period) if stretches is None else stretches
    stretches = with_own_terms(stretches, subscription, period)
    # After the end there is no stretch of its own: what is corrected then goes by the terms of the period it belongs to.
    ruling = stretches or [
        stretch
        for span in late
        for stretch in with_own_terms(stretches_in(subscription, span.period), subscription, period)
    ]
    terms = ruling[-1].terms if ruling else None
    if terms is not None and corrections_only:
        terms = replace(terms, margin_floor=None)
    parts, sums = Parts(), Sums()
    for stretch in stretches:
        _add_usage(parts, stretch, period, read, several=len(stretches) > 1)
        for calls in read(stretch, None, period):
            sums.add(calls, free=stretch.trial)
    for span in late:
        if span.corrected:
            due = _rated(subscription, span.period, [], read, with_own_fee=True)
            add_corrections(parts, subscription, span, due.lines)
        else:
            _add_late(parts, subscription, span, read)
    if not corrections_only:
        add_trial(parts, stretches, period)
    if with_own_fee:
        add_own_fees(parts, stretches, period)
    elif n is not None:
        sums.elsewhere = add_billed_fees(parts, subscription, stretches, period, n)
    if terms is not None and not corrections_only:
        add_add_on_fees(parts, subscription, period, terms)
        sums.committed = commitment_of(stretches, period)
    return _statement(subscription, period, terms, parts, sums)


def _statement(
    subscription: Subscription,
    period: Period,
    terms: PlanTerms | None,
    parts: Parts,
    sums: Sums,
) -> Statement:
    customer = subscription.customer
    currency = terms.currency if terms is not None else customer.currency
    exponent = exponent_of(currency)
    floor = terms.margin_floor if terms is not None else None
    rated = _rate(
        subscription,
        PeriodInput(
            currency_exponent=exponent,
            charges=parts.charges,
            corrections=parts.corrections,
            fees=parts.fees,
            commitment=sums.committed,
            subscription_discount_percent=None if terms is None else terms.discount_percent,
            margin_floor=None if floor is None else MarginFloor(floor.rate, floor.on_breach),
            cost_total=sums.cost - sums.free_cost,
            credit_revenue=sums.credit_revenue,
            spent_elsewhere=sums.elsewhere.listed,
            billed_elsewhere=sums.elsewhere.billed,
            cap=None if terms is None else terms.cap,
            tax_rate=customer.tax_rate or None,
        ),
    )
    lines = []
    described = parts.described
    for index, line in enumerate(rated.lines):
        extra = (
            described[index]
            if index < len(described)
            else {"description": line.description, "period": period}
        )
        lines.append(StatementLine(line, **extra))
    kept = tuple(
        line for line in lines if line.rated.quantity or line.rated.amount_minor or line.rated.unrounded
    )
    return Statement(
        subscription,
        period,
        currency,
        exponent,
        kept,
        rated.subtotal_minor,
        rated.tax_minor,
        rated.total_minor,
        sums.cost,
        sums.credit_revenue,
        rated.floor,
    )


def _rate(subscription: Subscription, period: PeriodInput) -> RatedPeriod:
    try:
        return rate_period(period)
    except AmountTooLarge as error:
        detail = (
            f"The period of subscription {subscription.key} comes to more than a document can hold: {error}"
        )
        raise Conflict(detail) from error


def stretches_in(subscription: Subscription, period: Period) -> list[Stretch]:
    """The subscription's stretches that overlap the period, in order."""
    return [stretch_of(segment, subscription) for segment in segments_between(subscription, period)]


def _add_late(parts: Parts, subscription: Subscription, span: LateSpan, read: UsageReader) -> None:
    """What came late for an earlier period, at the discount of that period, and what it leaves of the true-up."""
    stretches = with_own_terms(stretches_in(subscription, span.period), subscription, span.period)
    for stretch in stretches:
        add_late_usage(parts, stretch, span, read)
    if any(stretch.terms.commitment is not None for stretch in stretches):
        due = _rated(subscription, span.period, [], read, with_own_fee=True)
        add_corrections(parts, subscription, span, due.lines, kind=COMMITMENT)


def _add_usage(parts: Parts, stretch: Stretch, period: Period, read: UsageReader, *, several: bool) -> None:
    share = stretch_share(stretch, period)
    usages = {metered.charge.key: tuple(read(stretch, metered, period)) for metered in stretch.charges}
    pools = stretch_pools(stretch, usages, share)
    for metered in stretch.charges:
        usage = usages[metered.charge.key]
        item = ChargeUsage(
            metered.charge,
            usage,
            share=share,
            pool=pools.get(metered.charge.key),
            discount_percent=stretch.terms.discount_percent or ZERO,
        )
        parts.add_charge(
            item,
            description=describe(stretch, metered, several=several),
            period=within(stretch, period),
            segment_id=stretch.segment_id,
            charge=metered.charge.key,
            usage=usage,
            unit=metered.unit,
        )
