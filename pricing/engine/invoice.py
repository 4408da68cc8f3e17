"""The money of one subscription's period, in one published order, from usage to total.

Per charge: quantity less included, model, floor, minimum and maximum, discount (``rating``). Then the
fee, the commitment, the subscription's discount, the margin floor, rounding line by line, and tax.
Credit notes and prepaid money come after the total, and are not prices.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple

from core.money import ONE, ZERO, exact, from_minor, kept_amount, prorate, round_to_minor, shown, tax_minor
from core.periods import Share
from pricing.engine.charge import HUNDRED, Charge
from pricing.engine.model import RatedLine
from pricing.engine.rating import PoolPart, RatedCharge, Step, measured_of, rate_unrounded, rounding
from pricing.engine.usage import Usage

LineKind = Literal["usage", "correction", "fee", "commitment", "margin_floor"]


class ChargeUsage(NamedTuple):
    """A charge and its usage. ``before``, ``share``, ``pool`` and ``pool_before`` mean what they mean to ``rate_charge``.

    A ``correction`` bills late usage of an earlier period; it does not count toward this period's commitment.
    ``discount_percent`` is the line's own discount, where it is not the period's: late usage has that of its period.
    """

    charge: Charge
    usage: Sequence[Usage]
    before: Sequence[Usage] = ()
    share: Share | None = None
    correction: bool = False
    discount_percent: Decimal | None = None
    pool: PoolPart | None = None
    pool_before: PoolPart | None = None


class Fee(NamedTuple):
    """A plan's fee for a whole period, and the share of it that is due; a negative amount gives an
    unused part back. ``discount_percent`` is its own discount, where it is not the period's."""

    amount: Decimal
    share: Share | None = None
    description: str = "Plan fee"
    discount_percent: Decimal | None = None


class Correction(NamedTuple):
    """What an earlier period comes to by now, less what was billed for it.

    Each side is final: discounted as it was or would be billed, ``minor`` rounded line by line. It counts toward
    nothing of this period.
    """

    description: str
    due: Decimal
    due_minor: int
    billed: Decimal
    billed_minor: int
    quantity: Decimal = ZERO
    quantity_before: Decimal = ZERO


class MarginFloor(NamedTuple):
    """The least margin of the period, as a fraction below 1, and what happens where it is not reached."""

    rate: Decimal
    on_breach: Literal["bill", "absorb", "alert"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodInput:
    """All that the money of a period depends on. Amounts are in the major unit, before tax.

    ``commitment`` is the least spend of a whole period, scaled by ``commitment_share``. ``cost_total``
    is what the period's events cost us, ``credit_revenue`` the cost basis of the credits they burnt.
    ``cap`` bounds the margin floor alone: it never lifts the period beyond it. Use is bounded by the charges'
    maximums. ``tax_rate`` is a fraction.

    Fees in advance put one period's fee on another period's document. ``spent_elsewhere`` is what counts toward the
    commitment without being a line here, less the lines here that belong to another period; ``billed_elsewhere`` is the
    same after discounts, for the margin floor and the cap.
    """

    currency_exponent: int
    charges: Sequence[ChargeUsage] = ()
    corrections: Sequence[Correction] = ()
    fees: Sequence[Fee] = ()
    commitment: Decimal | None = None
    commitment_share: Share | None = None
    subscription_discount_percent: Decimal | None = None
    margin_floor: MarginFloor | None = None
    cost_total: Decimal = ZERO
    credit_revenue: Decimal = ZERO
    cap: Decimal | None = None
    tax_rate: Decimal | None = None
    spent_elsewhere: Decimal = ZERO
    billed_elsewhere: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class PeriodLine:
    """One line of an invoice. ``unrounded`` is after the subscription's discount; ``discount`` is what
    that took."""

    kind: LineKind
    description: str
    quantity: Decimal
    unrounded: Decimal
    amount_minor: int
    explain: tuple[Step, ...]
    charge: RatedCharge | None
    discount: Decimal

    @property
    def charge_key(self) -> str | None:
        return None if self.charge is None else self.charge.charge_key

    @property
    def parts(self) -> tuple[RatedLine, ...]:
        return () if self.charge is None else self.charge.lines


@dataclass(frozen=True, slots=True)
class FloorOutcome:
    """How the period stands to its margin floor. ``shortfall`` = ``required`` − ``revenue`` = billed +
    absorbed + told.

    ``billed`` is on the invoice, ``absorbed`` is carried by us and booked. With ``on_breach: alert``
    neither is set and the shortfall is only told.
    """

    required: Decimal
    revenue: Decimal
    shortfall: Decimal
    billed: Decimal
    absorbed: Decimal
    alert: bool


@dataclass(frozen=True, slots=True)
class RatedPeriod:
    lines: tuple[PeriodLine, ...]
    subtotal_minor: int
    tax_minor: int
    total_minor: int
    discount: Decimal
    floor: FloorOutcome | None


@dataclass(slots=True)
class _Draft:
    """A line before its rounding. ``billed_before`` is the part of its period that is billed already."""

    kind: LineKind
    description: str
    quantity: Decimal
    amount: Decimal
    billed_before: Decimal = ZERO
    steps: list[Step] = field(default_factory=list)
    charge: RatedCharge | None = None
    discount: Decimal = ZERO
    discount_percent: Decimal | None = None
    amount_minor: int | None = None
    billed_before_minor: int | None = None
    quantity_before: Decimal = ZERO


@exact
def rate_period(period: PeriodInput) -> RatedPeriod:
    """The lines, tax and total of one period.

    >>> plan = PeriodInput(currency_exponent=2, fees=[Fee(Decimal("49.00"), Share(10, 31))],
    ...                    tax_rate=Decimal("0.20"))
    >>> rated = rate_period(plan)
    >>> rated.subtotal_minor, rated.tax_minor, rated.total_minor
    (1581, 316, 1897)
    """
    drafts = [_usage_draft(item) for item in period.charges]
    drafts += [_correction_draft(correction) for correction in period.corrections]
    drafts += [_fee_draft(fee) for fee in period.fees]
    drafts += _commitment_drafts(period, drafts)
    for draft in drafts:
        _discount(draft, period.subscription_discount_percent)
    floor = _floor_outcome(period, drafts)
    if floor is not None and floor.billed:
        drafts.append(_floor_draft(floor))
    lines = tuple(_line(draft, period.currency_exponent) for draft in drafts)
    subtotal = sum(line.amount_minor for line in lines)
    tax = 0 if period.tax_rate is None else tax_minor(subtotal, period.tax_rate)
    discount = sum((line.discount for line in lines), ZERO)
    return RatedPeriod(lines, subtotal, tax, subtotal + tax, discount, floor)


def _usage_draft(item: ChargeUsage) -> _Draft:
    rated = rate_unrounded(
        item.charge,
        item.usage,
        share=item.share,
        before=item.before,
        pool=item.pool,
        pool_before=item.pool_before,
    )
    return _Draft(
        kind="correction" if item.correction else "usage",
        description=item.charge.key,
        quantity=rated.quantity,
        amount=rated.amount_unrounded,
        billed_before=rated.billed_before,
        steps=list(rated.explain),
        charge=rated,
        discount_percent=item.discount_percent,
        quantity_before=measured_of(item.charge, item.before) if item.correction else ZERO,
    )


def _correction_draft(correction: Correction) -> _Draft:
    amount = correction.due - correction.billed
    return _Draft(
        kind="correction",
        description=correction.description,
        quantity=correction.quantity,
        amount=amount,
        steps=[
            Step("corrected", f"The period comes to {shown(correction.due)}", correction.due),
            Step("before", f"Less {shown(correction.billed)} billed before", amount),
        ],
        discount_percent=ZERO,
        amount_minor=correction.due_minor - correction.billed_minor,
        billed_before_minor=correction.billed_minor,
        quantity_before=correction.quantity_before,
    )


def _fee_draft(fee: Fee) -> _Draft:
    step = Step("fee", f"{fee.description} {shown(fee.amount)}", fee.amount)
    if fee.share is None or fee.share.used == fee.share.whole:
        return _Draft(
            "fee", fee.description, ONE, fee.amount, steps=[step], discount_percent=fee.discount_percent
        )
    amount = prorate(fee.amount, fee.share)
    part = Step("proration", f"{fee.share.used} of {fee.share.whole} of the period", amount)
    return _Draft(
        "fee", fee.description, ONE, amount, steps=[step, part], discount_percent=fee.discount_percent
    )


def _commitment_drafts(period: PeriodInput, drafts: Sequence[_Draft]) -> list[_Draft]:
    if period.commitment is None:
        return []
    share = period.commitment_share
    committed = period.commitment if share is None else prorate(period.commitment, share)
    spent = period.spent_elsewhere + sum(
        (draft.amount for draft in drafts if draft.kind != "correction"), ZERO
    )
    if spent >= committed:
        return []
    text = f"Committed {shown(committed)}, used {shown(spent)}"
    step = Step("commitment", text, committed - spent)
    return [_Draft("commitment", "Commitment true-up", ONE, committed - spent, steps=[step])]


def _discount(draft: _Draft, percent: Decimal | None) -> None:
    """Take the subscription's discount off a line: a percentage of each line is exactly its part of the
    whole."""
    percent = percent if draft.discount_percent is None else draft.discount_percent
    if not percent:
        return
    kept = (HUNDRED - percent) / HUNDRED
    draft.discount = draft.amount - draft.amount * kept
    draft.amount *= kept
    draft.billed_before *= kept
    text = f"{shown(percent)} % off the subscription"
    draft.steps.append(Step("subscription_discount", text, draft.amount))


def _floor_outcome(period: PeriodInput, drafts: Sequence[_Draft]) -> FloorOutcome | None:
    if period.margin_floor is None:
        return None
    rate, on_breach = period.margin_floor
    own = [draft for draft in drafts if draft.kind != "correction"]
    lines_sum = period.billed_elsewhere + sum((draft.amount for draft in own), ZERO)
    revenue = kept_amount(lines_sum + period.credit_revenue)
    required = kept_amount(period.cost_total / (ONE - rate))
    shortfall = max(ZERO, required - revenue)
    billed = absorbed = ZERO
    if on_breach == "bill":
        billed = min(shortfall, _open_to_floor(period, own, rate, revenue))
        if period.cap is not None:
            billed = min(billed, max(ZERO, period.cap - lines_sum))
        billed = kept_amount(billed)
    if on_breach != "alert":
        absorbed = shortfall - billed
    return FloorOutcome(required, revenue, shortfall, billed, absorbed, alert=shortfall > 0)


def _open_to_floor(period: PeriodInput, drafts: Sequence[_Draft], rate: Decimal, revenue: Decimal) -> Decimal:
    """What the floor may bill: charges at their maximum stay out of it, with their cost and their revenue.

    A maximum is a promise to the customer; a floor that billed around it would break it.
    """
    capped = [draft for draft in drafts if draft.charge is not None and draft.charge.at_maximum]
    cost = period.cost_total - sum((draft.charge.cost for draft in capped if draft.charge), ZERO)
    earned = revenue - sum((draft.amount for draft in capped), ZERO)
    return max(ZERO, max(ZERO, cost) / (ONE - rate) - earned)


def _floor_draft(floor: FloorOutcome) -> _Draft:
    step = Step("margin_floor", "Added to reach the plan's least price", floor.billed)
    return _Draft("margin_floor", "Margin floor adjustment", ONE, floor.billed, steps=[step])


def _line(draft: _Draft, exponent: int) -> PeriodLine:
    amount = kept_amount(draft.amount)
    minor, step = rounding(amount, kept_amount(draft.billed_before), exponent)
    if draft.amount_minor is not None:
        minor = draft.amount_minor
        text = "Each side rounded as it was or would be billed"
        step = Step("rounding", text, from_minor(minor, exponent))
    steps = [*draft.steps, step]
    if draft.kind == "correction":
        steps.append(_change(draft, minor, exponent))
    return PeriodLine(
        kind=draft.kind,
        description=draft.description,
        quantity=draft.quantity,
        unrounded=amount,
        amount_minor=minor,
        explain=tuple(steps),
        charge=draft.charge,
        discount=kept_amount(draft.discount),
    )


def _change(draft: _Draft, minor: int, exponent: int) -> Step:
    """What the earlier period was billed at, and what it comes to with this line, in one sentence."""
    billed = draft.billed_before_minor
    if billed is None:
        billed = round_to_minor(kept_amount(draft.billed_before), exponent)
    text = f"Billed {from_minor(billed, exponent)} before → {from_minor(billed + minor, exponent)} now"
    before, now = draft.quantity_before, draft.quantity_before + draft.quantity
    if before != now:
        text += f", for {shown(before)} → {shown(now)} used"
    elif now:
        text += f", for {shown(now)} used as before"
    return Step("change", text, from_minor(minor, exponent))
