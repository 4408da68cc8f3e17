"""Bringing prices into the book: every import is a kept snapshot, and what looks wrong waits in it for a person."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection, transaction

from core.problems import Conflict, Invalid, NotFound
from core.times import render_time
from pricing.model_names import BEGINNING, Alias, ModelNames, canonical_provider
from pricing.models import ModelAlias, PriceRow, PriceSnapshot
from pricing.price_book import book_changed
from pricing.price_changes import Change, Comparison, Held, Outcome
from pricing.price_sources.quotes import NameQuote, Place, PriceList, Quote
from pricing.price_sources.reading import quote_from_json

# Imports and approvals take turns, so that each sees the book the one before it left.
_TURN = 7_301_001
_BATCH = 2_000

OPERATOR = "operator"


@dataclass(frozen=True)
class ImportResult:
    """A snapshot and whether this call made it; ``repeated`` when the same content had come before."""

    snapshot: PriceSnapshot
    repeated: bool


def import_price_list(
    prices: PriceList, *, now: datetime, accept_single_source: bool = False, by: str = ""
) -> ImportResult:
    """Take a reading of a source into the book, in one transaction.

    New facts become rows; what jumps, disagrees with another source, or stands alone without
    ``accept_single_source`` is staged in the snapshot until ``approve_staged`` or ``refuse_staged``. The same
    content again changes nothing.
    """
    with transaction.atomic():
        _take_turn()
        named = _by_our_names(prices, now)
        content = named.content()
        fingerprint = PriceList.sha256(content)
        known = PriceSnapshot.objects.filter(source=prices.source, sha256=fingerprint).first()
        if known is not None:
            return ImportResult(known, repeated=True)
        outcome = _compare(named, now, accept_single_source)
        fresh, moved = _new_names(named.names, now)
        snapshot = PriceSnapshot.objects.create(
            source=prices.source,
            version=prices.version[:80],
            sha256=fingerprint,
            content=content,
            diff=_diff(outcome, fresh, moved, named.skipped),
            status=PriceSnapshot.Status.STAGED if outcome.staged or moved else PriceSnapshot.Status.APPLIED,
            taken_at=now,
            decided_at=None if outcome.staged or moved else now,
            decided_by="" if outcome.staged or moved else by,
        )
        _write_rows(snapshot, outcome.applied, now, by=by)
        _write_names(snapshot, fresh)
    book_changed()
    return ImportResult(snapshot, repeated=False)


def approve_staged(
    snapshot_id: int, *, by: str, now: datetime, only: Collection[int] | None = None
) -> PriceSnapshot:
    """Apply what waits in a snapshot: all of it, or the items at the given positions.

    An approved price takes at least the layer of the price it replaces: a person stands for the second source.
    Raises ``NotFound``, ``Conflict`` when nothing waits, ``Invalid`` for positions that do not exist.
    """
    return _decide(snapshot_id, by=by, now=now, only=only, apply=True)


def refuse_staged(
    snapshot_id: int, *, by: str, now: datetime, only: Collection[int] | None = None
) -> PriceSnapshot:
    """Strike what waits in a snapshot; the prices that hold stay. Raises as ``approve_staged``."""
    return _decide(snapshot_id, by=by, now=now, only=only, apply=False)


def set_operator_prices(quotes: Iterable[Quote], *, by: str, now: datetime) -> list[PriceRow]:
    """Write an operator's own prices: they beat every source from their start on, and need no approval.

    A quote without a start holds from ``now``. Returns the rows written.
    """
    stated = [
        replace(quote, provider=canonical_provider(quote.provider), starts=quote.starts or now)
        for quote in quotes
    ]
    prices = PriceList(OPERATOR, render_time(now), stated)
    content = prices.content() | {"by": by, "at": render_time(now)}
    with transaction.atomic():
        _take_turn()
        snapshot, _ = PriceSnapshot.objects.get_or_create(
            source=OPERATOR,
            sha256=PriceList.sha256(content),
            defaults={
                "version": render_time(now),
                "content": content,
                "diff": {"counts": {"applied": len(stated)}},
                "status": PriceSnapshot.Status.APPLIED,
                "taken_at": now,
                "decided_at": now,
                "decided_by": by,
            },
        )
        changes = [Change(quote, PriceRow.Layer.OPERATOR) for quote in stated]
        rows = _write_rows(snapshot, changes, now, by=by)
    book_changed()
    return rows


def _take_turn() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_TURN])


def _by_our_names(prices: PriceList, now: datetime) -> PriceList:
    """The same prices under our names for providers and models. Of several names for one model, its own decides."""
    providers = {canonical_provider(quote.provider) for quote in prices.quotes}
    known = _known_names(providers)
    chosen: dict[tuple[Place, datetime | None], tuple[bool, Quote]] = {}
    skipped = dict(prices.skipped)
    for quote in prices.quotes:
        provider = canonical_provider(quote.provider)
        names = known[provider]
        model = (names.timeline(provider, quote.model).at(now) if quote.model else "") or quote.model
        renamed = replace(quote, provider=provider, model=model)
        own_name = model.lower() == quote.model.lower()
        key = (renamed.place, renamed.starts)
        if key not in chosen or (own_name and not chosen[key][0]):
            chosen[key] = own_name, renamed
        elif chosen[key][1].price != renamed.price:
            skipped["another name of the same model says otherwise"] = (
                skipped.get("another name of the same model says otherwise", 0) + 1
            )
    quotes = [quote for _, quote in chosen.values()]
    named = [replace(name, provider=canonical_provider(name.provider)) for name in prices.names]
    return replace(prices, quotes=quotes, names=named, skipped=skipped)


def _known_names(providers: Collection[str]) -> dict[str, ModelNames]:
    aliases: dict[str, list[Alias]] = {}
    rows = ModelAlias.objects.filter(provider__in=providers).order_by("id")
    for row in rows:
        alias = Alias(row.id, row.kind, row.pattern, row.model, row.effective_from)
        aliases.setdefault(row.provider, []).append(alias)
    models: dict[str, set[str]] = {}
    for provider, model in (
        PriceRow.objects.filter(provider__in=providers).values_list("provider", "model").distinct()
    ):
        models.setdefault(provider, set()).add(model)
    return {name: ModelNames(models.get(name, ()), aliases.get(name, ())) for name in providers}


def _compare(prices: PriceList, now: datetime, accept_single_source: bool) -> Outcome:
    rows = (
        PriceRow.objects.filter(provider__in={quote.provider for quote in prices.quotes})
        .exclude(layer=PriceRow.Layer.OPERATOR)
        .select_related("snapshot")
        .defer("snapshot__content", "snapshot__diff")
    )
    held: dict[Place, list[Held]] = {}
    for row in rows.iterator(_BATCH):
        held.setdefault(_place(row), []).append(
            Held(row.price, row.effective_from, row.effective_to, row.layer, row.snapshot.source, row.id)
        )
    return Comparison(
        prices.source,
        prices.quotes,
        held,
        _claims(prices, now),
        taken_at=now,
        dated=prices.dated,
        accept_single_source=accept_single_source,
    ).outcome()


def _place(row: PriceRow) -> Place:
    return (
        row.provider,
        row.model,
        row.unit,
        row.context,
        row.region,
        row.input_over,
        None if row.window_start is None or row.window_end is None else (row.window_start, row.window_end),
        row.window_days,
        row.is_percent,
    )


def _claims(prices: PriceList, now: datetime) -> dict[Place, dict[str, Decimal]]:
    """What each other source said last about prices that hold now, applied or not."""
    last = (
        PriceSnapshot.objects.exclude(source__in=[prices.source, OPERATOR])
        .order_by("source", "-taken_at", "-id")
        .distinct("source")
    )
    providers = {quote.provider for quote in prices.quotes}
    claims: dict[Place, dict[str, Decimal]] = {}
    for source, told in last.values_list("source", "content__prices"):
        stated = (quote_from_json(price) for price in told if price["provider"] in providers)
        for quote in sorted(stated, key=lambda quote: quote.starts or BEGINNING):
            if (quote.starts or BEGINNING) <= now and (quote.ends is None or now < quote.ends):
                claims.setdefault(quote.place, {})[source] = quote.price
    return claims


def _new_names(names: Iterable[NameQuote], now: datetime) -> tuple[list[NameQuote], list[NameQuote]]:
    """Names not known yet, and names that lead to another model than before; those wait for a person."""
    names = list(names)
    latest: dict[tuple[str, str, str], str] = {}
    told: set[tuple[str, str, str, str]] = set()
    rows = ModelAlias.objects.filter(provider__in={name.provider for name in names}).order_by(
        "effective_from", "id"
    )
    for provider, kind, pattern, model in rows.values_list("provider", "kind", "pattern", "model"):
        latest[provider, kind, pattern] = model
        told.add((provider, kind, pattern, model))
    fresh, moved = [], []
    for name in names:
        key = (name.provider, name.kind, name.pattern)
        if (*key, name.model) in told and (name.starts or latest[key] == name.model):
            continue
        if key not in latest or name.starts:
            fresh.append(name)
        elif name.model != latest[key]:
            moved.append(replace(name, starts=now))
    dated = {(name.provider, name.kind, name.pattern) for name in names if name.starts}
    return fresh, [name for name in moved if (name.provider, name.kind, name.pattern) not in dated]


def _diff(
    outcome: Outcome, fresh: list[NameQuote], moved: list[NameQuote], skipped: Mapping[str, int]
) -> dict[str, Any]:
    applied = outcome.applied
    return {
        "counts": {
            "unchanged": outcome.unchanged,
            "new": sum(change.was is None for change in applied),
            "changed": sum(change.was is not None and not change.agrees_with for change in applied),
            "agreed": sum(bool(change.agrees_with) for change in applied),
            "staged": len(outcome.staged) + len(moved),
            "names": len(fresh),
        },
        "skipped": dict(skipped),
        "staged": [change.as_json() for change in outcome.staged]
        + [{"name": name.as_json(), "reason": "moved"} for name in moved],
    }


def _write_rows(
    snapshot: PriceSnapshot, changes: Iterable[Change], now: datetime, *, by: str
) -> list[PriceRow]:
    rows = [
        PriceRow(
            provider=change.quote.provider,
            model=change.quote.model,
            unit=change.quote.unit,
            context=change.quote.context,
            region=change.quote.region,
            input_over=change.quote.input_over,
            window_start=change.quote.window and change.quote.window[0],
            window_end=change.quote.window and change.quote.window[1],
            window_days=change.quote.days,
            price=change.quote.price,
            is_percent=change.quote.is_percent,
            effective_from=change.quote.starts or BEGINNING,
            effective_to=change.quote.ends,
            layer=change.layer,
            snapshot=snapshot,
            recorded_at=now,
            approved_by=(f"also in {change.agrees_with}" if change.agrees_with else by)[:200],
        )
        for change in changes
    ]
    return PriceRow.objects.bulk_create(rows, batch_size=_BATCH)


def _write_names(snapshot: PriceSnapshot, names: Iterable[NameQuote]) -> None:
    ModelAlias.objects.bulk_create(
        [
            ModelAlias(
                provider=name.provider,
                kind=name.kind,
                pattern=name.pattern,
                model=name.model,
                effective_from=name.starts or BEGINNING,
                snapshot=snapshot,
            )
            for name in names
        ],
        batch_size=_BATCH,
    )


def _decide(
    snapshot_id: int, *, by: str, now: datetime, only: Collection[int] | None, apply: bool
) -> PriceSnapshot:
    with transaction.atomic():
        _take_turn()
        snapshot = PriceSnapshot.objects.select_for_update().filter(id=snapshot_id).first()
        if snapshot is None:
            raise NotFound(f"There is no price snapshot {snapshot_id}.")
        waiting: list[dict[str, Any]] = snapshot.diff.get("staged", [])
        if not waiting:
            raise Conflict("Nothing in this snapshot waits for a decision.")
        positions = set(range(len(waiting))) if only is None else set(only)
        if not positions <= set(range(len(waiting))):
            raise Invalid.one("items", "unknown", f"Write positions from 0 to {len(waiting) - 1}.")
        chosen = [waiting[position] for position in sorted(positions)]
        if apply:
            _apply(snapshot, chosen, by=by, now=now)
        left = [item for position, item in enumerate(waiting) if position not in positions]
        decided = snapshot.diff.get("decided", [])
        decided.append({"by": by, "at": render_time(now), "approved": apply, "items": chosen})
        snapshot.diff = snapshot.diff | {"staged": left, "decided": decided}
        if not left:
            refused_all = not any(decision["approved"] for decision in decided) and not snapshot.rows.exists()
            snapshot.status = PriceSnapshot.Status.REFUSED if refused_all else PriceSnapshot.Status.APPLIED
        snapshot.decided_at, snapshot.decided_by = now, by[:200]
        snapshot.save(update_fields=["diff", "status", "decided_at", "decided_by"])
    book_changed()
    return snapshot


def _apply(snapshot: PriceSnapshot, items: list[dict[str, Any]], *, by: str, now: datetime) -> None:
    changes, names = [], []
    for item in items:
        if "name" in item:
            told = dict(item["name"])
            told.pop("effective_from", None)
            names.append(NameQuote(**told, starts=now))
        else:
            told = {
                key: value for key, value in item.items() if key not in ("reason", "layer", "was", "ratio")
            }
            changes.append(Change(quote_from_json(told), item["layer"]))
    _write_rows(snapshot, changes, now, by=by)
    _write_names(snapshot, names)
