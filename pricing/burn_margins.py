"""What a burn table earns: for each model and kind, what the provider charges, what the credits sell for, and the margin.

A check before a table is published, and afterwards whenever providers move their prices. All prices are for a single unit
(one token, one search) of a short prompt in the standard context, in US dollars.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal

from django.db.models import Q

from core.money import CONTEXT, ONE, ZERO, exact, plain
from pricing.burn_rates import CALL, BurnRate, RateTable
from pricing.burn_tables import facts_of
from pricing.models import PriceRow
from pricing.price_book import price_of
from pricing.price_card import STANDARD
from pricing.price_units import REQUESTS

# So many of a kind are burned to tell the price of one: a table's credits are often for a million.
PER = Decimal(1_000_000)
CREDIT_PRICE_LEAST = Decimal("0.000000001")
DERIVED_STEP = Decimal("0.000001")
LOWEST = Decimal("-Infinity")


@dataclass(frozen=True)
class KindMargin:
    """One kind of one model. ``rate`` is the id of the rate that burns it, ``None`` where none does; then ``price`` is zero.

    ``margin`` = (price − cost) / price, ``None`` where there is no price to divide by.
    """

    provider: str
    model: str
    kind: str
    rate: str | None
    cost: Decimal
    price: Decimal

    @property
    def margin(self) -> Decimal | None:
        """
        >>> KindMargin("anthropic", "opus", "output", "r", Decimal("0.000024"), Decimal("0.000025")).margin
        Decimal('0.04')
        """
        return None if self.price == 0 else CONTEXT.divide(self.price - self.cost, self.price)

    def below(self, floor: Decimal) -> bool:
        """Whether it earns less than the floor; what costs and burns nothing earns less than any."""
        return self.cost > 0 if self.margin is None else self.margin < floor

    def told(self) -> str:
        """The margin as a sentence."""
        if self.margin is None:
            return f"At this table, {self.model} {self.kind} burns no credits."
        return (
            f"At this table, {self.model} {self.kind} sells at a margin of {plain(_percent(self.margin))} %."
        )


@exact
def margins_of(
    table: RateTable, *, credit_price: Decimal, at: datetime, provider: str = "", model: str = ""
) -> list[KindMargin]:
    """The margin of every kind that a provider prices at that time, the lowest first.

    ``credit_price`` is what a customer pays for one credit. A model that the table sells by the call is left out: what a
    call costs depends on its tokens.
    """
    found = []
    for seller, name, kind in _kinds(at, provider, model):
        cost = price_of(seller, name, kind, at=at)
        burns = table.burns(facts_of(provider=seller, model=name, at=at, buckets={kind: PER})) or []
        if cost is None or (burns and all(burn.token_kind == CALL for burn in burns)):
            continue
        burn = next((burn for burn in burns if burn.token_kind == kind), None)
        credits = ZERO if burn is None else burn.credits / PER
        found.append(
            KindMargin(seller, name, kind, burn.row_id if burn else None, cost, credits * credit_price)
        )
    return sorted(found, key=_lowest_first)


@exact
def derived_rates(
    margins: Iterable[KindMargin], *, credit_price: Decimal, target_margin: Decimal
) -> list[BurnRate]:
    """Rates for what no rate burns: so many credits, rounded up, that each kind earns at least ``target_margin``.

    They are marked as derived, so that a reader of the table knows that no person has set them.
    """
    rates: list[BurnRate] = []
    for kind in margins:
        if kind.rate is None and kind.cost:
            credits = kind.cost / (ONE - target_margin) / credit_price * PER
            rates.append(
                BurnRate(
                    id=f"derived-{len(rates) + 1}",
                    match={"model": (kind.model,), "provider": (kind.provider,)},
                    token_kind=(kind.kind,),
                    credits=credits.quantize(DERIVED_STEP, ROUND_CEILING),
                    per=PER,
                    derived=True,
                )
            )
    return rates


def _kinds(at: datetime, provider: str, model: str) -> list[tuple[str, str, str]]:
    """Provider, model and kind of each price that holds at the time, in the standard context."""
    rows = PriceRow.objects.filter(
        Q(effective_to=None) | Q(effective_to__gt=at),
        effective_from__lte=at,
        context=STANDARD,
        is_percent=False,
    )
    rows = rows.exclude(model="").exclude(unit__in=(CALL, REQUESTS))
    if provider:
        rows = rows.filter(provider=provider)
    if model:
        rows = rows.filter(model=model)
    return sorted(set(rows.values_list("provider", "model", "unit")))


def _lowest_first(kind: KindMargin) -> tuple[Decimal, str, str, str]:
    margin = kind.margin
    if margin is None:
        margin = LOWEST if kind.cost else ONE
    return margin, kind.provider, kind.model, kind.kind


def _percent(share: Decimal) -> Decimal:
    return (share * 100).quantize(Decimal("0.1"))
