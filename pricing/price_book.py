"""The price book: what providers charge us, dated. It answers what a call cost, and which rows said so.

Rows are append-only, so a book is known by its newest row; a process keeps one in memory, provider by provider as they
are asked for, and looks at most once a second whether a newer one exists.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import msgspec
from django.db.models import Max

from core.remembered import forget_with
from pricing.model_names import RESOLD, Alias, ModelNames, Timeline, canonical_provider
from pricing.models import ModelAlias, PriceRow
from pricing.price_card import STANDARD, CostLine, PriceCard, Rate

__all__ = ["Cost", "CostLine", "book_changed", "cost_of_usage", "current_book", "known_model"]

FRESH_SECONDS = 1

# Names come from clients, so a process must not remember every one it has ever seen.
CARDS_KEPT_MAX = 20_000


class Cost(msgspec.Struct, frozen=True, gc=False):
    """What a call cost us, in US dollars, as far as it could be priced.

    ``unpriced`` names the buckets without a price; when there are any, ``amount`` is only a part of the cost.
    ``model`` is our own name for the model, empty when the book does not know it. ``book`` is the book's version.
    """

    amount: Decimal
    lines: tuple[CostLine, ...]
    unpriced: tuple[str, ...]
    provider: str
    model: str
    book: int

    @property
    def rows(self) -> dict[str, int]:
        """Which price row priced each bucket."""
        return {line.bucket: line.row_id for line in self.lines}


class ProviderPrices:
    """One provider's rates and names, as they stood at a version of the book."""

    def __init__(self, provider: str, newest_row: int, newest_alias: int) -> None:
        self.provider = provider
        self.rates: dict[str, list[Rate]] = {}
        for rate in _rates(provider, newest_row):
            self.rates.setdefault(rate.model, []).append(rate)
        aliases = ModelAlias.objects.filter(provider=provider, id__lte=newest_alias).order_by("id")
        self.names = ModelNames(
            self.rates,
            (
                Alias(*values)
                for values in aliases.values_list("id", "kind", "pattern", "model", "effective_from")
            ),
        )


@dataclass(frozen=True, slots=True)
class NamedCard:
    """What a name has meant over time, and the card of each model it meant."""

    timeline: Timeline
    cards: dict[str | None, PriceCard]
    provider: str


class Book:
    """The price book at one version."""

    def __init__(self, newest_row: int, newest_alias: int) -> None:
        self.newest_row = newest_row
        self.newest_alias = newest_alias
        self.version = newest_row + newest_alias
        self._providers: dict[str, ProviderPrices] = {}
        self._cards: dict[tuple[str, str, str, str], NamedCard] = {}

    def card(self, provider: str, model: str, context: str, region: str) -> NamedCard:
        """The prices behind a name, in a context and region."""
        key = (provider, model, context, region)
        card = self._cards.get(key)
        if card is None:
            if len(self._cards) >= CARDS_KEPT_MAX:
                self._cards.clear()
            card = self._cards[key] = self._make_card(canonical_provider(provider), model, context, region)
        return card

    def _make_card(self, provider: str, model: str, context: str, region: str) -> NamedCard:
        seller, timeline = provider, Timeline([], [])
        for seller in (provider, *RESOLD.get(provider, ())):
            timeline = self._prices(seller).names.timeline(seller, model)
            if any(timeline.models):
                break
        else:
            seller = provider
        everywhere = self._prices(seller).rates.get("", []) + (
            self._prices("").rates.get("", []) if seller else []
        )
        cards = {
            name: PriceCard(
                (self._prices(seller).rates.get(name, []) if name else []) + everywhere, context, region
            )
            for name in {*timeline.models, None}
        }
        return NamedCard(timeline, cards, seller)

    def _prices(self, provider: str) -> ProviderPrices:
        prices = self._providers.get(provider)
        if prices is None:
            prices = self._providers[provider] = ProviderPrices(provider, self.newest_row, self.newest_alias)
        return prices


class _Shelf:
    """Where a process keeps the present book."""

    def __init__(self) -> None:
        self.book: Book | None = None
        self.looked_at: float | None = None
        self.lock = threading.Lock()

    def clear(self) -> None:
        self.book = self.looked_at = None


_shelf = _Shelf()
forget_with(_shelf.clear)


def current_book() -> Book:
    """The newest book, at most a second behind what other processes have written. At most two small queries."""
    book, looked_at = _shelf.book, _shelf.looked_at
    if book is not None and looked_at is not None and time.monotonic() - looked_at < FRESH_SECONDS:
        return book
    with _shelf.lock:
        newest_row = PriceRow.objects.aggregate(newest=Max("id"))["newest"] or 0
        newest_alias = ModelAlias.objects.aggregate(newest=Max("id"))["newest"] or 0
        book = _shelf.book
        if book is None or (book.newest_row, book.newest_alias) != (newest_row, newest_alias):
            book = _shelf.book = Book(newest_row, newest_alias)
        _shelf.looked_at = time.monotonic()
        return book


def newest_book() -> Book:
    """The book as it is now, also where another process has written to it within the last second."""
    book_changed()
    return current_book()


def book_changed() -> None:
    """Look again at the next question; called by whatever has written rows in this process."""
    _shelf.looked_at = None


def cost_of_usage(
    provider: str,
    model: str,
    buckets: Mapping[str, Decimal],
    *,
    at: datetime,
    context: str = STANDARD,
    region: str = "",
) -> Cost:
    """What a call cost us by the prices that held at ``at``.

    ``buckets`` are disjoint counts by bucket name. Each finds one price row, by the order that docs/price-book.md
    gives; one that finds none is named in ``unpriced``, never free and never guessed.
    """
    book = current_book()
    named = book.card(provider, model, context, region)
    canonical = named.timeline.at(at)
    card = named.cards[canonical]
    amount, lines, unpriced = card.price(buckets, at)
    return Cost(amount, tuple(lines), unpriced, named.provider, canonical or "", book.version)


def known_model(provider: str, model: str, at: datetime) -> bool:
    """Whether the book has any price of this model's own at that time, in the standard context."""
    named = current_book().card(provider, model, STANDARD, "")
    canonical = named.timeline.at(at)
    return canonical is not None and named.cards[canonical].has_own_rates(at)


def canonical_model(provider: str, model: str, at: datetime) -> str:
    """Our own name for a model, by the aliases of that time; empty when the book does not know it."""
    return current_book().card(provider, model, STANDARD, "").timeline.at(at) or ""


def price_of(
    provider: str, model: str, bucket: str, *, at: datetime, context: str = STANDARD
) -> Decimal | None:
    """The price of one unit for a short prompt, or None: what a price list shows."""
    cost = cost_of_usage(provider, model, {bucket: Decimal(1)}, at=at, context=context)
    return next((line.unit_price for line in cost.lines if line.bucket == bucket), None)


def _rates(provider: str, newest_row: int) -> list[Rate]:
    rows = PriceRow.objects.filter(provider=provider, id__lte=newest_row).order_by("id")
    return [
        Rate(
            row_id=id_,
            model=model,
            unit=unit,
            price=price,
            context=context,
            region=region,
            input_over=input_over,
            window=None if start is None or end is None else (start, end),
            days=days,
            is_percent=is_percent,
            starts=starts,
            ends=ends,
            layer=layer,
        )
        for id_, model, unit, price, context, region, input_over, start, end, days, is_percent, starts, ends, layer in (
            rows.values_list(
                "id",
                "model",
                "unit",
                "price",
                "context",
                "region",
                "input_over",
                "window_start",
                "window_end",
                "window_days",
                "is_percent",
                "effective_from",
                "effective_to",
                "layer",
            )
        )
    ]
