"""What a reading of a price source changes, and what of it a person must see first. Pure.

The order of trust: an operator's override, then what two sources agree on within 1 %, then a single source.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from core.money import CONTEXT, exact, plain
from pricing.model_names import BEGINNING
from pricing.price_card import EVERY_DAY, STANDARD
from pricing.price_sources.quotes import Place, Quote
from pricing.price_units import is_token

SINGLE_SOURCE, AGREED = 1, 2

# Two sources agree when their prices differ by at most one part in a hundred of the larger.
AGREEMENT = Decimal("0.01")

# A price that more than doubles, or falls below half, waits for a person.
JUMP = Decimal(2)

# Against the same unit's standard price: a step, window or context ten times dearer or cheaper is rare enough to see.
OFFSHOOT = Decimal(10)

# The dearest token sold so far costs $0.0006; one above this is a price for a thousand or a million entered as one.
TOKEN_PRICE_MAX = Decimal("0.002")

# A dated change may be this late; one that reaches further back would change a past that has been reported.
LATE_MAX = timedelta(days=31)


class Reason(StrEnum):
    """Why a price waits for a person."""

    JUMP = "jump"
    IMPLAUSIBLE = "implausible"
    DISAGREES = "disagrees"
    SINGLE_SOURCE = "single_source"
    PAST = "changes_the_past"


@dataclass(frozen=True, slots=True)
class Held:
    """A row that the book already holds for a place; never an operator's."""

    price: Decimal
    starts: datetime
    ends: datetime | None
    layer: int
    source: str
    row_id: int


@dataclass(frozen=True, slots=True)
class Change:
    """A quote that differs from what is held. Staged when ``reason`` is set, else to be applied in ``layer``."""

    quote: Quote
    layer: int
    was: Decimal | None = None
    reason: Reason | None = None
    agrees_with: str = ""

    def as_json(self) -> dict[str, object]:
        told = self.quote.as_json() | {"reason": self.reason and self.reason.value, "layer": self.layer}
        if self.was is not None:
            told["was"] = plain(self.was)
            if self.was:
                ratio = CONTEXT.divide(self.quote.price, self.was)
                told["ratio"] = plain(ratio.quantize(Decimal("0.0001"), context=CONTEXT))
        return told


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that a reading changes."""

    changes: list[Change]
    unchanged: int

    @property
    def applied(self) -> list[Change]:
        return [change for change in self.changes if change.reason is None]

    @property
    def staged(self) -> list[Change]:
        return [change for change in self.changes if change.reason is not None]


@exact
def agree(one: Decimal, other: Decimal) -> bool:
    """Whether two prices are the same within 1 % of the larger.

    >>> agree(Decimal("0.00000125"), Decimal("0.00000126")), agree(Decimal("1"), Decimal("1.02"))
    (True, False)
    """
    return abs(one - other) <= AGREEMENT * max(one, other)


@exact
def within(price: Decimal, reference: Decimal, factor: Decimal) -> bool:
    """Whether a price lies within a factor of a reference, both ways. From or to free is never within.

    >>> within(Decimal("2"), Decimal("1"), JUMP), within(Decimal("1000"), Decimal("1"), JUMP)
    (True, False)
    """
    if price == reference:
        return True
    return price != 0 and reference != 0 and reference / factor <= price <= reference * factor


class Comparison:
    """A reading of one source, compared with the book place by place."""

    def __init__(
        self,
        source: str,
        quotes: Iterable[Quote],
        held: Mapping[Place, list[Held]],
        claims: Mapping[Place, Mapping[str, Decimal]],
        *,
        taken_at: datetime,
        dated: bool,
        accept_single_source: bool,
    ) -> None:
        """``claims`` is what the other sources said last, by place, whether it was applied or waits.

        ``dated``: the source keeps a history, so that a quote without a date means "always".
        """
        self._source = source
        self._held = held
        self._claims = claims
        self._taken_at = taken_at
        self._dated = dated
        self._accept = accept_single_source
        self._by_place: dict[Place, list[Quote]] = {}
        for quote in quotes:
            self._by_place.setdefault(quote.place, []).append(quote)

    def outcome(self) -> Outcome:
        changes: list[Change] = []
        unchanged = 0
        for place, quotes in (self._by_place | self._closed()).items():
            for quote in quotes:
                change = self._change(place, quote)
                if change is None:
                    unchanged += 1
                else:
                    changes.append(change)
        return Outcome(changes, unchanged)

    def _closed(self) -> dict[Place, list[Quote]]:
        """Steps and windows that the source no longer lists: from now on they cost what the plain unit costs."""
        closed = {}
        for place, rows in self._held.items():
            provider, model, unit, context, region, input_over, window, days, is_percent = place
            own = _in_force(rows, self._taken_at, self._source)
            if own is None or not (input_over or window) or self._now(place):
                continue
            plain_unit = self._now((provider, model, unit, context, region, 0, None, EVERY_DAY, is_percent))
            if plain_unit and own.price != plain_unit.price:
                closed[place] = [
                    replace(
                        plain_unit, input_over=input_over, window=window, days=days, starts=self._taken_at
                    )
                ]
        return closed

    def _now(self, place: Place) -> Quote | None:
        """What the source says of a place at the time of reading."""
        holding = [
            quote
            for quote in self._by_place.get(place, ())
            if (quote.starts or BEGINNING) <= self._taken_at
            and (quote.ends is None or self._taken_at < quote.ends)
        ]
        return max(holding, key=lambda quote: quote.starts or BEGINNING, default=None)

    def _change(self, place: Place, quote: Quote) -> Change | None:
        rows = self._held.get(place, [])
        own = [row for row in rows if row.source == self._source]
        starts = quote.starts or BEGINNING
        if any(row.starts == starts and row.price == quote.price for row in own):
            return None
        if quote.starts is None and (own or (rows and not self._dated)):
            if quote is not self._now(place):
                return Change(quote, SINGLE_SOURCE, reason=Reason.PAST)
            present = _in_force(own, self._taken_at)
            if present is not None and present.price == quote.price:
                return None
            starts = self._taken_at
        elif own and starts < self._taken_at - LATE_MAX:
            return Change(replace(quote, starts=starts), SINGLE_SOURCE, reason=Reason.PAST)
        return self._judge(place, replace(quote, starts=starts), rows)

    def _judge(self, place: Place, quote: Quote, rows: list[Held]) -> Change | None:
        assert quote.starts is not None
        before = _in_force(rows, quote.starts)
        second = self._second_source(place, quote.price)
        if before is None:
            if not self._plausible(place, quote):
                return Change(quote, SINGLE_SOURCE, reason=Reason.IMPLAUSIBLE)
            if second:
                return Change(quote, AGREED, agrees_with=second)
            return Change(quote, SINGLE_SOURCE, reason=None if self._accept else Reason.SINGLE_SOURCE)
        if before.source != self._source and agree(quote.price, before.price):
            # A second source confirms what holds: the price stays to the digit, its layer rises.
            if before.layer >= AGREED:
                return None
            return Change(replace(quote, price=before.price), AGREED, before.price, agrees_with=before.source)
        if not within(quote.price, before.price, JUMP):
            return Change(quote, before.layer, before.price, Reason.JUMP)
        if second:
            return Change(quote, AGREED, before.price, agrees_with=second)
        if before.source != self._source:
            return Change(quote, before.layer, before.price, Reason.DISAGREES)
        if before.layer >= AGREED or not self._accept:
            return Change(quote, before.layer, before.price, Reason.SINGLE_SOURCE)
        return Change(quote, SINGLE_SOURCE, before.price)

    def _second_source(self, place: Place, price: Decimal) -> str:
        """Another source whose last reading says the same; empty when there is none."""
        claims = self._claims.get(place, {})
        return next((source for source, claim in sorted(claims.items()) if agree(claim, price)), "")

    def _plausible(self, place: Place, quote: Quote) -> bool:
        if quote.is_percent:
            return quote.price <= 1
        if is_token(quote.unit) and quote.price > TOKEN_PRICE_MAX:
            return False
        provider, model, unit, _, _, _, _, _, _ = place
        standard = (provider, model, unit, STANDARD, "", 0, None, EVERY_DAY, False)
        if place == standard:
            return True
        told = self._by_place.get(standard)
        held = _in_force(self._held.get(standard, []), self._taken_at)
        reference = told[-1].price if told else held.price if held else None
        return (
            reference is None or not reference or not quote.price or within(quote.price, reference, OFFSHOOT)
        )


def _in_force(rows: Iterable[Held], at: datetime, source: str | None = None) -> Held | None:
    """The row that holds: the highest layer, then the latest start, then the newest."""
    holding = [
        row
        for row in rows
        if row.starts <= at and (row.ends is None or at < row.ends) and source in (None, row.source)
    ]
    return max(holding, key=lambda row: (row.layer, row.starts, row.row_id), default=None)
