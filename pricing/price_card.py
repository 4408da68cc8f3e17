"""One model's prices in one context and region, laid out so that a call is priced with a few dictionary look-ups.

Pure: rates in, cost lines out. Where rates come from and how they are kept fresh is ``pricing.price_book``.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from decimal import Decimal

import msgspec

from core.money import CONTEXT, ONE, STORED_STEP, ZERO
from pricing.price_units import CALL, REQUESTS, is_token, priced_as, prompt_tokens

STANDARD = "standard"
EVERY_DAY = "1234567"
OPERATOR_LAYER = 3

_multiply, _add, _quantize = CONTEXT.multiply, CONTEXT.add, CONTEXT.quantize


@dataclass(frozen=True, slots=True)
class Rate:
    """A price row as the rater reads it: for one unit, from ``starts`` until ``ends`` (or a newer rate)."""

    row_id: int
    model: str
    unit: str
    price: Decimal
    context: str
    region: str
    input_over: int
    window: tuple[time, time] | None
    days: str
    is_percent: bool
    starts: datetime
    ends: datetime | None
    layer: int

    def holds(self, at: datetime) -> bool:
        return self.starts <= at and (self.ends is None or at < self.ends)

    @property
    def always_holds(self) -> bool:
        """Whether neither the prompt's length nor the hour matters."""
        return self.input_over <= 0 and self.window is None

    def reached_by(self, prompt: Decimal) -> bool:
        """Whether the prompt is long enough: strictly longer than the step."""
        return self.input_over <= 0 or prompt > self.input_over

    def in_window(self, at: datetime) -> bool:
        """Whether the time of day and the weekday, both in UTC, are the rate's own."""
        if self.window is None:
            return True
        utc = at.astimezone(UTC)
        if str(utc.isoweekday()) not in self.days:
            return False
        start, end = self.window
        moment = utc.time()
        return start <= moment < end if start < end else moment >= start or moment < end


class CostLine(msgspec.Struct, frozen=True, gc=False):
    """One bucket of a call: how much of it, at what price, by which row. ``priced_as`` is the unit that lent the price."""

    bucket: str
    quantity: Decimal
    unit_price: Decimal
    row_id: int
    priced_as: str
    amount: Decimal


def in_precedence(rates: Iterable[Rate]) -> list[Rate]:
    """The rates, the one that wins first. The order is total, because ids differ.

    An operator's rate; the model's own before one for every model; a region's own; a window before all day (fewer
    days first); the highest long-context step; agreed before single source; the latest start; the newest row.
    """
    newest_first = sorted(rates, key=lambda rate: (rate.starts, rate.row_id), reverse=True)
    return sorted(
        newest_first,
        key=lambda rate: (
            rate.layer != OPERATOR_LAYER,
            not rate.model,
            not rate.region,
            rate.window is None,
            len(rate.days),
            -rate.input_over,
            -rate.layer,
        ),
    )


@dataclass
class Slot:
    """The rates that hold between two changes of the card."""

    rates: Sequence[Rate]
    context: str
    choices: dict[str, tuple[Rate, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.by_unit: dict[tuple[str, str], list[Rate]] = {}
        overheads: dict[str, list[Rate]] = {}
        for rate in self.rates:
            if rate.is_percent:
                overheads.setdefault(rate.unit, []).append(rate)
            else:
                self.by_unit.setdefault((rate.context, rate.unit), []).append(rate)
        self.percents = [tuple(self._in_context(rates)) for _, rates in sorted(overheads.items())]
        self.knows_context = any(rate.context == self.context and rate.model for rate in self.rates)
        self.certain: dict[str, Rate] = {}
        self.per_call = [unit for unit in (CALL, REQUESTS) if self.for_bucket(unit)]

    def _in_context(self, rates: list[Rate]) -> list[Rate]:
        own = [rate for rate in rates if rate.context == self.context]
        return own + [rate for rate in rates if rate.context == STANDARD and self.context != STANDARD]

    def for_bucket(self, bucket: str) -> tuple[Rate, ...]:
        """The rates that may price the bucket, the best first; the context's own before the standard ones.

        A token falls back to its standard rate only where the model is sold in the context at all: providers publish
        a context's rates as exceptions. Otherwise nothing is known of the context, and the bucket has no price.
        """
        chosen = self.choices.get(bucket)
        if chosen is None:
            contexts = [self.context]
            if self.context != STANDARD and (self.knows_context or not is_token(bucket)):
                contexts.append(STANDARD)
            found = [
                rate
                for context in contexts
                for unit in priced_as(bucket)
                for rate in self.by_unit.get((context, unit), ())
            ]
            chosen = self.choices[bucket] = tuple(_until_certain(found))
            if chosen and chosen[0].always_holds:
                self.certain[bucket] = chosen[0]
        return chosen

    def choose(self, bucket: str, prompt: Decimal, at: datetime) -> Rate | None:
        """The rate that prices this bucket of a call with so long a prompt; None where none does."""
        return _first(self.for_bucket(bucket), prompt, at)


def _first(rates: Iterable[Rate], prompt: Decimal, at: datetime) -> Rate | None:
    return next((rate for rate in rates if rate.reached_by(prompt) and rate.in_window(at)), None)


def _until_certain(rates: Iterable[Rate]) -> Iterable[Rate]:
    """What comes after a rate that always holds can never be reached."""
    for rate in rates:
        yield rate
        if rate.always_holds:
            return


class PriceCard:
    """Every rate of a model in one context and region, in time slots."""

    def __init__(self, rates: Iterable[Rate], context: str, region: str) -> None:
        held = in_precedence(
            rate for rate in rates if rate.context in (context, STANDARD) and rate.region in ("", region)
        )
        self._rates = held
        self._context = context
        self._changes = sorted({rate.starts for rate in held} | {rate.ends for rate in held if rate.ends})
        self._slots: list[Slot | None] = [None] * (len(self._changes) + 1)

    def slot(self, at: datetime) -> Slot:
        """The rates that hold at the instant."""
        index = bisect_right(self._changes, at)
        slot = self._slots[index]
        if slot is None:
            since = self._changes[index - 1] if index else None
            holding = [rate for rate in self._rates if since is not None and rate.holds(since)]
            slot = self._slots[index] = Slot(holding, self._context)
        return slot

    def has_own_rates(self, at: datetime) -> bool:
        """Whether any rate of the model itself holds then."""
        return any(rate.model for rate in self.slot(at).rates)

    def price(
        self, buckets: Mapping[str, Decimal], at: datetime
    ) -> tuple[Decimal, list[CostLine], tuple[str, ...]]:
        """The cost, its lines, and the buckets that have no price. Empty buckets need none.

        Lines are kept at 18 decimals and the cost is their exact sum. A percent overhead is a share of the other
        lines together; several do not compound.
        """
        slot = self.slot(at)
        certain = slot.certain
        total = ZERO
        lines: list[CostLine] = []
        unpriced: list[str] = []
        prompt: Decimal | None = None
        for bucket, quantity in buckets.items():
            if not quantity:
                continue
            rate = certain.get(bucket)
            if rate is None:
                if prompt is None:
                    prompt = prompt_tokens(buckets)
                rate = slot.choose(bucket, prompt, at)
            if rate is None:
                unpriced.append(bucket)
                continue
            line = _line(bucket, quantity, rate)
            lines.append(line)
            total = _add(total, line.amount)
        if slot.per_call or slot.percents:
            overheads = self._overheads(slot, buckets, at, total)
            lines += overheads
            for line in overheads:
                total = _add(total, line.amount)
        return total, lines, tuple(unpriced)

    def _overheads(
        self, slot: Slot, buckets: Mapping[str, Decimal], at: datetime, base: Decimal
    ) -> list[CostLine]:
        prompt = prompt_tokens(buckets)
        lines = []
        for unit in slot.per_call:
            rate = None if buckets.get(unit) else slot.choose(unit, prompt, at)
            if rate is not None:
                lines.append(_line(unit, ONE, rate))
        for line in lines:
            base = _add(base, line.amount)
        for rates in slot.percents:
            rate = _first(rates, prompt, at)
            if rate is not None:
                lines.append(_line(rate.unit, base, rate))
        return lines


def _line(bucket: str, quantity: Decimal, rate: Rate) -> CostLine:
    amount = _quantize(_multiply(quantity, rate.price), STORED_STEP)
    return CostLine(bucket, quantity, rate.price, rate.row_id, rate.unit, amount)
