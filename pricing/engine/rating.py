"""Rating: from a charge and a period's usage to an amount, with every step told."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

from core.money import ONE, ZERO, exact, from_minor, kept_amount, prorate, round_to_minor, shown
from core.periods import Share
from pricing.engine.charge import HUNDRED, Charge
from pricing.engine.model import Billable, RatedLine
from pricing.engine.usage import Usage, merge, total


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a reckoning, in words; ``amount`` is the money after it, where it changes money."""

    kind: str
    text: str
    amount: Decimal | None = None

    def as_json(self) -> dict[str, str | None]:
        amount = None if self.amount is None else shown(self.amount)
        return {"kind": self.kind, "text": self.text, "amount": amount}


class PoolPart(NamedTuple):
    """What a charge takes of an allowance of ``amount`` units, of which the charges ``before`` it have taken theirs."""

    name: str
    amount: Decimal
    before: Decimal
    taken: Decimal


@dataclass(frozen=True, slots=True)
class RatedCharge:
    """A charge's amount for a period, or for a later part of one.

    ``amount_unrounded`` is in the major unit, kept to 18 decimals, ``amount_minor`` in minor units.
    ``lift`` is what the charge's margin floor added; ``absorbed`` is what the floor asked for and the
    maximum cut off. ``unpriced`` is the quantity that the charge has no price for. ``billed_before`` is the
    unrounded amount of what was rated earlier in the period. ``included`` are the units that the charge itself includes
    in its share of the period, ``pool`` is what it takes of an allowance that it shares.
    """

    charge_key: str
    quantity: Decimal
    amount_unrounded: Decimal
    amount_minor: int
    lines: tuple[RatedLine, ...]
    explain: tuple[Step, ...]
    lift: Decimal
    absorbed: Decimal
    at_maximum: bool
    cost: Decimal
    unpriced: Decimal
    billed_before: Decimal = ZERO
    included: Decimal = ZERO
    pool: PoolPart | None = None


@exact
def rate_charge(
    charge: Charge,
    usage: Iterable[Usage],
    *,
    exponent: int,
    share: Share | None = None,
    before: Iterable[Usage] = (),
    pool: PoolPart | None = None,
    pool_before: PoolPart | None = None,
) -> RatedCharge:
    """The charge's amount for the usage of one period, rounded once to the currency's ``exponent``.

    ``share`` is the part of the whole period that was used; it scales a charge that prorates. ``before``
    is usage of the same period that is billed already: the answer is then the whole less what came
    before, so the parts of a period add up to the period, in exact amounts and in minor units. An empty
    ``before`` means that nothing was billed; where an empty part was, say so with ``[NOTHING]``. ``pool`` is
    what the charge takes of an allowance it shares, over the whole period so far; ``pool_before`` what it took of it
    when the part before was billed.

    >>> from pricing.engine.charge import parse_charge
    >>> calls = parse_charge({"key": "calls", "meter": "calls", "model": "per_unit", "unit_price": "0.005"})
    >>> rated = rate_charge(calls, [Usage(quantity=Decimal(3))], exponent=2)
    >>> shown(rated.amount_unrounded), rated.amount_minor
    ('0.015', 2)
    """
    rated = rate_unrounded(charge, usage, share=share, before=before, pool=pool, pool_before=pool_before)
    minor, step = rounding(rated.amount_unrounded, rated.billed_before, exponent)
    return replace(rated, amount_minor=minor, explain=(*rated.explain, step))


@exact
def rate_unrounded(
    charge: Charge,
    usage: Iterable[Usage],
    *,
    share: Share | None = None,
    before: Iterable[Usage] = (),
    pool: PoolPart | None = None,
    pool_before: PoolPart | None = None,
) -> RatedCharge:
    """What ``rate_charge`` answers, before its rounding: an invoice rounds once, after its own steps."""
    earlier = tuple(before)
    if not earlier:
        return _rate(charge, tuple(usage), share, pool)
    return _rest(_rate(charge, (*earlier, *usage), share, pool), _rate(charge, earlier, share, pool_before))


@exact
def measured_of(charge: Charge, usage: Iterable[Usage]) -> Decimal:
    """The quantity that the charge prices, before anything is included."""
    sums = total(usage)
    return sums.credits - sums.covered if charge.measures_credits else sums.quantity


def included_of(charge: Charge, share: Share | None) -> Decimal:
    """The units that the charge itself includes in its share of the period."""
    return _scaled(charge.included, share if charge.prorate else None)


@exact
def rounding(unrounded: Decimal, billed_before: Decimal, exponent: int) -> tuple[int, Step]:
    """An amount in minor units, and the step that tells it.

    Where a part of the period was billed before, the whole and that part are each rounded, and the answer is
    what is left between them: so the parts add up to what the whole would have been.

    >>> rounding(Decimal("0.004"), Decimal("1.004"), 2)[0]
    1
    """
    whole = billed_before + unrounded
    billed_minor = round_to_minor(billed_before, exponent)
    minor = round_to_minor(whole, exponent) - billed_minor
    amount = from_minor(minor, exponent)
    text = f"{shown(whole)} → {from_minor(minor + billed_minor, exponent)}"
    if billed_before:
        text += f", less {from_minor(billed_minor, exponent)} billed before"
    return minor, Step("rounding", text, amount)


def _rate(
    charge: Charge, usage: tuple[Usage, ...], share: Share | None, pool: PoolPart | None
) -> RatedCharge:
    """The unrounded amount of a period's usage, in the published order: included, allowance, model, floor, bounds,
    discount."""
    included = included_of(charge, share)
    if not charge.prorate:
        share = None
    usages = merge(usage)
    sums = total(usages)
    measured = measured_of(charge, usages)
    billable = Billable(usages, sums, measured, included)
    steps = [Step("quantity", f"{shown(measured)} used")]
    if included:
        steps.append(Step("included", f"{shown(included)} included, {shown(billable.quantity)} to bill"))
    if pool is not None:
        billable = replace(billable, included=included + pool.taken)
        steps.append(Step("allowance", _pool_text(pool, billable.quantity)))
    lines, amount = _model_lines(charge, billable, share, steps)
    lift = _lift(charge, billable, amount)
    if lift:
        amount += lift
        steps.append(Step("margin_floor", "Raised to the least price", amount))
    bounded = _bounded(charge, amount, share, steps)
    at_maximum = bounded < amount
    absorbed = max(ZERO, min(amount, _least(charge, billable)) - bounded) if at_maximum else ZERO
    amount = bounded
    if charge.discount_percent:
        amount = amount * (HUNDRED - charge.discount_percent) / HUNDRED
        steps.append(Step("discount", f"{shown(charge.discount_percent)} % off", amount))
    unpriced = sum((line.quantity for line in lines if _lacks_price(charge, line)), ZERO)
    return RatedCharge(
        charge.key,
        measured,
        kept_amount(amount),
        0,
        tuple(lines),
        tuple(steps),
        kept_amount(lift),
        kept_amount(absorbed),
        at_maximum,
        sums.cost,
        unpriced,
        included=included,
        pool=pool,
    )


def _model_lines(
    charge: Charge, billable: Billable, share: Share | None, steps: list[Step]
) -> tuple[list[RatedLine], Decimal]:
    lines = charge.model.lines(billable)
    if charge.model.name == "flat" and share is not None:
        lines = [_prorated_line(line, share) for line in lines]
    amount = ZERO
    for line in lines:
        amount += line.unrounded
        steps.append(Step("model", _line_text(line), line.unrounded))
    if amount < 0:
        # Corrections may exceed the use they correct; a period then bills nothing, and never pays out.
        amount = ZERO
        steps.append(Step("model", "Below zero counts as nothing", amount))
    return lines, amount


def _lift(charge: Charge, billable: Billable, amount: Decimal) -> Decimal:
    """What the charge's margin floor adds: event by event where events have prices, else over the whole
    period."""
    if charge.margin_floor is None:
        return ZERO
    if charge.prices_events:
        return billable.portion(billable.total.lift)
    return max(ZERO, _least(charge, billable) - amount)


def _least(charge: Charge, billable: Billable) -> Decimal:
    """The least amount that the margin floor allows for the billed part of the usage."""
    if charge.margin_floor is None:
        return ZERO
    cost = billable.total.cost
    if charge.measures_credits:
        cost = cost * billable.measured / billable.total.credits if billable.total.credits else ZERO
    return billable.portion(cost) / (ONE - charge.margin_floor)


def _bounded(charge: Charge, amount: Decimal, share: Share | None, steps: list[Step]) -> Decimal:
    if charge.minimum is not None:
        minimum = _scaled(charge.minimum, share)
        if amount < minimum:
            amount = minimum
            steps.append(Step("minimum", f"Raised to the minimum of {shown(minimum)}", amount))
    if charge.maximum is not None:
        maximum = _scaled(charge.maximum, share)
        if amount > maximum:
            amount = maximum
            steps.append(Step("maximum", f"Held to the maximum of {shown(maximum)}", amount))
    return amount


def _rest(whole: RatedCharge, earlier: RatedCharge) -> RatedCharge:
    """The whole less what was rated earlier, line by line."""
    unrounded = whole.amount_unrounded - earlier.amount_unrounded
    step = Step("before", f"Less {shown(earlier.amount_unrounded)} rated earlier in this period", unrounded)
    return replace(
        whole,
        quantity=whole.quantity - earlier.quantity,
        amount_unrounded=unrounded,
        lines=_remaining_lines(whole.lines, earlier.lines),
        explain=(*whole.explain, step),
        lift=whole.lift - earlier.lift,
        absorbed=whole.absorbed - earlier.absorbed,
        cost=whole.cost - earlier.cost,
        unpriced=whole.unpriced - earlier.unpriced,
        billed_before=earlier.amount_unrounded,
    )


def _remaining_lines(whole: tuple[RatedLine, ...], earlier: tuple[RatedLine, ...]) -> tuple[RatedLine, ...]:
    known = {_place(line): line for line in earlier}
    result = []
    for line in whole:
        past = known.pop(_place(line), None)
        result.append(line if past is None else _less(line, past))
    # A volume price may have left the tier of the earlier part: that part is taken back.
    result += [
        _less(replace(past, quantity=ZERO, unrounded=ZERO, flat=ZERO), past) for past in known.values()
    ]
    return tuple(line for line in result if line.quantity or line.unrounded)


def _less(line: RatedLine, past: RatedLine) -> RatedLine:
    return replace(
        line,
        quantity=line.quantity - past.quantity,
        unrounded=line.unrounded - past.unrounded,
        flat=line.flat - past.flat,
    )


def _place(line: RatedLine) -> tuple[object, ...]:
    return tuple(sorted(line.dimensions.items())), line.tier_from, line.tier_to


def _pool_text(pool: PoolPart, rest: Decimal) -> str:
    text = f"{shown(pool.taken)} of the {shown(pool.amount)} of {pool.name}"
    if pool.before:
        text += f", {shown(pool.before)} taken before"
    return f"{text}, {shown(rest)} to bill"


def _line_text(line: RatedLine) -> str:
    if line.unit_price is None:
        return f"{line.description}: {shown(line.quantity)}"
    text = f"{line.description}: {shown(line.quantity)} × {shown(line.unit_price)}"
    return f"{text} + {shown(line.flat)}" if line.flat else text


def _lacks_price(charge: Charge, line: RatedLine) -> bool:
    return charge.model.name == "matrix" and line.unit_price is None


def _prorated_line(line: RatedLine, share: Share) -> RatedLine:
    return replace(
        line,
        description=f"{line.description}, {share.used} of {share.whole}",
        unrounded=prorate(line.unrounded, share),
        flat=prorate(line.flat, share),
    )


def _scaled(number: Decimal, share: Share | None) -> Decimal:
    return number if share is None else prorate(number, share)
